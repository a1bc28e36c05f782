"""What every route works with: the root, the settings, the records, and the bytes of repositories."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Annotated
from weakref import WeakValueDictionary

from fastapi import Depends
from prometheus_client import CollectorRegistry
from starlette.requests import Request

from enfold.hub.records import HubRoot, Records
from enfold.hub.records.schema import Repository
from enfold.hub.server.settings import HubSettings
from enfold.hub.store import ObjectStore

if TYPE_CHECKING:
    from enfold.hub.store.blobs import Blobs
    from enfold.hub.store.lfs_files import LargeFiles
    from enfold.hub.store.xorbs import Xorbs

__all__ = ["HubState", "State"]

_STORES = 256


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

            return LocalBlobs(self.root.blobs)
        from enfold.hub.store.remote_blobs import ObjectStoreBlobs

        return ObjectStoreBlobs(self.settings.blobs, tmp=self.root.tmp)

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

    def close(self) -> None:
        """Close the database."""
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
