"""Sending the content of a file: whole or in part, with headers that keep a browser from running any of it.

A whole file that lies on the disk is sent by the server itself (``http.response.pathsend``); anything else is read in
pieces of a mebibyte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from enfold.hub.server.contents import Content
from enfold.hub.server.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

__all__ = ["INERT", "answer_with", "media_type"]

INERT = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
"""Headers under which no content becomes a page of the hub's own address."""

_IN_MEMORY = 256 * 1024
_SAMPLE = 8000
_RANGE = re.compile(r"bytes=[ \t]*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))[ \t]*")
_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


@dataclass(frozen=True, slots=True)
class _Part:
    start: int
    length: int


def media_type(sample: bytes) -> str:
    """What content may be called by its first bytes: a picture made of pixels, plain text, or just bytes.

    Never HTML, SVG or a script, whatever the name of the file says.
    """
    for beginning, name in _IMAGES.items():
        if sample.startswith(beginning):
            return name
    if sample[:4] == b"RIFF" and sample[8:12] == b"WEBP":
        return "image/webp"
    if b"\0" in sample:
        return "application/octet-stream"
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 3:  # not merely a character cut in two
            return "application/octet-stream"
    return "text/plain; charset=utf-8"


def answer_with(request: Request, content: Content, name: str, headers: Mapping[str, str]) -> Response:
    """The answer to a GET or a HEAD of a file: 200, 206, or 304 for a client that has it.

    Args:
        request: whose ``Range``, ``If-Range`` and ``If-None-Match`` count.
        content: what to send.
        name: of the file, for those who save it.
        headers: more headers.

    Raises:
        HubError: the range lies behind the end (416).
    """
    etag = f'"{content.etag}"'
    sent = {
        **INERT,
        **headers,
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": _disposition(name),
    }
    if etag in [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=sent)
    part = _asked_for(request, content.size, etag, sent)
    if part is None:
        part, status = _Part(0, content.size), 200
    else:
        status = 206
        sent["Content-Range"] = f"bytes {part.start}-{part.start + part.length - 1}/{content.size}"
    sent["Content-Length"] = str(part.length)
    is_looked_at = not content.is_large or (content.arriving is None and _may_be_shown(name))
    kind = media_type(content.beginning(_SAMPLE)) if is_looked_at else None
    kind = kind or "application/octet-stream"
    if request.method == "HEAD":
        return Response(status_code=status, headers=sent, media_type=kind)
    if status == 200 and content.file is not None and _sends_files(request):
        return _FileResponse(str(content.file), headers=sent, media_type=kind)
    if content.arriving is not None:
        return StreamingResponse(content.arriving(part.start, part.length), status, headers=sent, media_type=kind)
    if part.length <= _IN_MEMORY or not content.is_large:
        body = b"".join(content.read(part.start, part.length)) if part.length else b""
        return Response(body, status, headers=sent, media_type=kind)
    return StreamingResponse(content.read(part.start, part.length), status, headers=sent, media_type=kind)


class _FileResponse(Response):
    """A whole local file, which the server reads."""

    def __init__(self, path: str, *, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(None, 200, headers=headers, media_type=media_type)
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.pathsend", "path": self._path})


def _sends_files(request: Request) -> bool:
    return "http.response.pathsend" in request.scope.get("extensions", {})


def _may_be_shown(name: str) -> bool:
    """Whether the first bytes of a large file are worth a look; most are weights, which nobody opens in a page."""
    return name.lower().endswith((".png", ".jpg", ".jpeg", ".gif", ".webp", ".txt", ".csv", ".json", ".jsonl", ".md"))


def _asked_for(request: Request, size: int, etag: str, headers: Mapping[str, str]) -> _Part | None:
    """The part that a request wants; None for the whole, which is also the answer to what cannot be understood."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag).strip() != etag:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        length = min(int(suffix), size)
        start, behind = size - length, size
    else:
        start, behind = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size or behind <= start:
        kept = {key: value for key, value in headers.items() if key.startswith("X-") or key == "ETag"}
        message = f"the range {request.headers['range'][:80]!r} is not inside the file, which has {size} bytes"
        raise HubError(416, message, headers={**kept, "Content-Range": f"bytes */{size}"})
    return _Part(start, behind - start)


_quoted = partial(quote, safe="!#$&+-.^_`|~")


def _disposition(name: str) -> str:
    plain = "".join(each if 32 <= ord(each) < 127 and each not in '"\\%' else "_" for each in name)
    return f"inline; filename*=UTF-8''{_quoted(name)}; filename=\"{plain}\";"
