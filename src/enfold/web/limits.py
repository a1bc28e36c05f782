"""How much of a request is read: an ASGI layer that bounds the body by bytes and by time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from enfold.web.error_shape import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["BodyLimit"]


class BodyLimit:
    """Refuse bodies over ``max_bytes`` (413) and bodies that take longer than ``max_seconds`` to arrive (408).

    A body that declares its length is refused before a byte of it is read; one that does not is refused as
    soon as it has grown too large.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, max_seconds: float = 30.0) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > self._max_bytes:
            await self._too_large().response()(scope, receive, send)
            return
        received = 0
        complete = False
        deadline = asyncio.get_running_loop().time() + self._max_seconds

        async def bounded() -> Message:
            nonlocal received, complete
            if complete:  # the application waits for the client to leave, for as long as it likes
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise Problem(
                    408, "body_too_slow", f"the body did not arrive within {self._max_seconds:g} seconds"
                ) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, bounded, send)

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "body_too_large",
            f"the body is larger than {self._max_bytes} bytes; send less at once",
            headers={"Connection": "close"},  # the rest of the body is not read
        )
