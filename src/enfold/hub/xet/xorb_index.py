"""What is known of a xorb without reading it: the hash and the length of each chunk, in order.

The index stands beside the decoded xorb on disk. From it follow where a chunk lies in the decoded bytes, and where it
lies in the *plain form*: the xorb as it is sent to readers, each chunk uncompressed behind its 8-byte header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from enfold.hub.xet.hashes import HASH_BYTES, hash_string, xorb_hash
from enfold.hub.xet.refusals import MalformedXorb

__all__ = ["HEADER_BYTES", "MAX_CHUNKS", "MAX_CHUNK_BYTES", "XorbIndex"]

HEADER_BYTES = 8
MAX_CHUNKS = 8192
MAX_CHUNK_BYTES = 128 * 1024

_MAGIC = b"EnfXorb1"
_PREFIX = struct.Struct("<8sI")


@dataclass(frozen=True)
class XorbIndex:
    """The chunks of a xorb.

    Attributes:
        hashes: the chunk hashes, 32 bytes each, end to end.
        lengths: the uncompressed bytes of each chunk.
    """

    hashes: bytes
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each chunk begins in the decoded xorb, and behind the last where the xorb ends; (chunks + 1) int64."""
        starts = np.zeros(len(self.lengths) + 1, np.int64)
        np.cumsum(self.lengths, out=starts[1:])
        return starts

    @property
    def size(self) -> int:
        """The bytes of the decoded xorb."""
        return int(self.starts[-1])

    @property
    def plain_size(self) -> int:
        """The bytes of the plain form."""
        return self.size + HEADER_BYTES * len(self)

    @cached_property
    def hash(self) -> str:
        """The hash string of the xorb, computed from its chunks."""
        return hash_string(xorb_hash(self.hashes, self.lengths))

    def hashes_of(self, start: int, end: int) -> bytes:
        """The hashes of the chunks ``start`` to ``end`` (exclusive), end to end."""
        return self.hashes[HASH_BYTES * start : HASH_BYTES * end]

    def bytes_of(self, start: int, end: int) -> tuple[int, int]:
        """Where chunks ``start`` to ``end`` (exclusive) lie in the decoded xorb: first byte, byte behind the last."""
        return int(self.starts[start]), int(self.starts[end])

    def plain_bytes_of(self, start: int, end: int) -> tuple[int, int]:
        """Where chunks ``start`` to ``end`` (exclusive) lie in the plain form: first byte, byte behind the last."""
        first, behind = self.bytes_of(start, end)
        return first + HEADER_BYTES * start, behind + HEADER_BYTES * end

    def chunk_at_plain_byte(self, place: int) -> int:
        """The chunk whose header or bytes hold byte ``place`` of the plain form; the number of chunks at its end."""
        starts = self.starts + HEADER_BYTES * np.arange(len(self) + 1)
        return int(np.searchsorted(starts, place, side="right")) - 1

    def chunks_within(self, start: int, most: int) -> int:
        """The chunk behind the last that fits, from ``start`` on, into ``most`` decoded bytes; one always does."""
        return max(start + 1, int(np.searchsorted(self.starts, self.starts[start] + most, side="right")) - 1)

    def to_bytes(self) -> bytes:
        """The index as a file: a mark, the number of chunks, their hashes, their lengths as little-endian u32."""
        return _PREFIX.pack(_MAGIC, len(self)) + self.hashes + np.asarray(self.lengths, "<u4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, *, name: str) -> XorbIndex:
        """Read what :meth:`to_bytes` wrote.

        Args:
            data: the whole file.
            name: what to call it in an error.

        Raises:
            MalformedXorb: the file is damaged.
        """
        mark, count = _PREFIX.unpack_from(data) if len(data) >= _PREFIX.size else (b"", 0)
        if mark != _MAGIC or len(data) != _PREFIX.size + count * (HASH_BYTES + 4):
            raise MalformedXorb(f"the index of xorb {name} is damaged")
        middle = _PREFIX.size + count * HASH_BYTES
        lengths = np.frombuffer(data, "<u4", offset=middle)
        return cls(bytes(data[_PREFIX.size : middle]), tuple(lengths.tolist()))
