"""Receiving a pack: to a temporary file first, then checked whole, and only then part of the repository.

What is checked: magic, version, count, checksum; every object inflates to what it says; every delta has its base in the
pack or in this repository, and is not too deep; every tree, commit and tag passes ``check_object``; no id is here with
other bytes; and everything an object needs is in the pack or in this repository, of the right kind. Since every pack
was closed when it came, the repository stays closed.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from enfold.hub.store.git_errors import MalformedObject, MissingObject, RefusedPack
from enfold.hub.store.git_names import is_dot_gitmodules
from enfold.hub.store.git_objects import GitObject, iterate_tree
from enfold.hub.store.gitmodules import check_gitmodules
from enfold.hub.store.object_checks import check_object, references
from enfold.hub.store.pack_files import deflate, entry_head, publish, seal, temporary_path
from enfold.hub.store.packs import KIND_NUMBERS, KINDS, OFFSET_DELTA, Entry, PackBytes, delta_sizes
from enfold.hub.store.pointer import Pointer, parse_pointer
from enfold.hub.store.spool import full_disk_named, make_folder

if TYPE_CHECKING:
    from enfold.hub.store.object_store import ObjectStore

__all__ = ["IncomingPack", "PackCaps", "ReceivedPack"]

_HELD = 1 << 20  # blobs up to this size are read whole, larger ones are only hashed
_BLOB = KIND_NUMBERS["blob"]


@dataclass(frozen=True)
class PackCaps:
    """What a received pack may cost."""

    pack_bytes: int = 4 << 30
    """Bytes that are sent."""
    inflated_bytes: int = 16 << 30
    """Bytes of all objects together, deltas applied."""
    object_bytes: int = 128 << 20
    """Bytes of one object."""
    objects: int = 2_000_000
    """How many objects there are."""
    depth: int = 250
    """How many deltas may build on each other."""


@dataclass(frozen=True)
class ReceivedPack:
    """What came."""

    pack_id: str | None
    """The id of the pack, or None when it held nothing."""
    objects: int
    """How many objects were in it."""
    commits: list[str]
    """The commits in it."""
    pointers: dict[str, Pointer] = field(default_factory=dict)
    """The blobs in it that stand for large files, by id."""


class IncomingPack:
    """A pack on its way in. Leaving the ``with`` block without ``finish`` leaves nothing.

    Args:
        store: the repository it is for.
        caps: what it may cost.
    """

    def __init__(self, store: ObjectStore, *, caps: PackCaps | None = None) -> None:
        self._store = store
        self._caps = caps or PackCaps()
        make_folder(store.folder)
        self._path = temporary_path(store.folder)
        self._out = self._path.open("xb")
        self._digest = hashlib.sha1(usedforsecurity=False)
        self._tail = b""
        self._size = 0
        self._head = b""

    def __enter__(self) -> IncomingPack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()
        self._path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the pack. Raises RefusedPack as soon as a limit is passed."""
        self._size += len(chunk)
        if self._size > self._caps.pack_bytes:
            raise RefusedPack(f"the pack is larger than {self._caps.pack_bytes:,} bytes, the limit of this hub")
        if len(self._head) < 12:
            self._head += chunk[: 12 - len(self._head)]
            if len(self._head) == 12:
                self._check_head()
        with full_disk_named(self._path.parent):
            self._out.write(chunk)
        joined = self._tail + chunk
        self._digest.update(joined[:-20])
        self._tail = joined[-20:]

    def _check_head(self) -> None:
        version = int.from_bytes(self._head[4:8], "big")
        if self._head[:4] != b"PACK" or version != 2:
            raise RefusedPack("what was sent is not a pack of version 2")
        count = int.from_bytes(self._head[8:], "big")
        if count > self._caps.objects:
            raise RefusedPack(f"the pack holds {count:,} objects; the limit of this hub is {self._caps.objects:,}")

    def finish(self, approve: Callable[[Mapping[str, Pointer]], None] = lambda pointers: None) -> ReceivedPack:
        """Check the pack and make it part of the repository, durably.

        Args:
            approve: called, when all else is well, with the blobs that stand for large files; it raises where the
                repository must not have them.

        Raises:
            RefusedPack: with the reason; nothing was kept.
            MalformedObject: an object in it is not one git would accept.
            StorageFull: the disk is full; nothing was kept.
        """
        with full_disk_named(self._path.parent):
            return self._finish(approve)

    def _finish(self, approve: Callable[[Mapping[str, Pointer]], None]) -> ReceivedPack:
        self._out.flush()
        if self._size < 32:
            raise RefusedPack("the pack is cut off")
        if self._digest.digest() != self._tail:
            raise RefusedPack("the checksum at the end of the pack is wrong: it was damaged or cut off on its way")
        count = int.from_bytes(self._head[8:], "big")
        if count == 0:
            return ReceivedPack(None, 0, [])
        check = _PackCheck(self._store, PackBytes.unfinished(self._path, self._size - 20), self._caps)
        check.scan(count)
        check.resolve()
        if check.borrowed:
            self._out.truncate(self._size - 20)
            self._out.seek(0, os.SEEK_END)
            for _, packed in check.borrowed:
                self._out.write(packed)
            self._out.flush()
        check.closed()
        approve(check.pointers)
        if check.borrowed:
            seal(self._path, count + len(check.borrowed))
        else:
            os.fsync(self._out.fileno())
        pack_id = publish(self._path, self._store.folder, check.oids, check.offsets, check.crcs)
        self._store.packs(refresh=True)
        lent = {base for base, _ in check.borrowed}
        commits = [oid.hex() for oid, kind in check.kinds.items() if KINDS[kind] == "commit" and oid not in lent]
        return ReceivedPack(pack_id, count, commits, check.pointers)


class _PackCheck:
    """Goes through a pack that lies in a file, object by object."""

    def __init__(self, store: ObjectStore, source: PackBytes, caps: PackCaps) -> None:
        self.store = store
        self.source = source
        self.caps = caps
        self.oids = bytearray()
        self.offsets = array("q")
        self.crcs = array("q")
        self.kinds: dict[bytes, int] = {}
        self.pointers: dict[str, Pointer] = {}
        self.borrowed: list[tuple[bytes, bytes]] = []
        """Bases of a thin pack, which are not in it: (id, packed bytes), to be put at its end."""
        self._places: dict[bytes, int] = {}
        self._needed: dict[int, set[bytes]] = {kind: set() for kind in KINDS}
        self._modules: set[str] = set()
        self._inflated = 0
        self._by_offset: dict[int, list[tuple[Entry, int]]] = defaultdict(list)
        self._by_oid: dict[bytes, list[tuple[Entry, int]]] = defaultdict(list)
        self._roots: list[tuple[int, bytes]] = []
        source.locate = self._places.get

    def scan(self, count: int) -> None:
        """Read every object once, in the order of the file; deltas are kept for ``resolve``."""
        at = 12
        for _ in range(count):
            entry = self.source.entry(at)
            self._count(entry.size)
            whole = entry.kind in KINDS
            data, digest, end = self._inflate(entry, hashed=whole)
            crc = self._crc(entry.offset, end)
            if whole:
                self._accept(entry.offset, crc, entry.kind, digest, data)
                self._roots.append((entry.offset, digest))
            elif entry.kind == OFFSET_DELTA:
                self._by_offset[int(entry.base or 0)].append((entry, crc))
            else:
                self._by_oid[entry.base if isinstance(entry.base, bytes) else b""].append((entry, crc))
            at = end
        if at != self.source.end:
            raise RefusedPack(f"the pack holds more than the {count:,} objects it says")

    def _count(self, size: int) -> None:
        if size > self.caps.object_bytes:
            raise RefusedPack(
                f"the pack holds an object of {size:,} bytes; the limit of this hub is {self.caps.object_bytes:,}: "
                "large files belong to git-lfs"
            )
        self._inflated += size
        if self._inflated > self.caps.inflated_bytes:
            raise RefusedPack(
                f"the pack inflates to more than {self.caps.inflated_bytes:,} bytes, the limit of this hub"
            )

    def _inflate(self, entry: Entry, *, hashed: bool) -> tuple[bytes | None, bytes, int]:
        """The bytes (None for a large blob), the raw id when asked for, and where the object ends in the file."""
        held = entry.kind != _BLOB or entry.size <= _HELD
        digest = hashlib.sha1(usedforsecurity=False)
        if hashed:
            digest.update(b"%s %d\0" % (KINDS[entry.kind].encode(), entry.size))
        parts: list[bytes] = []
        end = entry.start
        got = 0
        for part, end in self.source.parts(entry):  # noqa: B007
            got += len(part)
            if hashed:
                digest.update(part)
            if held:
                parts.append(part)
        if got != entry.size:
            raise RefusedPack(f"the object at byte {entry.offset} of the pack does not have the size it says")
        return b"".join(parts) if held else None, digest.digest(), end

    def _crc(self, start: int, end: int) -> int:
        crc = 0
        for at in range(start, end, 1 << 20):
            crc = zlib.crc32(self.source.raw(at, min(1 << 20, end - at)), crc)
        return crc

    def _accept(self, offset: int, crc: int, kind: int, oid: bytes, data: bytes | None) -> None:
        name = oid.hex()
        if oid in self.kinds:
            raise RefusedPack(f"the pack holds object {name} twice")
        self.kinds[oid] = kind
        self._places[oid] = offset
        self.oids += oid
        self.offsets.append(offset)
        self.crcs.append(crc)
        if kind != _BLOB and data is not None:
            check_object(KINDS[kind], data, name)
            for target, target_kind in references(KINDS[kind], data, name):
                self._needed[KIND_NUMBERS[target_kind]].add(bytes.fromhex(target))
            if KINDS[kind] == "tree":
                self._modules.update(entry.oid for entry in iterate_tree(data, name) if is_dot_gitmodules(entry.name))
        elif data is not None and (pointer := parse_pointer(data)) is not None:
            self.pointers[name] = pointer
        found = self.store.known(oid)
        if found is not None and found[0].read(found[1]) != (kind, data if data is not None else self._again(offset)):
            raise RefusedPack(f"object {name} is in this repository with other bytes")

    def _again(self, offset: int) -> bytes:
        return self.source.read(offset)[1]

    def resolve(self) -> None:
        """Apply the deltas, each after its base; bases that are not in the pack come from this repository alone."""
        waiting = [(offset, oid, 0) for offset, oid in self._roots]
        self._roots = []
        self._apply_all(waiting)
        end = self.source.end
        for base in list(self._by_oid):
            if base in self._places or base not in self._by_oid:
                continue
            try:
                pack, offset = self.store.find(base.hex())
            except MissingObject:
                continue
            kind, data = pack.read(offset)
            self._count(len(data))
            packed = entry_head(kind, len(data)) + deflate(data)
            self.borrowed.append((base, packed))
            self.source.lend(end, kind, data)
            self.kinds[base] = kind
            self._places[base] = end
            self.oids += base
            self.offsets.append(end)
            self.crcs.append(zlib.crc32(packed))
            self._apply_all([(end, base, 0)])
            end += len(packed)
        if self._by_oid:
            base = min(self._by_oid)
            raise RefusedPack(f"the pack has a delta on object {base.hex()}, which is not in it nor in this repository")
        if self._by_offset:
            raise RefusedPack(f"the pack has a delta on byte {min(self._by_offset)}, where no object begins")

    def _apply_all(self, waiting: list[tuple[int, bytes, int]]) -> None:
        """Depth first, so that a base is still in memory when what builds on it is made."""
        while waiting:
            offset, oid, depth = waiting.pop()
            for entry, crc in self._by_offset.pop(offset, []) + self._by_oid.pop(oid, []):
                if depth + 1 > self.caps.depth:
                    raise RefusedPack(
                        f"more than {self.caps.depth} deltas of the pack build on each other, the limit of this hub"
                    )
                self._count(delta_sizes(self.source.inflate(entry, 32))[1])
                kind, data = self.source.read(entry.offset)
                made = bytes.fromhex(GitObject(KINDS[kind], data).oid)
                self._accept(entry.offset, crc, kind, made, data)
                waiting.append((entry.offset, made, depth + 1))

    def closed(self) -> None:
        """Everything needed is in the pack or in this repository, and of the right kind."""
        for kind, needed in self._needed.items():
            outside = set()
            for oid in needed:
                own = self.kinds.get(oid)
                if own is None:
                    outside.add(oid)
                elif own != kind:
                    self._wrong_kind(oid, own, kind)
            lacking = self.store.missing(outside)
            if lacking:
                raise RefusedPack(
                    f"the pack needs the {KINDS[kind]} {min(lacking).hex()}, which is not in it nor in this repository"
                )
            for oid in outside:
                pack, offset = self.store.find(oid.hex())
                own = pack.head(offset)[0]
                if own != kind:
                    self._wrong_kind(oid, own, kind)

        for name in self._modules:
            place = self._places.get(bytes.fromhex(name))
            check_gitmodules(self.source.read(place)[1] if place is not None else self.store.blob(name), name)

    def _wrong_kind(self, oid: bytes, own: int, kind: int) -> None:
        raise MalformedObject(f"object {oid.hex()} is a {KINDS[own]} and is used as a {KINDS[kind]}")
