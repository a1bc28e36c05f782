"""What a fetch sends: which objects someone lacks, and the pack of them as a stream of bytes.

Only ids are in memory, never the objects together. What is packed already is sent as it lies on disk; a delta is kept
when its base goes along from the same pack.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enfold.hub.store.git_errors import MalformedObject
from enfold.hub.store.git_objects import raw_entries
from enfold.hub.store.pack_files import deflate, entry_head
from enfold.hub.store.packs import KINDS, REFERENCE_DELTA, Pack

if TYPE_CHECKING:
    from enfold.hub.store.object_store import ObjectStore

__all__ = ["FetchPlan", "Places", "packed", "plan_fetch"]

_PIECE = 1 << 20
_DEEPEST = 512

Places = dict[bytes, tuple[Pack, int]]
"""Where each object of a pack to be written lies now."""


def packed(places: Places, pack: Pack, offset: int) -> Iterator[bytes]:
    """The packed form of one object for another pack, in pieces.

    A delta stays one only when its base goes along *from the same pack*: between packs, two objects may each be a
    delta on the other, and a reader would go round in circles.
    """
    entry = pack.entry(offset)
    end = offset + pack.span(offset)
    if entry.kind not in KINDS:
        base = pack.oid_at(entry.base) if isinstance(entry.base, int) else entry.base or b""
        there = places.get(base)
        if there is None or there[0] is not pack:
            kind, data = pack.read(offset)
            yield entry_head(kind, len(data)) + deflate(data)
            return
        yield entry_head(REFERENCE_DELTA, entry.size) + base
    else:
        yield entry_head(entry.kind, entry.size)
    for at in range(entry.start, end, _PIECE):
        yield pack.raw(at, min(_PIECE, end - at))


@dataclass(frozen=True)
class FetchPlan:
    """What is to be sent.

    Args:
        store: the repository.
        oids: the ids of the objects, 20 bytes each.
        shallow: commits that are sent without their parents.
        unshallow: commits that were so before, and whose parents are sent now.
    """

    store: ObjectStore
    oids: list[bytes]
    shallow: list[str]
    unshallow: list[str]

    def stream(self) -> Iterator[bytes]:
        """The pack, piece by piece, in the order in which the objects lie on disk."""
        places: Places = {oid: self.store.find(oid.hex()) for oid in self.oids}
        digest = hashlib.sha1(usedforsecurity=False)
        head = b"PACK" + struct.pack(">II", 2, len(self.oids))
        digest.update(head)
        buffer = [head]
        held = len(head)
        for pack, offset in sorted(places.values(), key=lambda place: (place[0].pack_id, place[1])):
            for piece in packed(places, pack, offset):
                digest.update(piece)
                buffer.append(piece)
                held += len(piece)
                if held >= 1 << 16:
                    yield b"".join(buffer)
                    buffer, held = [], 0
        buffer.append(digest.digest())
        yield b"".join(buffer)


def plan_fetch(
    store: ObjectStore,
    want: Iterable[str],
    have: Iterable[str] = (),
    *,
    shallow: Iterable[str] = (),
    depth: int | None = None,
) -> FetchPlan:
    """Find what is reachable from ``want`` and not from ``have``.

    Args:
        store: the repository.
        want: ids of commits, annotated tags or other objects. Whether the caller may have them is decided before.
        have: ids the other side says it has; those that are not commits here are ignored.
        shallow: commits the other side has without their parents.
        depth: at most so many commits from each wanted one, as ``git clone --depth`` asks.

    Raises:
        MissingObject: a wanted object is not here.
    """
    cut = set(shallow)
    sent: set[bytes] = set()
    tips: list[str] = []
    roots: list[str] = []
    for oid in dict.fromkeys(want):
        kind = store.head(oid)[0]
        while kind == "tag":
            sent.add(bytes.fromhex(oid))
            oid = store.tag(oid).target
            kind = store.head(oid)[0]
        if kind == "commit":
            tips.append(oid)
        elif kind == "tree":
            roots.append(oid)
        else:
            sent.add(bytes.fromhex(oid))
    theirs = [oid for oid in dict.fromkeys(have) if store.has(oid) and store.head(oid)[0] == "commit"]
    common = store.ancestors(theirs, cut.__contains__)
    within, boundary = _within(store, tips, depth) if depth is not None else (None, set())
    unshallow = sorted(cut & within - boundary) if within is not None else []
    starts = tips + [parent for oid in unshallow for parent in store.parents(oid)]
    for commit in _parents_first(store, starts, common, boundary):
        sent.add(bytes.fromhex(commit))
        parsed = store.commit(commit)
        base = next((parent for parent in parsed.parents if commit not in boundary), None)
        old = store.commit(base).tree if base is not None else None
        _new_in_tree(store, old, parsed.tree, sent, 0)
    for root in roots:
        _new_in_tree(store, None, root, sent, 0)
    return FetchPlan(store, list(sent), sorted(boundary - cut), unshallow)


def _within(store: ObjectStore, tips: list[str], depth: int) -> tuple[set[str], set[str]]:
    """The commits at most ``depth`` generations deep, and those of them whose parents are not."""
    seen = set(tips)
    level = list(seen)
    for _ in range(depth - 1):
        level = list({parent for oid in level for parent in store.parents(oid)} - seen)
        if not level:
            break
        seen.update(level)
    return seen, {oid for oid in level if any(parent not in seen for parent in store.parents(oid))}


def _parents_first(store: ObjectStore, tips: list[str], common: set[str], boundary: set[str]) -> Iterator[str]:
    """The commits from ``tips`` down to, without, ``common``; each after those of its parents that are sent."""
    seen: set[str] = set()
    waiting = [(tip, False) for tip in tips]
    while waiting:
        oid, ready = waiting.pop()
        if ready:
            yield oid
        elif oid not in seen and oid not in common:
            seen.add(oid)
            waiting.append((oid, True))
            if oid not in boundary:
                waiting.extend((parent, False) for parent in store.parents(oid))


def _new_in_tree(store: ObjectStore, old: str | None, new: str, sent: set[bytes], depth: int) -> None:
    """Add to ``sent`` what the tree ``new`` holds and ``old``, which the other side has or gets, does not."""
    raw = bytes.fromhex(new)
    if old == new or raw in sent:
        return
    if depth > _DEEPEST:
        raise MalformedObject(f"tree {new}: folders are more than {_DEEPEST} deep")
    sent.add(raw)
    olds = raw_entries(store.tree(old), old) if old else []
    folders = {name: oid for mode, name, oid in olds if mode == b"40000"}
    for mode, name, oid in set(raw_entries(store.tree(new), new)).difference(olds):
        if mode == b"40000":
            before = folders.get(name)
            _new_in_tree(store, before.hex() if before else None, oid.hex(), sent, depth + 1)
        elif mode != b"160000":
            sent.add(oid)
