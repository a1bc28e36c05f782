"""The body limit, on its own: bytes and seconds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import FastAPI, Request

from enfold.web.error_shape import install_error_shape
from enfold.web.limits import BodyLimit


def post(*pieces: bytes | None, declared: int | None = None, max_bytes: int = 100) -> tuple[int, Any]:
    """Send a body in pieces; ``None`` is a client that falls silent."""
    app = FastAPI()
    install_error_shape(app)

    @app.post("/")
    async def length(request: Request) -> int:
        return len(await request.body())

    limited = BodyLimit(app, max_bytes=max_bytes, max_seconds=0.05)
    sent: list[dict[str, Any]] = []
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        piece = left.pop(0)
        if piece is None:
            await asyncio.sleep(10)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": headers,
        "query_string": b"",
        "http_version": "1.1",
    }
    asyncio.run(limited(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def test_a_body_within_the_limit_arrives_whole():
    assert post(b"a" * 60, b"b" * 40) == (200, 100)
    assert post(b"a" * 100, declared=100) == (200, 100)


def test_a_declared_body_over_the_limit_is_refused_unread():
    status, body = post(declared=101)
    assert (status, body["error"]["code"]) == (413, "body_too_large")
    assert body["error"]["message"] == "the body is larger than 100 bytes; send less at once"


def test_a_body_that_grows_over_the_limit_is_refused_there():
    status, body = post(b"a" * 60, b"b" * 41, b"c" * 1000)
    assert (status, body["error"]["code"]) == (413, "body_too_large")


def test_a_body_that_does_not_come_is_refused():
    status, body = post(b"a", None)
    assert (status, body["error"]["code"]) == (408, "body_too_slow")
    assert body["error"]["message"] == "the body did not arrive within 0.05 seconds"
