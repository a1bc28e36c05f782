"""What a hub does with files that were not found safe: tell, keep them from others than their owners, or refuse them.

``warn``        the API and the pages say what was found
``quarantine``  only owners get the bytes, by any route; for all others they are refused (403)
``refuse``      a commit, a push or an upload with such a file is refused (422)

Where something depends on the result, what was not looked at yet is looked at first. What could not be looked at is
treated like what is unsafe: else it would be the way around.
"""

from __future__ import annotations

from collections.abc import Iterable

from enfold.hub.records import Principal
from enfold.hub.records.permissions import role_in
from enfold.hub.records.schema import Repository
from enfold.hub.scans import results
from enfold.hub.scans.scanning import Verdict
from enfold.hub.server.contents import Content, large_content
from enfold.hub.server.errors import HubError
from enfold.hub.server.scans import NewFile, new_files
from enfold.hub.server.state import HubState
from enfold.hub.store import LargeFile, ObjectStore
from enfold.hub.store.trees import diff

__all__ = [
    "check_content",
    "check_contents",
    "hidden_between",
    "keeps_back",
    "refuse_histories",
    "refuse_large",
    "refuse_new_files",
    "refused_in_push",
    "withheld",
]

_SHOWN = 5


def keeps_back(state: HubState, principal: Principal, repository: Repository) -> bool:
    """Whether there may be files that the caller does not get: the hub keeps some back, and they are no owner."""
    return state.settings.unsafe_files == "quarantine" and not _owns(principal, repository)


def _owns(principal: Principal, repository: Repository) -> bool:
    return principal.kind == "job" or principal.is_admin or role_in(principal, repository.account_id) == "admin"


def withheld(
    state: HubState, principal: Principal, repository: Repository, contents: Iterable[str]
) -> dict[str, Verdict]:
    """Of some contents (git ids, or the sha256 of large files) those that the caller does not get, and why."""
    if not keeps_back(state, principal, repository):
        return {}
    state.scans.finish(repository)
    with state.records.read() as session:
        return results.not_safe(session, contents)


def check_content(state: HubState, principal: Principal, repository: Repository, content: Content) -> None:
    """Refuse a file that is kept back (403)."""
    if not keeps_back(state, principal, repository):
        return
    found = withheld(state, principal, repository, [content.etag]).get(content.etag)
    if found is None and content.is_large:
        found = state.scans.of_large(content.etag, content.size, content.read)
    if found is not None and found.status != "safe":
        raise _quarantined("this file", found)


def check_contents(state: HubState, principal: Principal, repository: Repository, contents: Iterable[str]) -> None:
    """Refuse the whole when one of its files is kept back (403)."""
    found = withheld(state, principal, repository, contents)
    if found:
        name, verdict = next(iter(found.items()))
        raise _quarantined(f"{len(found)} of the files, such as {name},", verdict)


def _quarantined(what: str, verdict: Verdict) -> HubError:
    words = (
        f"{what} is in quarantine: it was {_status(verdict)} ({verdict.words}); only owners of the repository get it"
    )
    return HubError(403, words, code="FileQuarantined")


def hidden_between(
    state: HubState, principal: Principal, repository: Repository, old: str | None, new: str | None
) -> frozenset[str]:
    """The blobs that differ between two trees and that a difference must not show to the caller."""
    if not keeps_back(state, principal, repository):
        return frozenset()
    changes = diff(state.objects(repository), old, new)
    oids = {side.oid for each in changes for side in (each.old, each.new) if side is not None}
    return frozenset(withheld(state, principal, repository, oids))


def refuse_new_files(state: HubState, repository: Repository, store: ObjectStore, old: str | None, new: str) -> None:
    """Refuse a commit whose files are not safe, where the hub refuses those.

    Args:
        state: the hub.
        repository: where it is to land.
        store: which has the objects by now.
        old: the tree that it changes.
        new: its tree.

    Raises:
        HubError: one is not safe (422).
    """
    if state.settings.unsafe_files != "refuse":
        return
    fault = _fault(state, repository, ((each.path, each.new.oid) for each in diff(store, old, new) if each.new))
    if fault is not None:
        raise HubError(422, f"this hub takes no unsafe files: {fault}", code="UnsafeFile")


def refused_in_push(state: HubState, repository: Repository, commit: str, old: str | None) -> str | None:
    """Why a pushed commit is refused for the files that it and those before it bring, where the hub refuses those."""
    if state.settings.unsafe_files != "refuse":
        return None
    fault = _fault(state, repository, new_files(state.objects(repository), commit, old))
    return None if fault is None else f"this hub takes no unsafe files: {fault}"


def refuse_histories(state: HubState, repository: Repository, commits: Iterable[str]) -> None:
    """Refuse to copy commits whose files, or those of the commits before them, are not safe (422)."""
    for commit in sorted(commits):
        fault = refused_in_push(state, repository, commit, None)
        if fault is not None:
            raise HubError(422, fault, code="UnsafeFile")


def refuse_large(state: HubState, file: LargeFile) -> None:
    """Refuse a large file that has arrived and is not safe, where the hub refuses those (422)."""
    if state.settings.unsafe_files != "refuse":
        return
    content = large_content(state, file)
    found = state.scans.of_large(file.sha256, file.size, content.read)
    if found.status != "safe":
        message = f"this hub takes no unsafe files: {file.sha256} was {_status(found)} ({found.words})"
        raise HubError(422, message, code="UnsafeFile")


def _fault(state: HubState, repository: Repository, files: Iterable[NewFile]) -> str | None:
    found = [each for each in state.scans.verdicts(repository, files).items() if each[1].status != "safe"]
    if not found:
        return None
    told = [
        f"{path.decode('utf-8', 'backslashreplace')} was {_status(verdict)} ({verdict.words})"
        for (path, _), verdict in found[:_SHOWN]
    ]
    return "; ".join(told) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def _status(verdict: Verdict) -> str:
    return "found unsafe" if verdict.status == "unsafe" else "not scanned"
