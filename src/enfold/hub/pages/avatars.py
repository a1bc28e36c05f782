"""A picture for every account, drawn from its name: a square of colour with mirrored blocks."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter
from starlette.responses import Response

from enfold.hub.records.names import fold
from enfold.hub.server.errors import HubError

__all__ = ["draw", "router"]

router = APIRouter(include_in_schema=False)

_SIDE = 5


def draw(name: str) -> str:
    """The SVG of a name; whether there is such an account makes no difference."""
    digest = hashlib.sha256(fold(name).encode()).digest()
    hue = int.from_bytes(digest[:2], "big") % 360
    blocks = []
    for row in range(_SIDE):
        for column in range((_SIDE + 1) // 2):
            if digest[2 + row * 3 + column] % 2:
                blocks += [(x, row) for x in {column, _SIDE - 1 - column}]
    path = "".join(f"M{x + 1} {y + 1}h1v1h-1z" for x, y in sorted(blocks))
    side = _SIDE + 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f'<rect width="{side}" height="{side}" fill="hsl({hue} 45% 90%)"/>'
        f'<path d="{path}" fill="hsl({hue} 55% 38%)"/></svg>'
    )


@router.get("/avatars/{name:piece}")
async def avatar(name: str) -> Response:
    """The picture of an account."""
    if not name.endswith(".svg") or len(name) > 200:
        raise HubError(404, "pictures of accounts are at /avatars/NAME.svg")
    headers = {
        "Cache-Control": "public, max-age=86400",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(draw(name.removesuffix(".svg")), media_type="image/svg+xml", headers=headers)
