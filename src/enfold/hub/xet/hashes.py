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


def xorb_hash(hashes: bytes, lengths: Sequence[int]) -> bytes:
    """The root of the tree over a xorb's chunks.

    Args:
        hashes: the chunk hashes, end to end.
        lengths: the uncompressed bytes of each chunk.

    Raises:
        InputError: there is no chunk, or the two arguments differ in length.
    """
    count = len(lengths)
    if not count or len(hashes) != count * HASH_BYTES:
        raise InputError(
            f"a tree needs at least one chunk and one length a chunk: {len(hashes)} bytes, {count} lengths"
        )
    row, sizes = hashes, list(lengths)
    while len(sizes) > 1:
        row, sizes = _parents(row, sizes)
    return row


def file_hash(hashes: bytes, lengths: Sequence[int]) -> bytes:
    """The hash of a file: the root of the tree over all its chunks, hashed once more.

    Args and errors are those of :func:`xorb_hash`; chunks that a file repeats are counted each time.
    """
    return blake3(xorb_hash(hashes, lengths), key=_FILE_KEY).digest()


def _parents(row: bytes, sizes: list[int]) -> tuple[bytes, list[int]]:
    """One level of the tree up: groups of children become one node each."""
    words = np.frombuffer(row, "<u8").reshape(-1, 4)
    text = words.byteswap().tobytes().hex()
    closes = (words[:, 3] % 4 == 0).tolist()
    nodes, lengths = bytearray(), []
    start, count = 0, len(sizes)
    while start < count:
        end = _group_end(closes, start, count)
        lines = "".join(f"{text[64 * child : 64 * child + 64]} : {sizes[child]}\n" for child in range(start, end))
        nodes += blake3(lines.encode(), key=_NODE_KEY).digest()
        lengths.append(sum(sizes[start:end]))
        start = end
    return bytes(nodes), lengths


def _group_end(closes: list[bool], start: int, count: int) -> int:
    if count - start < _FEWEST_CHILDREN:
        return count
    last = min(start + _MOST_CHILDREN, count)
    for child in range(start + _FEWEST_CHILDREN - 1, last):
        if closes[child]:
            return child + 1
    return last
