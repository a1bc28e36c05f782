"""Who may ask: host names, the API key and the type of the body, checked before anything is read.

A server on loopback is reachable by every web page its user opens. Two checks keep such pages out: the ``Host``
header must name this machine (a page that re-points its own name at 127.0.0.1 still sends its own name), and a
body must be declared as JSON (a page of another origin cannot send that without asking, and nobody here says yes).
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from enfold.serving.settings import ServingSettings
from enfold.web.error_shape import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Access"]

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Access:
    """An ASGI layer that lets through what may be asked of a server with these settings."""

    def __init__(self, app: ASGIApp, *, settings: ServingSettings) -> None:
        self._app = app
        hosts = {name.lower() for name in settings.allowed_hosts}
        if settings.on_loopback:
            hosts |= _LOOPBACK_NAMES
            hosts.add(f"[{settings.host}]" if ":" in settings.host else settings.host.lower())
        self._hosts = frozenset(hosts)
        self._key = settings.api_key.encode() if settings.api_key is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            problem = self._host_problem(headers) or self._key_problem(scope, headers) or _type_problem(scope, headers)
            if problem is not None:
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _host_problem(self, headers: dict[bytes, bytes]) -> Problem | None:
        if not self._hosts:
            return None
        given = headers.get(b"host", b"").decode("latin-1").lower()
        name = given.partition("]")[0] + "]" if given.startswith("[") else given.partition(":")[0]
        if name in self._hosts:
            return None
        known = ", ".join(sorted(self._hosts))
        return Problem(421, "unknown_host", f"this server does not answer for host {name!r}; it answers for: {known}")

    def _key_problem(self, scope: Scope, headers: dict[bytes, bytes]) -> Problem | None:
        if self._key is None or scope["path"] == "/health":
            return None
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(), self._key):
            return None
        message = "this server needs its API key, sent as: Authorization: Bearer KEY"
        return Problem(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


def _type_problem(scope: Scope, headers: dict[bytes, bytes]) -> Problem | None:
    if scope["method"] != "POST":
        return None
    given = headers.get(b"content-type", b"").decode("latin-1")
    if given.partition(";")[0].strip().lower() == "application/json":
        return None
    message = f"the body must be JSON, sent with Content-Type: application/json, not {given or 'without a type'!r}"
    return Problem(415, "unsupported_media_type", message)
