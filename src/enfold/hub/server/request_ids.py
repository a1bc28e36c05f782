"""Every request has an id: the client's own if it sent one. It is in the answer and in the log's one line."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestIdLayer"]

_ID = re.compile(rb"[\x21-\x7e]{1,200}")
_log = logging.getLogger("enfold.hub.requests")


class RequestIdLayer:
    """Answer with ``X-Request-Id``, and log one line a request: never a header, a query or a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id") or headers.get(b"x-amzn-trace-id") or b""
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex.encode()
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id.decode("ascii")
        started = time.perf_counter()
        status = 500

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = dict(message, headers=[*message.get("headers", []), (b"x-request-id", request_id)])
            await send(message)

        try:
            await self._app(scope, receive, with_id)
        finally:
            if _log.isEnabledFor(logging.INFO):
                who = getattr(state.get("principal"), "name", "") or "-"
                _log.info(
                    "%s %s %d",
                    scope["method"],
                    _shown(scope),
                    status,
                    extra={
                        "request_id": state["request_id"],
                        "user": who,
                        "milliseconds": round((time.perf_counter() - started) * 1000, 1),
                    },
                )


def _shown(scope: Scope) -> str:
    """The address as it came, escaped, so that nobody writes lines of their own into the log."""
    raw = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    return "".join(chr(byte) if 0x21 <= byte < 0x7F else f"%{byte:02X}" for byte in raw[:500])
