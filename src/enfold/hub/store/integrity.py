"""Reading a whole repository again: is every byte what it should be, and is anything missing?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from enfold.hub.store.git_errors import GitError
from enfold.hub.store.git_objects import object_id
from enfold.hub.store.object_cache import ObjectCache
from enfold.hub.store.object_checks import check_object
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.packs import KINDS, Pack

__all__ = ["problems"]


def problems(store: ObjectStore, tips: Iterable[str] = ()) -> Iterator[str]:
    """What is wrong with a repository, one line each; nothing when all is well.

    Every pack is read against its checksum, every object against its id and its form, and everything that ``tips`` (all
    refs) need is looked for.
    """
    try:
        packs = store.packs(refresh=True)
    except GitError as error:
        yield str(error)
        return
    for pack in packs:
        # Read from the disk, not from what a cache remembers.
        yield from _in_pack(Pack(store.folder, pack.pack_id, ObjectCache(32 << 20, 32 << 20)))
    try:
        for oid in store.closure_missing(tips):
            yield f"object {oid} is needed and is not in this repository"
    except GitError as error:
        yield str(error)


def _in_pack(pack: Pack) -> Iterator[str]:
    digest = hashlib.sha1(usedforsecurity=False)
    for at in range(0, pack.end, 1 << 20):
        digest.update(pack.raw(at, min(1 << 20, pack.end - at)))
    if digest.digest() != pack.raw(pack.end, 20):
        yield f"pack {pack.pack_id}: its checksum is wrong"
    if digest.hexdigest() != pack.pack_id:
        yield f"pack {pack.pack_id}: its name is not its checksum"
    ordered, places = pack.index.by_offset
    for offset, place in zip(ordered.tolist(), places.tolist(), strict=True):
        oid = pack.index.oid(place).hex()
        try:
            kind, data = pack.read(offset)
            if object_id(KINDS[kind], data) != oid:
                yield f"object {oid} has other bytes than its id says"
            else:
                check_object(KINDS[kind], data, oid)
        except GitError as error:
            yield f"object {oid}: {error}"
