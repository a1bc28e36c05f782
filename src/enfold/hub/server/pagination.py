"""Pages of a listing: the ``Link`` header with the whole address of the next one; and moments as clients read them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response

from enfold.hub.server.origins import base_url

__all__ = ["moment", "next_page"]


def next_page(request: Request, response: Response, cursor: str | None) -> None:
    """Say where the next page is: the address of this request with another ``cursor``; nothing when it was the last."""
    if cursor is None:
        return
    query = [
        (name, value)
        for name, value in parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if name != "cursor"
    ]
    query.append(("cursor", cursor))
    response.headers["Link"] = f'<{base_url(request)}{request.scope["path"]}?{urlencode(query)}>; rel="next"'


def moment(value: datetime) -> str:
    """``2026-11-24T18:00:00.000Z``."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
