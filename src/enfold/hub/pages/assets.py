"""The style sheet and the script, under addresses that change with their content."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from enfold.hub.server.errors import HubError
from enfold.web.pages import style_sheet

__all__ = ["ADDRESSES", "router"]

router = APIRouter(include_in_schema=False)

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1f6f8b"/>'
    '<path d="M9 9h14v4H13v2h9v4h-9v4H9z" fill="#fff"/></svg>'
)


def _read(name: str) -> str:
    return files("enfold.hub.pages").joinpath(name).read_text(encoding="utf-8")


_ASSETS = {
    "hub.css": (style_sheet() + "\n" + _read("hub.css"), "text/css; charset=utf-8"),
    "hub.js": (_read("hub.js"), "text/javascript; charset=utf-8"),
    "icon.svg": (_ICON, "image/svg+xml"),
}
ADDRESSES = {
    name: f"/assets/{name}?{hashlib.sha256(text.encode()).hexdigest()[:12]}" for name, (text, _) in _ASSETS.items()
}
"""The addresses, by file name."""


@router.get("/assets/{name:piece}")
async def asset(name: str) -> Response:
    """One file of the pages."""
    if name not in _ASSETS:
        raise HubError(404, f"there is no {name!r} among the files of the pages")
    text, kind = _ASSETS[name]
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
    return Response(text, media_type=kind, headers=headers)
