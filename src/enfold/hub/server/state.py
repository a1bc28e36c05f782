"""What every route works with: the root, the settings, the records, and the bytes of repositories."""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Annotated
from weakref import WeakValueDictionary

from fastapi import Depends
from prometheus_client import CollectorRegistry
from starlette.requests import Request

from enfold.errors import EnfoldError
from enfold.hub.records import HubRoot, Records
from enfold.hub.records.schema import Repository
from enfold.hub.server.downloads import Downloads
from enfold.hub.server.settings import HubSettings
from enfold.hub.store import ChangedPaths, ObjectStore, compact

if TYPE_CHECKING:
    from enfold.hub.server.mirror.mirroring import Mirror
    from enfold.hub.server.scans import Scans
    from enfold.hub.server.signing import Signer
    from enfold.hub.store.blobs import Blobs
    from enfold.hub.store.lfs_files import LargeFiles
    from enfold.hub.store.xorbs import Xorbs

__all__ = ["HubState", "State"]

_STORES = 256
_INDEXES = 64
_MOST_PACKS = 40
_log = logging.getLogger(__name__)


class HubState:
    """One server's view of a hub. Nothing in it is needed by another worker: what counts is on the disk.

    Args:
        root: the folder of the hub.
        settings: what this server was started with.
        records: the database.

    ``taken_by_routes`` are the first pieces of the addresses that the server answers at; no account may be called so.
    """

    def __init__(self, root: HubRoot, settings: HubSettings, records: Records) -> None:
        self.root = root
        self.settings = settings
        self.records = records
        self.metrics = CollectorRegistry()
        self.taken_by_routes: frozenset[str] = frozenset()
        self._lock = Lock()
        self._stores: OrderedDict[str, ObjectStore] = OrderedDict()
        self._branches: WeakValueDictionary[tuple[str, str], _Turn] = WeakValueDictionary()
        self._changed: OrderedDict[str, ChangedPaths] = OrderedDict()
        self._chores = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hub-chores")
        self.downloads = Downloads(records, self._chores)

    def objects(self, repository: Repository | str) -> ObjectStore:
        """The git objects of a repository (or of the uid of one that is being made)."""
        uid = repository if isinstance(repository, str) else repository.uid
        with self._lock:
            store = self._stores.pop(uid, None) or ObjectStore(self.root.repository(uid) / "packs")
            self._stores[uid] = store
            if len(self._stores) > _STORES:
                self._stores.popitem(last=False)
            return store

    def forget_objects(self, uid: str) -> None:
        """Let go of a repository that was deleted."""
        with self._lock:
            self._stores.pop(uid, None)
            index = self._changed.pop(uid, None)
        if index is not None:
            index.close()

    def changed_paths(self, repository: Repository) -> ChangedPaths:
        """Which commit of a repository changed which path."""
        with self._lock:
            index = self._changed.pop(repository.uid, None)
        if index is None:
            file = self.root.repository(repository.uid) / "changed-paths.sqlite"
            index = ChangedPaths(self.objects(repository), file)
        dropped = None
        with self._lock:
            index = self._changed.setdefault(repository.uid, index)
            if len(self._changed) > _INDEXES:
                _, dropped = self._changed.popitem(last=False)
        if dropped is not None:
            dropped.close()
        return index

    def after_commit(self, repository: Repository, commit: str) -> None:
        """What follows a branch's move to ``commit``, however it came: derived files. It never fails a request."""
        try:
            self.changed_paths(repository).update(commit)
        except (EnfoldError, OSError, sqlite3.Error) as error:  # it is made again when it is needed
            _log.warning("the changed paths of %s were not written: %s", repository.full_name, error)
        store = self.objects(repository)
        if len(store.packs()) > _MOST_PACKS:
            self._chores.submit(self._compact, store, repository.full_name)

    @staticmethod
    def _compact(store: ObjectStore, full_name: str) -> None:
        try:
            compact(store)
        except (EnfoldError, OSError) as error:
            _log.warning("the packs of %s were not put together: %s", full_name, error)

    @contextmanager
    def turn_on(self, repository: Repository, ref: str) -> Iterator[None]:
        """Wait for one's turn on a branch. It saves work; what makes moves safe is the compare and swap of the ref."""
        with self._lock:
            key = (repository.uid, ref)
            turn = self._branches.get(key)
            if turn is None:
                turn = self._branches[key] = _Turn()
        with turn.lock:
            yield

    @cached_property
    def blobs(self) -> Blobs:
        """Where large content lies."""
        if self.settings.blobs is None:
            from enfold.hub.store.blobs import LocalBlobs

            return LocalBlobs(self.root.blobs, tmp=self.root.tmp, reserve=self.settings.reserve_bytes)
        from enfold.hub.store.remote_blobs import ObjectStoreBlobs

        return ObjectStoreBlobs(self.settings.blobs, tmp=self.root.tmp, reserve=self.settings.reserve_bytes)

    @cached_property
    def large_files(self) -> LargeFiles:
        """Large files that arrive whole or in parts."""
        from enfold.hub.store.lfs_files import LargeFiles

        return LargeFiles(self.blobs)

    @cached_property
    def xorbs(self) -> Xorbs:
        """Xorbs, kept decoded."""
        from enfold.hub.store.xorbs import Xorbs

        return Xorbs(self.blobs)

    @cached_property
    def signer(self) -> Signer:
        """Makes and reads signed addresses and Xet tokens."""
        from enfold.hub.records.standing import secret_key
        from enfold.hub.server.signing import KEY_BYTES, Signer

        return Signer(secret_key(self.records, "signing", KEY_BYTES))

    @cached_property
    def scans(self) -> Scans:
        """Looks at new files."""
        from enfold.hub.server.scans import Scans

        return Scans(self)

    @cached_property
    def mirror(self) -> Mirror | None:
        """What is kept of the upstream hub, if there is one."""
        if self.settings.upstream is None:
            return None
        from enfold.hub.server.mirror.mirroring import Mirror

        return Mirror(self)

    def close(self) -> None:
        """Finish what was begun, and close the database."""
        if self.mirror is not None:
            self.mirror.close()
        self._chores.shutdown()
        self.downloads.write()
        with self._lock:
            indexes = list(self._changed.values())
            self._changed.clear()
        for index in indexes:
            index.close()
        self.records.close()


class _Turn:
    """A lock that a weak dictionary can hold."""

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = Lock()


async def _state(request: Request) -> HubState:
    return request.app.state.hub  # type: ignore[no-any-return]


State = Annotated[HubState, Depends(_state)]
"""The hub, as an argument of a route."""
