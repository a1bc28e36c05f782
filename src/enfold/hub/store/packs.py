"""Reading packs (git help gitformat-pack).

Only small packs are held in memory: bytes are read where they lie, so that serving a
repository of many gigabytes costs little memory. A pack is immutable, and everything here may be used from several
threads.
"""

from __future__ import annotations

import os
import weakref
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from dulwich.pack import apply_delta

from enfold.hub.store.git_errors import MalformedObject
from enfold.hub.store.git_objects import Kind
from enfold.hub.store.object_cache import SHARED, ObjectCache
from enfold.hub.store.pack_index import PackIndex

__all__ = ["KINDS", "KIND_NUMBERS", "OFFSET_DELTA", "REFERENCE_DELTA", "Entry", "Pack", "PackBytes", "delta_sizes"]

KINDS: dict[int, Kind] = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
KIND_NUMBERS: dict[str, int] = {kind: number for number, kind in KINDS.items()}
OFFSET_DELTA, REFERENCE_DELTA = 6, 7
_SMALL = 256 << 10  # a pack up to this size is simply held
_FIRST_READ = 1024
_DEEPEST = 4095  # git's own bound for chains of deltas


class Entry(NamedTuple):
    """The head of one object in a pack."""

    offset: int
    kind: int
    """1 to 4, or OFFSET_DELTA, or REFERENCE_DELTA."""
    size: int
    """Bytes after inflation; for a delta those of the delta itself."""
    base: int | bytes | None
    """For deltas: an offset in the same pack, or the 20 bytes of an id."""
    start: int
    """Where the deflated bytes begin."""


class PackBytes:
    """A pack file without an index: finds heads, inflates and applies deltas.

    Args:
        path: the file.
        end: where the objects end (the trailer begins).
        cache: where objects are kept, under (``path``, offset).
        locate: gives the offset of an id in this pack, for deltas that name their base by id.
    """

    def __init__(self, path: Path, end: int, cache: ObjectCache, locate: Callable[[bytes], int | None]) -> None:
        self.path = path
        self.end = end
        self._key = str(path)
        self._cache = cache
        self._lent: dict[int, tuple[int, bytes]] = {}
        self.locate = locate
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._held: bytes | None = None
        if os.fstat(descriptor).st_size <= _SMALL:
            with os.fdopen(descriptor, "rb") as source:
                self._held = source.read()
        else:
            self._descriptor = descriptor
            weakref.finalize(self, os.close, descriptor)

    @classmethod
    def unfinished(cls, path: Path, end: int) -> PackBytes:
        """A pack that is being received: a cache of its own, and ids that become known one by one."""
        return cls(path, end, ObjectCache(64 << 20, 256 << 20), lambda _: None)

    def lend(self, offset: int, kind: int, data: bytes) -> None:
        """From now on this object (the only one lent) lies at ``offset``, behind the end of the file."""
        self._lent = {offset: (kind, data)}

    def raw(self, start: int, length: int) -> bytes:
        """``length`` bytes of the file from ``start``; fewer at its end."""
        if self._held is not None:
            return self._held[start : start + length]
        return os.pread(self._descriptor, length, start)

    def entry(self, offset: int) -> Entry:
        """The head of the object at ``offset``. Raises MalformedObject when there is none."""
        return self._entry(offset, self.raw(offset, 64))

    def _entry(self, offset: int, head: bytes) -> Entry:
        try:
            byte = head[0]
            kind, size, shift, at = (byte >> 4) & 7, byte & 15, 4, 1
            while byte & 0x80:
                byte = head[at]
                size |= (byte & 0x7F) << shift
                shift += 7
                at += 1
            base: int | bytes | None = None
            if kind == OFFSET_DELTA:
                byte = head[at]
                at += 1
                distance = byte & 0x7F
                while byte & 0x80:
                    byte = head[at]
                    at += 1
                    distance = ((distance + 1) << 7) | (byte & 0x7F)
                base = offset - distance
                if not 12 <= base < offset:
                    raise MalformedObject(f"pack {self.path.name}: the delta at {offset} has its base outside the pack")
            elif kind == REFERENCE_DELTA:
                base = head[at : at + 20]
                at += 20
                head[at - 1]
            elif kind not in KINDS:
                raise MalformedObject(f"pack {self.path.name}: the object at {offset} is of the unknown kind {kind}")
        except IndexError as error:
            raise MalformedObject(f"pack {self.path.name} is cut off at {offset}") from error
        return Entry(offset, kind, size, base, offset + at)

    def parts(self, entry: Entry, limit: int | None = None) -> Iterator[tuple[bytes, int]]:
        """Inflate an entry piece by piece: each piece, and where in the file the deflated bytes end so far.

        Without ``limit`` the stream is read to its end; it stops one byte above the size the entry says.
        """
        wanted = entry.size if limit is None else min(limit, entry.size)
        engine = zlib.decompressobj()
        got, at, source = 0, entry.start, b""
        step = min(max(wanted + (wanted >> 10) + 64, _FIRST_READ), 1 << 20)
        try:
            while not engine.eof and (limit is None or got < wanted):
                if not source:
                    source = self.raw(at, max(0, min(step, self.end - at)))
                    at += len(source)
                    if not source:
                        raise MalformedObject(f"pack {self.path.name}: the object at {entry.offset} is cut off")
                part = engine.decompress(source, min(wanted - got + 1, 1 << 20))
                source = engine.unconsumed_tail
                got += len(part)
                yield part, at - len(engine.unused_data)
                if got > wanted:
                    return
        except zlib.error as error:
            raise MalformedObject(
                f"pack {self.path.name}: the object at {entry.offset} is damaged ({error})"
            ) from error

    def inflate(self, entry: Entry, limit: int | None = None) -> bytes:
        """The bytes of an entry, as they are (a delta stays one); at most ``limit`` of them."""
        data = b"".join([part for part, _ in self.parts(entry, limit)])
        if limit is not None:
            return data[:limit]
        if len(data) != entry.size:
            raise MalformedObject(
                f"pack {self.path.name}: the object at {entry.offset} says {entry.size} bytes and has another number"
            )
        return data

    def base_offset(self, entry: Entry) -> int:
        """Where the base of a delta lies. Raises MalformedObject when it is not in this pack."""
        if isinstance(entry.base, int):
            return entry.base
        found = self.locate(entry.base or b"")
        if found is None:
            raise MalformedObject(
                f"pack {self.path.name}: the delta at {entry.offset} builds on {(entry.base or b'').hex()}, "
                "which is not in this repository"
            )
        return found

    def read(self, offset: int) -> tuple[int, bytes]:
        """The object at ``offset`` with its deltas applied: kind (1 to 4) and bytes."""
        deltas: list[Entry] = []
        at = offset
        while True:
            kept = self._lent.get(at) or self._cache.get((self._key, at))
            if kept is not None:
                kind, data = kept
                break
            entry = self.entry(at)
            if entry.kind in KINDS:
                kind, data = entry.kind, self.inflate(entry)
                self._cache.put((self._key, at), (kind, data))
                break
            deltas.append(entry)
            if len(deltas) > _DEEPEST:
                raise MalformedObject(f"pack {self.path.name}: the deltas at {offset} never end")
            at = self.base_offset(entry)
        for entry in reversed(deltas):
            data = self._apply(data, self.inflate(entry), entry.offset)
            self._cache.put((self._key, entry.offset), (kind, data))
        return kind, data

    def _apply(self, base: bytes, delta: bytes, offset: int) -> bytes:
        said, result, _ = delta_sizes(delta)
        # A delta can make at most 16 MiB of seven bytes: refuse a claim that no delta of this length can keep.
        if said != len(base) or result > (len(delta) // 2 + 1) * (1 << 24):
            raise MalformedObject(f"pack {self.path.name}: the delta at {offset} does not fit its base")
        try:
            data = b"".join(apply_delta(base, delta))
        except Exception as error:  # the engine's own errors differ between its two builds
            raise MalformedObject(f"pack {self.path.name}: the delta at {offset} is damaged ({error})") from error
        if len(data) != result:
            raise MalformedObject(f"pack {self.path.name}: the delta at {offset} gives another size than it says")
        return data

    def head(self, offset: int) -> tuple[int, int]:
        """Kind (1 to 4) and size of the object at ``offset``, without applying its deltas."""
        kept = self._cache.get((self._key, offset))
        if kept is not None:
            return kept[0], len(kept[1])
        entry = self.entry(offset)
        size = entry.size
        if entry.kind not in KINDS:
            size = delta_sizes(self.inflate(entry, 32))[1]
        steps = 0
        while entry.kind not in KINDS:
            entry = self.entry(self.base_offset(entry))
            steps += 1
            if steps > _DEEPEST:
                raise MalformedObject(f"pack {self.path.name}: the deltas at {offset} never end")
        return entry.kind, size


def delta_sizes(delta: bytes) -> tuple[int, int, int]:
    """What a delta says of itself: size of its base, size of its result, and where its instructions begin."""
    numbers: list[int] = []
    at = 0
    try:
        for _ in range(2):
            value = shift = 0
            while True:
                byte = delta[at]
                at += 1
                value |= (byte & 0x7F) << shift
                shift += 7
                if not byte & 0x80:
                    break
            numbers.append(value)
    except IndexError as error:
        raise MalformedObject("a delta is cut off before its sizes end") from error
    return numbers[0], numbers[1], at


class Pack(PackBytes):
    """A complete pack with its index."""

    def __init__(self, folder: Path, pack_id: str, cache: ObjectCache = SHARED) -> None:
        self.pack_id = pack_id
        self.index = PackIndex(folder / f"pack-{pack_id}.idx")
        path = folder / f"pack-{pack_id}.pack"
        super().__init__(path, path.stat().st_size - 20, cache, self.index.find)

    def span(self, offset: int) -> int:
        """How many bytes the packed object at ``offset`` takes, head included."""
        ordered, _ = self.index.by_offset
        place = int(np.searchsorted(ordered, offset, "right"))
        return (int(ordered[place]) if place < len(ordered) else self.end) - offset

    def oid_at(self, offset: int) -> bytes:
        """The id of the object at ``offset``."""
        ordered, places = self.index.by_offset
        return self.index.oid(int(places[int(np.searchsorted(ordered, offset))]))
