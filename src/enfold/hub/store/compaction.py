"""Putting many small packs together, and leaving out what nothing reaches any more.

Every commit made through the API is a pack of its own. Packs are merged so that each is at least twice as large as all
smaller ones together, as ``git repack --geometric=2`` does: an object is copied a number of times that grows with the
logarithm of the repository. What is packed is copied as it is.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from enfold.hub.store.fetch import Places, packed, plan_fetch
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.pack_files import PackWriter, remove_abandoned
from enfold.hub.store.packs import Pack
from enfold.hub.store.spool import sync_folder

__all__ = ["compact", "remove_unreachable"]

_FACTOR = 2


@contextmanager
def _alone(store: ObjectStore) -> Iterator[bool]:
    """Whether no other process is putting packs together here; never waits."""
    descriptor = os.open(store.folder / ".compacting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _to_merge(packs: Sequence[Pack], most: int) -> list[Pack]:
    """The small packs to be put together, or none when there are at most ``most``."""
    if len(packs) <= most:
        return []
    ordered = sorted(packs, key=lambda pack: pack.index.count)
    together = 0
    taken = 0
    for place, pack in enumerate(ordered):
        if pack.index.count < _FACTOR * together or place < 2:
            taken = place + 1
        together += pack.index.count
    return ordered[:taken]


def compact(store: ObjectStore, *, most: int = 20) -> bool:
    """Put small packs together when there are more than ``most``; whether anything was done.

    Readers in other threads and processes are not disturbed, and no object is lost: the new pack is durable before an
    old one goes.
    """
    if not store.folder.exists():
        return False
    with _alone(store) as alone:
        if not alone:
            return False
        remove_abandoned(store.folder)
        chosen = _to_merge(store.packs(refresh=True), most)
        if not chosen:
            return False
        places: Places = {}
        for pack in chosen:
            for place in range(pack.index.count):
                places.setdefault(pack.index.oid(place), (pack, int(pack.index.offsets[place])))
        _replace(store, chosen, places)
        return True


def remove_unreachable(store: ObjectStore, tips: Iterable[str], *, grace: float = 14 * 86400.0) -> int:
    """Put all old packs together without what no tip reaches; how many objects were left out.

    Args:
        store: the repository.
        tips: everything that must stay: all refs, and whatever else is named somewhere.
        grace: packs younger than so many seconds stay as they are, because a push that is under way may need them.

    Nobody may write to the repository meanwhile: a commit could rely on an object that is just going.
    """
    if not store.folder.exists():
        return 0
    with _alone(store) as alone:
        if not alone:
            return 0
        remove_abandoned(store.folder)
        packs = store.packs(refresh=True)
        old = [pack for pack in packs if time.time() - pack.path.stat().st_mtime >= grace]
        young = [pack for pack in packs if pack not in old]
        # What a young pack holds may need old objects: it stays with all that it needs.
        named = {oid for pack in young for oid in (pack.index.oid(place) for place in range(pack.index.count))}
        wanted = [*tips, *(oid.hex() for oid in named)]
        kept = set(plan_fetch(store, wanted).oids)
        places: Places = {}
        total: set[bytes] = set()
        for pack in old:
            for place in range(pack.index.count):
                oid = pack.index.oid(place)
                total.add(oid)
                if oid in kept:
                    places.setdefault(oid, (pack, int(pack.index.offsets[place])))
        if len(total) == len(places):
            return 0
        _replace(store, old, places)
        return len(total) - len(places)


def _replace(store: ObjectStore, packs: Sequence[Pack], places: Places) -> None:
    if places:
        with PackWriter(store.folder) as writer:
            for oid, (pack, offset) in sorted(places.items(), key=lambda item: (item[1][0].pack_id, item[1][1])):
                writer.copy(oid, b"".join(packed(places, pack, offset)))
            made = writer.finish()
    else:
        made = ""
    for pack in packs:
        if pack.pack_id != made:
            # The index first: a pack without one is not looked at.
            pack.path.with_suffix(".idx").unlink(missing_ok=True)
            pack.path.unlink(missing_ok=True)
    sync_folder(store.folder)
    store.packs(refresh=True)
