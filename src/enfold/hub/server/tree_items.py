"""Files and folders as listings describe them: size, ids, the large file behind a pointer, the last commit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

from sqlalchemy.orm import Session

from enfold.hub.records.schema import Repository
from enfold.hub.records.xet_names import xet_hashes
from enfold.hub.scans.results import known, result_key
from enfold.hub.scans.status import security_status
from enfold.hub.server.descriptions import blob_facts
from enfold.hub.server.pagination import moment
from enfold.hub.server.state import HubState
from enfold.hub.store import ObjectStore
from enfold.hub.store.git_objects import FOLDER, SUBMODULE
from enfold.hub.store.trees import PathEntry

__all__ = ["describe_entries", "facts_of"]

_KEPT = 200_000
_Facts = tuple[int, dict[str, Any] | None]


class _FactsOfBlobs:
    """What listings say of a blob, kept by its id: the same bytes say the same wherever they are."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Facts] = OrderedDict()
        self._lock = Lock()

    def of(self, store: ObjectStore, oid: str) -> _Facts:
        """Size, and what the pointer says if the blob is one."""
        with self._lock:
            facts = self._kept.get(oid)
        if facts is None:
            facts = blob_facts(store, oid)
            with self._lock:
                self._kept[oid] = facts
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return facts


_facts = _FactsOfBlobs()


def facts_of(store: ObjectStore, oid: str) -> tuple[int, dict[str, Any] | None]:
    """The size of the file that a blob is, and what its pointer says where it stands for a large one."""
    return _facts.of(store, oid)


def describe_entries(
    state: HubState,
    session: Session,
    repository: Repository,
    commit: str,
    entries: Sequence[PathEntry],
    *,
    last_commits: bool = False,
) -> list[dict[str, Any]]:
    """Describe what stands at some paths of a commit.

    Args:
        state: the hub.
        session: a transaction.
        repository: whose entries they are.
        commit: where they stand.
        entries: files and folders. A submodule is shown as a folder: it has no content here.
        last_commits: say of each which commit changed it last, and of files what a scan found.
    """
    store = state.objects(repository)
    found = [_described(store, entry) for entry in entries]
    large = [item["lfs"]["oid"] for item in found if "lfs" in item]
    if large:
        hashes = xet_hashes(session, repository, large)
        for item in found:
            if "lfs" in item and item["lfs"]["oid"] in hashes:
                item["xetHash"] = hashes[item["lfs"]["oid"]]
    if last_commits:
        _add_what_scans_found(session, entries, found)
        _add_last_commits(state, repository, commit, entries, found)
    return found


def _described(store: ObjectStore, entry: PathEntry) -> dict[str, Any]:
    path = entry.path.decode("utf-8", "replace")
    if entry.mode in (FOLDER, SUBMODULE):
        return {"type": "directory", "oid": entry.oid, "size": 0, "path": path}
    size, lfs = facts_of(store, entry.oid)
    item: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": size, "path": path}
    if lfs is not None:
        item["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
    return item


def _add_what_scans_found(session: Session, entries: Sequence[PathEntry], found: list[dict[str, Any]]) -> None:
    files = [
        (item, result_key(item["lfs"]["oid"] if "lfs" in item else item["oid"], entry.path))
        for entry, item in zip(entries, found, strict=True)
        if item["type"] == "file"
    ]
    verdicts = known(session, [key for _, key in files])
    for item, key in files:
        item["securityFileStatus"] = security_status(verdicts.get(key))


def _add_last_commits(
    state: HubState, repository: Repository, commit: str, entries: Sequence[PathEntry], found: list[dict[str, Any]]
) -> None:
    store = state.objects(repository)
    last = state.changed_paths(repository).last_commits([entry.path for entry in entries], commit)
    shown: dict[str, dict[str, Any]] = {}
    for entry, item in zip(entries, found, strict=True):
        oid = last.get(entry.path, commit)
        if oid not in shown:
            made = store.commit(oid)
            shown[oid] = {"id": oid, "title": made.title, "date": moment(made.committer.time)}
        item["lastCommit"] = shown[oid]
