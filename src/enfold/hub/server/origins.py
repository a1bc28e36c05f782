"""Where a request came from and where the hub is: proxies that are believed, and the address in answers."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from starlette.requests import Request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from enfold.hub.server.settings import Network

__all__ = ["ForwardedLayer", "base_url"]

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")


class ForwardedLayer:
    """Believe X-Forwarded-For, -Proto and -Host of trusted proxies; of anyone else they are taken away."""

    def __init__(self, app: ASGIApp, *, networks: tuple[Network, ...]) -> None:
        self._app = app
        self._networks = networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = {name: value for name, value in scope["headers"] if name.startswith(b"x-forwarded-")}
        if not given:
            await self._app(scope, receive, send)
            return
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in given]
        if scope.get("client") and self._trusted(scope["client"][0]):
            self._believe(scope, {name: value.decode("latin-1") for name, value in given.items()})
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope, given: dict[bytes, str]) -> None:
        # The last address that is not a proxy of ours is the client; what stands before it, anyone may have written.
        addresses = [each.strip() for each in given.get(b"x-forwarded-for", "").split(",") if each.strip()]
        while len(addresses) > 1 and self._trusted(addresses[-1]):
            addresses.pop()
        if addresses:
            scope["client"] = (addresses[-1], 0)
        proto = given.get(b"x-forwarded-proto", "").split(",")[-1].strip().lower()
        if proto in ("http", "https"):
            scope["scheme"] = proto
        host = given.get(b"x-forwarded-host", "").split(",")[-1].strip()
        if _HOST.fullmatch(host):
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"].append((b"host", host.encode("latin-1")))

    def _trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address.strip("[]"))
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)


def base_url(request: Request) -> str:
    """The hub's own address, without a slash at the end: the public one, or the one this request names."""
    public: str | None = request.app.state.hub.settings.public_url
    if public is not None:
        return public.rstrip("/")
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        host, port = request.scope.get("server") or ("localhost", None)
        host = f"{host}:{port}" if port else host
    return f"{request.scope['scheme']}://{host}"
