"""How many requests a caller may make: a bucket a token, or an address without one, that fills again steadily."""

from __future__ import annotations

import hashlib
import math
import time
from typing import TYPE_CHECKING

from enfold.hub.server.errors import HubError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["RateLayer"]

_MOST_CALLERS = 50_000
_UNLIMITED = ("/health", "/metrics")


class RateLayer:
    """Answer 429 with ``Retry-After`` to a caller over the limit. Each worker counts its own requests.

    Args:
        app: the application inside.
        per_minute: requests a minute; a caller who was quiet may make as many at once.
    """

    def __init__(self, app: ASGIApp, *, per_minute: int) -> None:
        self._app = app
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._buckets: dict[bytes, tuple[float, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] in _UNLIMITED:
            await self._app(scope, receive, send)
            return
        wait = self._take(_caller(scope))
        if wait is None:
            await self._app(scope, receive, send)
            return
        seconds = str(math.ceil(wait))
        message = f"too many requests: at most {self._size:g} a minute; try again in {seconds} s"
        headers = {"Retry-After": seconds, "RateLimit": f'"requests";r=0;t={seconds}', "Connection": "close"}
        await HubError(429, message, headers=headers).response()(scope, receive, send)

    def _take(self, caller: bytes) -> float | None:
        """Take one request out of a bucket; the seconds to wait when it is empty."""
        moment = time.monotonic()
        left, since = self._buckets.pop(caller, (self._size, moment))
        left = min(self._size, left + (moment - since) * self._per_second)
        allowed = left >= 1
        # Put back at the end: the first are those that were quiet longest.
        self._buckets[caller] = (left - 1 if allowed else left, moment)
        if len(self._buckets) > _MOST_CALLERS:
            del self._buckets[next(iter(self._buckets))]
        return None if allowed else (1 - left) / self._per_second


def _caller(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return hashlib.sha256(value).digest()[:16]
    client = scope.get("client")
    return str(client[0] if client else "").encode()
