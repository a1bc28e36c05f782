"""Telling a client which xorbs hold a chunk, so that it need not send what is here already.

Clients ask for the first chunk of a file and for about every thousandth of the others. The answer is a shard without
files whose chunk hashes are keyed: who has a chunk recognises it, and nobody learns hashes from the answer.

Source: the Xet protocol specification, "Shard format", "Footer", and "Deduplication", "Global deduplication".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from enfold.errors import InputError
from enfold.hub.xet.hashes import HASH_BYTES, blake3, parse_hash
from enfold.hub.xet.shards import END_RECORD, SHARD_HEADER, SHARD_TAG
from enfold.hub.xet.xorb_index import XorbIndex

__all__ = ["dedup_answer", "queryable"]

_ONE_IN = 1024
_XORB = struct.Struct("<32sIIII")
_CHUNK = struct.Struct("<32sII8x")
# What the specification calls reserved is read by clients: place and length of three look-up tables, then three sizes.
_FOOTER = struct.Struct("<QQQ6Q32sQQ48xQQQQ")
_FOOTER_VERSION = 1


def queryable(hashes: bytes) -> list[int]:
    """Which of these chunks a client asks for wherever in a file they stand, by position.

    Args:
        hashes: chunk hashes, 32 bytes each, end to end.
    """
    return np.flatnonzero(np.frombuffer(hashes, "<u8").reshape(-1, 4)[:, 3] % _ONE_IN == 0).tolist()


def dedup_answer(xorbs: Sequence[tuple[str, XorbIndex]], *, key: bytes, now: int, expires: int) -> bytes:
    """The answer to ``GET /v1/chunks/default/{hash}``.

    Args:
        xorbs: hash string and index of each xorb that holds the chunk; only xorbs that the asker may use.
        key: 32 random bytes, not all zero, with which chunk hashes are keyed.
        now: seconds since 1970.
        expires: seconds since 1970 after which the client forgets the answer.

    Raises:
        InputError: the key is not 32 bytes, or all zero, which would show the hashes.
    """
    if len(key) != HASH_BYTES or not any(key):
        raise InputError("an answer about chunks needs a key of 32 bytes that are not all zero")
    body = bytearray(SHARD_HEADER.pack(SHARD_TAG, 2, _FOOTER.size) + END_RECORD)
    first_xorb = len(body)
    for name, index in xorbs:
        body += _XORB.pack(parse_hash(name), 0, len(index), index.size, index.plain_size)
        for number, length in enumerate(index.lengths):
            keyed = blake3(index.hashes_of(number, number + 1), key=key).digest()
            body += _CHUNK.pack(keyed, int(index.starts[number]), length)
    body += END_RECORD
    end = len(body)
    no_tables = (end, 0) * 3
    held = sum(index.size for _, index in xorbs)
    stored = sum(index.plain_size for _, index in xorbs)
    body += _FOOTER.pack(
        _FOOTER_VERSION, SHARD_HEADER.size, first_xorb, *no_tables, key, now, expires, stored, 0, held, end
    )
    return bytes(body)
