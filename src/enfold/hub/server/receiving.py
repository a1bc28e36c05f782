"""Bodies that are content: taken as they come, a mebibyte at a time, and written while the next one arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from enfold.hub.server.errors import HubError

__all__ = ["PIECE_BYTES", "feed", "pieces", "too_large", "whole"]

PIECE_BYTES = 1 << 20


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes.

    Raises:
        HubError: the client went away before its end (400).
    """
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise HubError(400, "the body was cut off; send it again") from None


async def feed(source: AsyncIterator[bytes], take: Callable[[bytes], object], *, most: int) -> int:
    """Hand a body on in pieces of about a mebibyte; how many bytes it had.

    Args:
        source: the body.
        take: what is called with each piece, in a thread, never twice at once.
        most: how many bytes there may be.

    Raises:
        HubError: there are more (413), or the client went away (400).
    """
    received = held = 0
    waiting: list[bytes] = []
    writing: asyncio.Task[object] | None = None
    try:
        async for piece in source:
            received += len(piece)
            if received > most:
                raise too_large(most)
            waiting.append(piece)
            held += len(piece)
            if held >= PIECE_BYTES:
                full, waiting, held = waiting, [], 0
                if writing is not None:
                    await writing
                writing = asyncio.create_task(run_in_threadpool(_take_joined, take, full))
        if writing is not None:
            await writing
        if waiting:
            await run_in_threadpool(_take_joined, take, waiting)
    finally:
        # Whoever called closes the file next: nothing may be written to it then.
        if writing is not None and not writing.done():
            await asyncio.wait({writing})
            writing.exception()
    return received


def _take_joined(take: Callable[[bytes], object], waiting: list[bytes]) -> None:
    """Bytes are copied here, in a thread, and once: the loop that receives them has other clients."""
    take(b"".join(waiting))


async def whole(source: AsyncIterator[bytes], *, most: int) -> bytes:
    """A small body at once.

    Raises:
        HubError: it is larger than ``most`` (413), or the client went away (400).
    """
    data = bytearray()
    async for piece in source:
        data += piece
        if len(data) > most:
            raise too_large(most)
    return bytes(data)


def too_large(most: int) -> HubError:
    """A body over its bound; the rest of it is not read, so the connection cannot be used again."""
    return HubError(413, f"the body is larger than {most} bytes, the most that is taken here", headers=_CLOSE)


_CLOSE = {"Connection": "close"}
