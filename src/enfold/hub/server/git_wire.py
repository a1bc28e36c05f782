"""The framing of git's smart protocol: packets, the side band, bodies that may be compressed.

Source: git, Documentation/gitprotocol-common.txt and gitprotocol-http.txt.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

from starlette.requests import Request

from enfold.hub.server.errors import HubError
from enfold.hub.server.receiving import pieces

__all__ = ["FLUSH", "Packets", "banded", "inflated", "packet"]

FLUSH = b"0000"
_LONGEST = 65520
_BANDS = {"side-band-64k": 65515, "side-band": 995}
_INFLATED_AT_ONCE = 1 << 20


def packet(line: str | bytes) -> bytes:
    """A line as a packet."""
    data = line.encode() if isinstance(line, str) else line
    return b"%04x" % (len(data) + 4) + data


def banded(data: bytes, capabilities: frozenset[str], *, band: int = 1) -> Iterator[bytes]:
    """Data as packets of the side band that the client understands; as they are when it understands none."""
    size = next((size for name, size in _BANDS.items() if name in capabilities), None)
    if size is None:
        if band == 1:
            yield data
        return
    for start in range(0, len(data), size):
        yield packet(bytes([band]) + data[start : start + size])


async def inflated(request: Request) -> AsyncIterator[bytes]:
    """The body of a request, decompressed if it is compressed.

    Raises:
        HubError: it is compressed in another way than gzip (415), is not what it says, or was cut off (400).
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise HubError(415, f"a body compressed with {encoding[:40]} is not taken; send it as it is, or with gzip")
    if encoding == "identity":
        async for piece in pieces(request):
            yield piece
        return
    inflater = zlib.decompressobj(wbits=31)
    try:
        async for piece in pieces(request):
            data = inflater.decompress(piece, _INFLATED_AT_ONCE)
            yield data
            while inflater.unconsumed_tail:
                yield inflater.decompress(inflater.unconsumed_tail, _INFLATED_AT_ONCE)
        yield inflater.flush()
    except zlib.error:
        raise HubError(400, "the body is not gzip, as its header says") from None
    if not inflater.eof:
        raise HubError(400, "the body was cut off; send it again")


class Packets:
    """Packets read from a body, and then what follows them.

    Args:
        source: the body.
        most: how many bytes all packets together may have.
    """

    def __init__(self, source: AsyncIterator[bytes], *, most: int = 16 << 20) -> None:
        self._source = source
        self._held = bytearray()
        self._left = most
        self.at_end = False
        """Whether the body ended where a packet could have begun."""

    async def next(self) -> bytes | None:
        """The next packet without its line end; None for a flush, and at the end of the body.

        Raises:
            HubError: what comes is no packet, or there are too many (400).
        """
        if not await self._hold(4):
            if self._held:
                raise HubError(400, "the body ends inside a packet")
            self.at_end = True
            return None
        try:
            length = int(bytes(self._held[:4]), 16)
        except ValueError:
            raise HubError(400, f"{bytes(self._held[:4])!r} is not the length of a packet") from None
        if length == 0:
            del self._held[:4]
            return None
        self._left -= length
        if not 4 <= length <= _LONGEST or self._left < 0:
            raise HubError(400, "a packet has a length that cannot be, or there are too many packets")
        if not await self._hold(length):
            raise HubError(400, "the body ends inside a packet")
        line = bytes(self._held[4:length])
        del self._held[:length]
        return line.removesuffix(b"\n")

    async def rest(self) -> AsyncIterator[bytes]:
        """What follows the packets."""
        if self._held:
            held, self._held = bytes(self._held), bytearray()
            yield held
        async for piece in self._source:
            yield piece

    async def drain(self, most: int = 256 << 20) -> None:
        """Read what is left and forget it, so that the client, which is still sending, can read the answer."""
        async for piece in self.rest():
            most -= len(piece)
            if most < 0:
                return

    async def _hold(self, length: int) -> bool:
        while len(self._held) < length:
            piece = await anext(self._source, None)
            if piece is None:
                return False
            self._held += piece
        return True
