"""Reading a shard: the list of files and xorbs that a client sends after its xorbs.

Everything in a shard comes from outside: counts and lengths are checked against the bytes that are there before
anything is read or allocated.

Source: the Xet protocol specification, "Shard format".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from enfold.hub.xet.hashes import HASH_BYTES, hash_string
from enfold.hub.xet.refusals import MalformedShard
from enfold.hub.xet.xorb_index import MAX_CHUNKS

__all__ = ["MAX_SHARD_BYTES", "Shard", "ShardFile", "ShardXorb", "Term"]

MAX_SHARD_BYTES = 64 * 1024 * 1024

SHARD_TAG = b"HFRepoMetaData\0" + bytes.fromhex("556967456a7b8157 83a5bdd95ccdd14aa9")
SHARD_HEADER = struct.Struct("<32sQQ")
_RECORD_BYTES = 48
_FILE = struct.Struct("<32sII8x")
_TERM = struct.Struct("<32sIIII")
_XORB = struct.Struct("<32sIIII")
# A chunk: hash[32], place u32, length u32, pad 8.
_LENGTH_WORD = 9
END_RECORD = b"\xff" * 32 + bytes(16)
_END = END_RECORD[:HASH_BYTES]
_WITH_VERIFICATION = 0x80000000
_WITH_SHA256 = 0x40000000


@dataclass(frozen=True, slots=True)
class Term:
    """A stretch of a file: the chunks ``start`` to ``end`` (exclusive) of a xorb.

    Attributes:
        xorb: hash string of the xorb.
        start: first chunk.
        end: chunk behind the last.
        length: uncompressed bytes of these chunks.
    """

    xorb: str
    start: int
    end: int
    length: int


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A file as its sender describes it; nothing of it is proved yet.

    Attributes:
        hash: hash string of the file.
        terms: what the file is made of, in order.
        verification: one verification hash a term, or none where the sender gave none.
        sha256: hexadecimal sha256, or None where the sender gave none.
    """

    hash: str
    terms: tuple[Term, ...]
    verification: tuple[bytes, ...]
    sha256: str | None

    @property
    def size(self) -> int:
        """The bytes of the file, as claimed."""
        return sum(term.length for term in self.terms)


@dataclass(frozen=True, slots=True)
class ShardXorb:
    """A xorb as its sender describes it: its hash string, and the records of its chunks as they stand in the shard."""

    hash: str
    records: memoryview

    @property
    def hashes(self) -> bytes:
        """The chunk hashes, end to end."""
        rows = np.frombuffer(self.records, np.uint8).reshape(-1, _RECORD_BYTES)
        return rows[:, :HASH_BYTES].tobytes()

    @property
    def lengths(self) -> tuple[int, ...]:
        """The uncompressed bytes of each chunk."""
        rows = np.frombuffer(self.records, "<u4").reshape(-1, _RECORD_BYTES // 4)
        return tuple(rows[:, _LENGTH_WORD].tolist())


@dataclass(frozen=True, slots=True)
class Shard:
    """The files and xorbs of one shard."""

    files: tuple[ShardFile, ...]
    xorbs: tuple[ShardXorb, ...]

    @property
    def named_xorbs(self) -> frozenset[str]:
        """The hash strings of all xorbs that the shard refers to."""
        return frozenset(term.xorb for file in self.files for term in file.terms) | {xorb.hash for xorb in self.xorbs}

    @classmethod
    def parse(cls, data: bytes) -> Shard:
        """Read an uploaded shard.

        Raises:
            MalformedShard: the layout is wrong, or the shard ends too early or too late.
        """
        if len(data) > MAX_SHARD_BYTES:
            raise MalformedShard(f"a shard has at most {MAX_SHARD_BYTES} bytes, not {len(data)}")
        if len(data) < SHARD_HEADER.size:
            raise MalformedShard(f"a shard begins with a header of {SHARD_HEADER.size} bytes; {len(data)} bytes came")
        tag, version, footer = SHARD_HEADER.unpack_from(data)
        if tag != SHARD_TAG:
            raise MalformedShard("this is not a shard: it begins with another tag")
        if version != 2:
            raise MalformedShard(f"a shard of version {version} came; version 2 is known")
        records = _Records(data)
        shard = cls(tuple(records.files()), tuple(records.xorbs()))
        # With a footer come look-up tables that only local caches need.
        if not footer and records.place != len(data):
            raise MalformedShard(f"{len(data) - records.place} bytes follow the end of the shard")
        return shard


class _Records:
    """The 48-byte records behind the header, read in order."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = SHARD_HEADER.size
        self._names: dict[bytes, str] = {}

    def name(self, raw: bytes) -> str:
        """A hash string; the same object for the same hash, because terms repeat the names of few xorbs."""
        if raw not in self._names:
            self._names[raw] = hash_string(raw)
        return self._names[raw]

    def take(self, count: int, what: str) -> int:
        """Where the next ``count`` records begin; they are there."""
        place, behind = self.place, self.place + count * _RECORD_BYTES
        if behind > len(self.data):
            raise MalformedShard(f"the shard ends inside {what}: {behind} bytes are needed, {len(self.data)} came")
        self.place = behind
        return place

    def files(self) -> list[ShardFile]:
        files: list[ShardFile] = []
        while True:
            place = self.take(1, "the list of files")
            raw, flags, count = _FILE.unpack_from(self.data, place)
            if raw == _END:
                return files
            files.append(self._file(hash_string(raw), flags, count))

    def _file(self, name: str, flags: int, count: int) -> ShardFile:
        if flags & ~(_WITH_VERIFICATION | _WITH_SHA256):
            raise MalformedShard(f"file {name} has flags {flags:#x}, which are not known")
        place = self.take(count, f"file {name} with {count} terms")
        terms = []
        for raw, _, length, start, end in _TERM.iter_unpack(self.data[place : self.place]):
            terms.append(Term(self.name(raw), start, end, length))
        verification: tuple[bytes, ...] = ()
        if flags & _WITH_VERIFICATION:
            place = self.take(count, f"the verification hashes of file {name}")
            verification = tuple(self.data[at : at + HASH_BYTES] for at in range(place, self.place, _RECORD_BYTES))
        sha256 = None
        if flags & _WITH_SHA256:
            place = self.take(1, f"the sha256 of file {name}")
            sha256 = hash_string(self.data[place : place + HASH_BYTES])
        return ShardFile(name, tuple(terms), verification, sha256)

    def xorbs(self) -> list[ShardXorb]:
        xorbs: list[ShardXorb] = []
        while True:
            place = self.take(1, "the list of xorbs")
            raw, _, count, _, _ = _XORB.unpack_from(self.data, place)
            if raw == _END:
                return xorbs
            name = hash_string(raw)
            if not 0 < count <= MAX_CHUNKS:
                raise MalformedShard(f"xorb {name} has {count} chunks, 1 to {MAX_CHUNKS} are allowed")
            place = self.take(count, f"xorb {name} with {count} chunks")
            xorbs.append(ShardXorb(name, memoryview(self.data)[place : self.place]))
