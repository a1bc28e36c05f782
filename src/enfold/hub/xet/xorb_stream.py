"""Reading a xorb as a client sends it: compressed chunks, one after another, each behind a header.

The decoder takes the body in pieces of any size and gives back decoded chunks, so that no more than one piece and one
chunk are in memory. Decompression and hashing release the GIL: several uploads decode at the same time.

Source: the Xet protocol specification, "Xorb format".
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import NoReturn

import numpy as np

from enfold.errors import require
from enfold.hub.xet.hashes import chunk_hash
from enfold.hub.xet.refusals import MalformedXorb
from enfold.hub.xet.xorb_index import HEADER_BYTES, MAX_CHUNK_BYTES, MAX_CHUNKS, XorbIndex

__all__ = ["MAX_BODY_BYTES", "MAX_XORB_BYTES", "XorbDecoder", "plain_header", "read_xorb"]

lz4 = require("lz4.frame", extra="hub", purpose="the hub")

MAX_XORB_BYTES = 64 * 1024 * 1024
"""Largest decoded xorb, in bytes. Clients fill one up to this size, so that its body is longer by the headers."""

MAX_BODY_BYTES = MAX_XORB_BYTES + 2 * 1024 * 1024
"""Longest accepted body, in bytes: the chunks, their headers, and the footer that older clients append."""

_FOOTER = b"XETBLOB"
_PLAIN, _LZ4, _GROUPED_LZ4 = 0, 1, 2
# A frame of incompressible data is longer than the data by its headers and checksums, never by more than this.
_FRAME_OVERHEAD = 64


def plain_header(length: int) -> bytes:
    """The header of a chunk of ``length`` bytes that follows uncompressed."""
    return b"\0" + length.to_bytes(3, "little") + b"\0" + length.to_bytes(3, "little")


class XorbDecoder:
    """Decodes one xorb, checks every length on the way, and in the end the hash of the whole.

    Args:
        expected: the hash string under which the xorb was sent.
    """

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._pending = bytearray()
        self._hashes = bytearray()
        self._lengths: list[int] = []
        self._received = 0
        self._decoded = 0
        self._in_footer = False
        self._context = lz4.create_decompression_context()

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes | memoryview]:
        """Take the next piece of the body; give the chunks that are complete, decoded, in order.

        A chunk that was sent uncompressed is a view of the piece: use it before the piece is changed.

        Raises:
            MalformedXorb: a header, a length or compressed data is wrong, or a limit is passed.
        """
        self._received += len(data)
        if self._received > MAX_BODY_BYTES:
            self._refuse(f"it is longer than {MAX_BODY_BYTES} bytes")
        chunks: list[bytes | memoryview] = []
        rest = memoryview(data)
        while rest and not self._in_footer:
            whole, rest = self._next(rest)
            if whole:
                chunks.append(self._decode(whole))
        return chunks

    def _next(self, view: memoryview) -> tuple[memoryview | None, memoryview]:
        """The next chunk with its header, if it is complete, and what follows it; else all of ``view`` is kept.

        Only a chunk that two pieces share is copied.
        """
        pending, nothing = self._pending, view[:0]
        header = bytes(pending[:HEADER_BYTES]) + bytes(view[: max(HEADER_BYTES - len(pending), 0)])
        if len(header) < HEADER_BYTES:
            pending += view
            return None, nothing
        if header.startswith(_FOOTER):
            pending.clear()
            self._in_footer = True
            return None, nothing
        stored, _ = self._lengths_of(header)
        missing = HEADER_BYTES + stored - len(pending)
        if missing > len(view):
            pending += view
            return None, nothing
        if not pending:
            return view[:missing], view[missing:]
        self._pending = bytearray()
        return memoryview(b"".join((pending, view[:missing]))), view[missing:]

    def finish(self) -> XorbIndex:
        """The index of the xorb, after its last byte.

        Raises:
            MalformedXorb: the body ends inside a chunk, holds none, or is not the xorb that was announced.
        """
        if self._pending:
            self._refuse(f"it is cut off in chunk {len(self._lengths)}")
        if not self._lengths:
            self._refuse("it holds no chunk")
        index = XorbIndex(bytes(self._hashes), tuple(self._lengths))
        if index.hash != self._expected:
            self._refuse(f"its chunks make {index.hash}")
        return index

    def _lengths_of(self, header: bytes) -> tuple[int, int]:
        number = len(self._lengths)
        if header[0]:
            self._refuse(f"chunk {number} has version {header[0]}, only 0 is known")
        if number == MAX_CHUNKS:
            self._refuse(f"it has more than {MAX_CHUNKS} chunks")
        stored, raw = int.from_bytes(header[1:4], "little"), int.from_bytes(header[5:8], "little")
        if not 0 < raw <= MAX_CHUNK_BYTES:
            self._refuse(f"chunk {number} claims {raw} bytes, 1 to {MAX_CHUNK_BYTES} are allowed")
        if self._decoded + raw > MAX_XORB_BYTES:
            self._refuse(f"it decodes to more than {MAX_XORB_BYTES} bytes")
        if not 0 < stored <= raw + _FRAME_OVERHEAD:
            self._refuse(f"chunk {number} takes {stored} bytes for {raw}")
        return stored, raw

    def _decode(self, chunk: memoryview) -> bytes | memoryview:
        number = len(self._lengths)
        scheme, raw = chunk[4], int.from_bytes(chunk[5:HEADER_BYTES], "little")
        stored = chunk[HEADER_BYTES:]
        data: bytes | memoryview
        if scheme == _PLAIN:
            data = stored
        elif scheme in (_LZ4, _GROUPED_LZ4):
            data = self._decompress(stored, raw, number)
            if scheme == _GROUPED_LZ4:
                data = _ungroup(data)
        else:
            self._refuse(f"chunk {number} has compression scheme {scheme}; 0, 1 and 2 are known")
        if len(data) != raw:
            self._refuse(f"chunk {number} claims {raw} bytes and has {len(data)}")
        self._hashes += chunk_hash(data)
        self._lengths.append(raw)
        self._decoded += raw
        return data

    def _decompress(self, stored: memoryview, raw: int, number: int) -> bytes:
        # `max_length` bounds the memory whatever the frame claims; one byte more tells a longer chunk from a full one.
        lz4.reset_decompression_context(self._context)
        try:
            data, read, complete = lz4.decompress_chunk(self._context, stored, max_length=raw + 1)
        except (RuntimeError, ValueError) as error:
            self._refuse(f"chunk {number} is not LZ4 data: {error}")
        if not complete or read != len(stored):
            self._refuse(f"chunk {number} does not hold exactly one LZ4 frame of {raw} bytes")
        return data

    def _refuse(self, why: str) -> NoReturn:
        raise MalformedXorb(f"xorb {self._expected} is refused: {why}")


def _ungroup(data: bytes) -> bytes:
    """Undo byte grouping: the bytes at positions 0, 1, 2 and 3 modulo 4 stand together, in this order."""
    grouped = np.frombuffer(data, np.uint8)
    plain = np.empty(len(grouped), np.uint8)
    place = 0
    for remainder in range(4):
        lane = plain[remainder::4]
        lane[:] = grouped[place : place + len(lane)]
        place += len(lane)
    return plain.tobytes()


def read_xorb(pieces: Iterable[bytes], expected: str) -> Generator[bytes | memoryview, None, XorbIndex]:
    """Decode a whole xorb; the generator's return value is its :class:`XorbIndex`.

    Raises:
        MalformedXorb: see :class:`XorbDecoder`.
    """
    decoder = XorbDecoder(expected)
    for piece in pieces:
        yield from decoder.feed(piece)
    return decoder.finish()
