"""The hashes of the Xet protocol: chunks, the trees over them, and how they are written.

Every hash is 32 bytes of keyed BLAKE3. It is shown as four little-endian 64-bit words in hexadecimal, which is not the
plain ``.hex()`` of the bytes; this text, a *hash string*, is what URLs, tables and file names hold. The sha256 in a
shard is stored by the same rule, so that its hash string is the ordinary hexadecimal sha256.

Source: the Xet protocol specification, "Hashing" (chunk, internal node, file and term verification hashes).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

import numpy as np

from enfold.errors import InputError, require

__all__ = [
    "HASH_BYTES",
    "ChunkTree",
    "chunk_hash",
    "file_hash",
    "hash_string",
    "parse_hash",
    "verification_hash",
    "xorb_hash",
]

blake3 = require("blake3", extra="hub", purpose="the hub").blake3

HASH_BYTES = 32

_CHUNK_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_VERIFY_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
_FILE_KEY = bytes(HASH_BYTES)

_HASH_STRING = re.compile(r"[0-9a-f]{64}")

# Where a row of the tree is cut: never before the third child, always after the ninth.
_FEWEST_CHILDREN = 3
_MOST_CHILDREN = 9
# So many nodes of a level are kept before they are given parents.
_NODES_AT_ONCE = 8192


def hash_string(raw: bytes) -> str:
    """The text of a hash: four little-endian 64-bit words, 16 hexadecimal digits each.

    Args:
        raw: the 32 bytes.
    """
    return "{:016x}{:016x}{:016x}{:016x}".format(*struct.unpack("<4Q", raw))


def parse_hash(text: str) -> bytes:
    """The 32 bytes of a hash string.

    Raises:
        InputError: ``text`` is not 64 lower-case hexadecimal digits.
    """
    if not _HASH_STRING.fullmatch(text):
        raise InputError(f"{text[:80]!r} is not a Xet hash: 64 lower-case hexadecimal digits are expected")
    return struct.pack("<4Q", *(int(text[place : place + 16], 16) for place in range(0, 64, 16)))


def chunk_hash(data: bytes | bytearray | memoryview) -> bytes:
    """The hash of one chunk's uncompressed bytes."""
    return blake3(data, key=_CHUNK_KEY).digest()


def verification_hash(hashes: bytes) -> bytes:
    """The hash with which a term proves that its sender knows the chunks.

    Args:
        hashes: the chunk hashes of the term's range, end to end.
    """
    return blake3(hashes, key=_VERIFY_KEY).digest()


class ChunkTree:
    """The tree over chunks, built while they are named: memory grows with its height, not with the number of chunks."""

    def __init__(self) -> None:
        self._row = _Row()

    def add(self, hashes: bytes, lengths: Sequence[int]) -> None:
        """Append chunks.

        Args:
            hashes: their hashes, end to end.
            lengths: the uncompressed bytes of each.

        Raises:
            InputError: the two arguments differ in length.
        """
        if len(hashes) != len(lengths) * HASH_BYTES:
            raise InputError(f"a tree needs a length for each hash: {len(hashes)} bytes, {len(lengths)} lengths")
        self._row.add(hashes, lengths)

    def root(self) -> bytes:
        """The root, after the last chunk; it is the hash of a xorb with these chunks.

        Raises:
            InputError: there is no chunk.
        """
        row = self._row
        while row.above is not None or len(row.lengths) > 1:
            row.close(last=True)
            row = row.above or _Row()
        if not row.lengths:
            raise InputError("a tree needs at least one chunk")
        return bytes(row.hashes)

    def file_hash(self) -> bytes:
        """The hash of a file with these chunks; errors are those of :meth:`root`."""
        return blake3(self.root(), key=_FILE_KEY).digest()


def xorb_hash(hashes: bytes, lengths: Sequence[int]) -> bytes:
    """The hash of a xorb; arguments and errors are those of :class:`ChunkTree`."""
    tree = ChunkTree()
    tree.add(hashes, lengths)
    return tree.root()


def file_hash(hashes: bytes, lengths: Sequence[int]) -> bytes:
    """The hash of a file, in which a chunk that is repeated is named each time; see :class:`ChunkTree`."""
    tree = ChunkTree()
    tree.add(hashes, lengths)
    return tree.file_hash()


class _Row:
    """One level of the tree: the nodes that have no parent yet, and the level above."""

    def __init__(self) -> None:
        self.hashes = bytearray()
        self.lengths: list[int] = []
        self.above: _Row | None = None

    def add(self, hashes: bytes, lengths: Sequence[int]) -> None:
        self.hashes += hashes
        self.lengths += lengths
        if len(self.lengths) >= _NODES_AT_ONCE:
            self.close(last=False)

    def close(self, *, last: bool) -> None:
        """Give parents to all nodes; if more may follow, only to those whose group is certain already."""
        words = np.frombuffer(bytes(self.hashes), "<u8").reshape(-1, 4)
        text = words.byteswap().tobytes().hex()
        closes = (words[:, 3] % 4 == 0).tolist()
        nodes, lengths = bytearray(), []
        start, count = 0, len(self.lengths)
        while start < count and (last or count - start >= _MOST_CHILDREN):
            end = _group_end(closes, start, count)
            lines = "".join(
                f"{text[64 * child : 64 * child + 64]} : {self.lengths[child]}\n" for child in range(start, end)
            )
            nodes += blake3(lines.encode(), key=_NODE_KEY).digest()
            lengths.append(sum(self.lengths[start:end]))
            start = end
        del self.hashes[: HASH_BYTES * start], self.lengths[:start]
        self.above = self.above or _Row()
        self.above.add(bytes(nodes), lengths)


def _group_end(closes: list[bool], start: int, count: int) -> int:
    if count - start < _FEWEST_CHILDREN:
        return count
    last = min(start + _MOST_CHILDREN, count)
    for child in range(start + _FEWEST_CHILDREN - 1, last):
        if closes[child]:
            return child + 1
    return last
