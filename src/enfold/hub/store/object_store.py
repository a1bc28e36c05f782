"""The git objects of one repository: a folder of packs, read and written by any number of threads and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO

import numpy as np

from enfold.hub.store.commit_objects import Commit, Tag, parse_commit, parse_tag
from enfold.hub.store.fetch import FetchPlan, plan_fetch
from enfold.hub.store.git_errors import GitError, MalformedObject, MissingObject, RefusedPack
from enfold.hub.store.git_objects import GitObject, Kind, is_oid
from enfold.hub.store.incoming import IncomingPack, PackCaps, ReceivedPack
from enfold.hub.store.object_cache import SHARED, ObjectCache
from enfold.hub.store.object_checks import references
from enfold.hub.store.pack_files import PackWriter
from enfold.hub.store.packs import KINDS, Pack
from enfold.hub.store.spool import full_disk_named, make_folder

__all__ = ["ObjectStore"]

_BULK = 64  # from so many ids on, looking them up together pays
_PARENTS_KEPT = 200_000
_ATTEMPTS = 20


class ObjectStore:
    """One repository's objects, in ``folder`` (made when the first pack is written).

    Nothing outside the folder is ever looked at. Reads see packs that another process wrote: a miss looks at the
    folder again.
    """

    def __init__(self, folder: str | Path, *, cache: ObjectCache = SHARED) -> None:
        self.folder = Path(folder)
        self._cache = cache
        self._lock = Lock()
        self._packs: tuple[Pack, ...] | None = None
        self._parents: dict[str, tuple[str, ...]] = {}

    # Finding ---------------------------------------------------------------------------------------------------

    def packs(self, *, refresh: bool = False) -> tuple[Pack, ...]:
        """The packs, newest first as far as known; ``refresh`` looks at the folder again."""
        if self._packs is not None and not refresh:
            return self._packs
        with self._lock:
            for _ in range(_ATTEMPTS):
                opened = {pack.pack_id: pack for pack in self._packs or ()}
                try:
                    names = {path.name[5:45] for path in self.folder.iterdir() if path.match("pack-*.idx")}
                except FileNotFoundError:
                    names = set()
                try:
                    fresh = [Pack(self.folder, name, self._cache) for name in names - opened.keys()]
                except FileNotFoundError:
                    continue  # another process has just put it into a larger one, which is there now
                self._packs = (*fresh, *(pack for name, pack in opened.items() if name in names))
                return self._packs
            raise GitError(f"the packs of {self.folder.name} change faster than they can be read; try again")

    def _find(self, oid: str) -> tuple[Pack, int] | None:
        if not is_oid(oid):
            return None
        raw = bytes.fromhex(oid)
        for pack in self.packs():
            offset = pack.index.find(raw)
            if offset is not None:
                return pack, offset
        for pack in self.packs(refresh=True):
            offset = pack.index.find(raw)
            if offset is not None:
                return pack, offset
        return None

    def find(self, oid: str) -> tuple[Pack, int]:
        """The pack and the offset of an object. Raises MissingObject."""
        found = self._find(oid)
        if found is None:
            raise MissingObject(oid)
        return found

    def has(self, oid: str) -> bool:
        """Whether this repository has the object."""
        return self._find(oid) is not None

    def missing(self, oids: Iterable[bytes]) -> set[bytes]:
        """Which of these ids (20 bytes each) are not here."""
        wanted = set(oids)
        for refresh in (False, True):
            for pack in self.packs(refresh=refresh):
                if not wanted:
                    return wanted
                if len(wanted) < _BULK:
                    wanted = {oid for oid in wanted if pack.index.find(oid) is None}
                elif pack.index.count:
                    asked = np.array(sorted(wanted), "S20")
                    held = pack.index.oids
                    places = np.minimum(np.searchsorted(held, asked), len(held) - 1)
                    # NumPy drops NULs at the end of a string: ids are padded again.
                    wanted = {oid.ljust(20, b"\0") for oid in asked[held[places] != asked].tolist()}
        return wanted

    def starting_with(self, prefix: str, limit: int = 2) -> list[str]:
        """Full ids that begin with 4 to 40 hex digits, at most ``limit``; whatever is wrong finds nothing."""
        if not 4 <= len(prefix) <= 40 or prefix.strip("0123456789abcdef"):
            return []
        found: set[str] = set()
        for pack in self.packs(refresh=True):
            found.update(pack.index.starting_with(prefix, limit))
        return sorted(found)[:limit]

    # Reading ---------------------------------------------------------------------------------------------------

    def get(self, oid: str) -> GitObject:
        """The object. Raises MissingObject; MalformedObject when its pack is damaged."""
        pack, offset = self.find(oid)
        kind, data = pack.read(offset)
        found = GitObject(KINDS[kind], data)
        found._oid = oid
        return found

    def head(self, oid: str) -> tuple[Kind, int]:
        """Kind and size in bytes, without reading the object. Raises MissingObject."""
        pack, offset = self.find(oid)
        kind, size = pack.head(offset)
        return KINDS[kind], size

    def size(self, oid: str) -> int:
        """Size in bytes. Raises MissingObject."""
        return self.head(oid)[1]

    def tree(self, oid: str) -> bytes:
        """The bytes of a tree. Raises MissingObject, MalformedObject when it is something else."""
        return self._of_kind(oid, "tree")

    def blob(self, oid: str) -> bytes:
        """The bytes of a blob. Raises MissingObject, MalformedObject when it is something else."""
        return self._of_kind(oid, "blob")

    def commit(self, oid: str) -> Commit:
        """A commit. Raises MissingObject, MalformedObject when it is something else."""
        return parse_commit(self._of_kind(oid, "commit"), oid)

    def tag(self, oid: str) -> Tag:
        """An annotated tag. Raises MissingObject, MalformedObject when it is something else."""
        return parse_tag(self._of_kind(oid, "tag"), oid)

    def _of_kind(self, oid: str, kind: Kind) -> bytes:
        found = self.get(oid)
        if found.kind != kind:
            raise MalformedObject(f"object {oid} is a {found.kind}, not a {kind}")
        return found.data

    def peel(self, oid: str) -> str:
        """The commit behind an id: itself, or what an annotated tag points at, through any number of tags.

        Raises:
            MissingObject: it is not here.
            MalformedObject: it is a tree or a blob, or a tag of one.
        """
        for _ in range(64):
            found = self.get(oid)
            if found.kind == "commit":
                return oid
            if found.kind != "tag":
                raise MalformedObject(f"object {oid} is a {found.kind}, not a commit")
            oid = parse_tag(found.data, oid).target
        raise MalformedObject(f"tag {oid}: more than 64 tags point at each other")

    def parents(self, oid: str) -> tuple[str, ...]:
        """The parents of a commit; remembered, because walks ask for them again and again."""
        known = self._parents.get(oid)
        if known is None:
            known = self.commit(oid).parents
            if len(self._parents) >= _PARENTS_KEPT:
                self._parents.clear()
            self._parents[oid] = known
        return known

    def all_oids(self) -> Iterator[str]:
        """Every id once per pack that holds it."""
        for pack in self.packs(refresh=True):
            for place in range(pack.index.count):
                yield pack.index.oid(place).hex()

    # Reachability ----------------------------------------------------------------------------------------------

    def reachable(self, oid: str, tips: Iterable[str]) -> bool:
        """Whether a commit is one of ``tips`` or an ancestor of one; tips may be annotated tags, and count too.

        This decides whether a 40-digit revision is valid: an object that is merely in a pack (of a refused push, of
        a deleted branch) is not.
        """
        if self._find(oid) is None:
            return False
        seen: set[str] = set()
        waiting: list[str] = []
        for tip in tips:
            if tip == oid:
                return True
            while self.head(tip)[0] == "tag":
                tip = self.tag(tip).target
                if tip == oid:
                    return True
            if self.head(tip)[0] == "commit" and tip not in seen:
                seen.add(tip)
                waiting.append(tip)
        while waiting:
            for parent in self.parents(waiting.pop()):
                if parent == oid:
                    return True
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return False

    def ancestors(self, tips: Iterable[str], stop: Callable[[str], bool] | None = None) -> set[str]:
        """All commits reachable from ``tips`` (commits), tips included; not beyond those for which ``stop`` holds."""
        seen: set[str] = set(tips)
        waiting = list(seen)
        while waiting:
            oid = waiting.pop()
            if stop is not None and stop(oid):
                continue
            for parent in self.parents(oid):
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return seen

    def closure_missing(self, new_tips: Iterable[str], known: Iterable[str] = (), *, limit: int = 100) -> list[str]:
        """Ids that ``new_tips`` need, through any number of steps, and that are not here; at most ``limit``.

        Args:
            new_tips: where to begin.
            known: commits that are complete already; nothing behind them is looked at.
            limit: when to stop looking.
        """
        seen: set[str] = set(known)
        waiting = [oid for oid in new_tips if oid not in seen]
        missing: list[str] = []
        while waiting and len(missing) < limit:
            oid = waiting.pop()
            if oid in seen:
                continue
            seen.add(oid)
            found = self._find(oid)
            if found is None:
                missing.append(oid)
                continue
            pack, offset = found
            if pack.head(offset)[0] != 3:  # blobs need nothing
                kind, data = pack.read(offset)
                waiting.extend(need for need, _ in references(KINDS[kind], data, oid) if need not in seen)
        return missing

    # Writing ---------------------------------------------------------------------------------------------------

    def open_pack_writer(self) -> PackWriter:
        """A new pack of this repository; see PackWriter. It does not check that the objects are closed."""
        make_folder(self.folder)
        return PackWriter(self.folder)

    def add(self, objects: Iterable[GitObject]) -> str | None:
        """Write objects as one pack, durably; those that are here already are left out.

        The objects may come from a generator: one is in memory at a time.

        Returns:
            The id of the pack, or None when nothing was new.

        Raises:
            RefusedPack: an object needs another that is neither here nor among ``objects``, or the same id is here
                with other bytes; nothing was written.
            StorageFull: the disk is full; nothing was written.
        """
        needed: set[bytes] = set()
        added: set[bytes] = set()
        with full_disk_named(self.folder), self.open_pack_writer() as writer:
            for item in objects:
                raw = bytes.fromhex(item.oid)
                if raw in added:
                    continue
                found = self.known(raw)
                if found is not None:
                    pack, offset = found
                    if (KINDS[(kept := pack.read(offset))[0]], kept[1]) != (item.kind, item.data):
                        raise RefusedPack(f"object {item.oid} is in this repository with other bytes")
                    continue
                added.add(raw)
                needed.update(bytes.fromhex(oid) for oid, _ in references(item.kind, item.data, item.oid))
                writer.add(raw, item.kind, item.data)
            lacking = self.missing(needed - added)
            if lacking:
                raise RefusedPack(
                    f"object {min(lacking).hex()} is needed, and is neither in this repository nor among the new ones"
                )
            if not writer.count:
                return None
            pack_id = writer.finish()
        self.packs(refresh=True)
        return pack_id

    def known(self, raw: bytes) -> tuple[Pack, int] | None:
        """The pack and offset of an object by the 20 bytes of its id, or None; the folder is not looked at again.

        For writers, who ask for thousands of ids that are not here: what another process wrote a moment ago is
        written twice, which does no harm.
        """
        for pack in self.packs():
            offset = pack.index.find(raw)
            if offset is not None:
                return pack, offset
        return None

    def ingest_pack(self, stream: IO[bytes] | Iterable[bytes], *, caps: PackCaps | None = None) -> ReceivedPack:
        """Receive a pack from a file or from chunks: streamed to disk, checked whole, then part of the repository.

        Raises:
            RefusedPack, MalformedObject: with the reason; nothing was kept.
        """
        with IncomingPack(self, caps=caps) as incoming:
            for chunk in stream if isinstance(stream, Iterable) else iter(partial(stream.read, 1 << 16), b""):
                incoming.write(chunk)
            return incoming.finish()

    def write_pack(
        self,
        out: IO[bytes],
        want: Iterable[str],
        have: Iterable[str] = (),
        *,
        shallow: Iterable[str] = (),
        depth: int | None = None,
    ) -> FetchPlan:
        """Write to ``out`` the pack that someone who has ``have`` lacks for ``want``; see ``fetch.plan_fetch``."""
        plan = plan_fetch(self, want, have, shallow=shallow, depth=depth)
        for part in plan.stream():
            out.write(part)
        return plan
