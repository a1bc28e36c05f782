"""Warnings on answers: clients show each topic of ``X-HF-Warning: topic; message`` to their user once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["WarningLayer", "warn"]

_LONGEST = 1000


def warn(request: Request, message: str) -> None:
    """Let the answer of a request bear a warning, of the form ``topic; message``."""
    plain = "".join(each if 0x20 <= ord(each) < 0x7F else "?" for each in message)
    request.state.warning = plain[:_LONGEST]


class WarningLayer:
    """Put the warning of a request on its answer, whatever the answer is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})

        async def with_warning(message: Message) -> None:
            warning = state.get("warning")
            if message["type"] == "http.response.start" and warning is not None:
                header = (b"x-hf-warning", warning.encode("ascii"))
                message = dict(message, headers=[*message.get("headers", []), header])
            await send(message)

        await self._app(scope, receive, with_warning)
