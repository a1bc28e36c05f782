"""What a repository is: the usual members, or those that are asked for; at its head or at a revision."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from enfold.hub.records import scan_queue
from enfold.hub.records.refs import MAIN
from enfold.hub.records.schema import Repository
from enfold.hub.scans.results import known, result_key
from enfold.hub.server.access import Access, ApiRead
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.descriptions import check_expand, describe, expanded, siblings
from enfold.hub.server.pagination import moment
from enfold.hub.server.revisions import resolve
from enfold.hub.server.state import HubState, State
from enfold.hub.server.tree_items import facts_of
from enfold.hub.store import trees
from enfold.hub.store.git_objects import SUBMODULE

__all__ = ["router"]

router = APIRouter(tags=["repositories"], route_class=BoundedRoute)

Expand = Annotated[list[str] | None, Query(description="Answer only these members; repeat it for more.")]
Blobs = Annotated[bool, Query(description="Add size and ids to each file.")]
SecurityStatus = Annotated[bool, Query(alias="securityStatus", description="Add what scans found.")]


@router.get("/api/{kind:kind}/{repo:repo}/revision/{revision:piece}", summary="A repository at a revision")
def at_revision(
    revision: str,
    access: ApiRead,
    state: State,
    expand: Expand = None,
    blobs: Blobs = False,
    security_status: SecurityStatus = False,
) -> dict[str, Any]:
    """A branch, a tag, a full ref, or a full or short commit id."""
    return _information(state, access, revision, expand or [], blobs, security_status)


@router.get("/api/{kind:kind}/{repo:repo}", summary="A repository")
def at_head(
    access: ApiRead,
    state: State,
    expand: Expand = None,
    blobs: Blobs = False,
    security_status: SecurityStatus = False,
) -> dict[str, Any]:
    """At the head of its main branch."""
    return _information(state, access, None, expand or [], blobs, security_status)


def _information(
    state: HubState, access: Access, revision: str | None, expand: list[str], blobs: bool, security_status: bool
) -> dict[str, Any]:
    repository = access.repository
    check_expand(repository.type, expand)
    with state.records.read() as session:
        commit = resolve(state, session, repository, revision or MAIN).commit
    found = expanded(repository, expand) if expand else describe(repository)
    if not expand or "sha" in expand:
        found["sha"] = commit
    if not expand or "siblings" in expand:
        found["siblings"] = siblings(state, repository, commit, blobs=blobs)
    if revision is not None and "lastModified" in found:
        found["lastModified"] = moment(state.objects(repository).commit(commit).committer.time)
    if security_status:
        found["securityRepoStatus"] = _security(state, repository, commit)
    return found


def _security(state: HubState, repository: Repository, commit: str) -> dict[str, Any]:
    """Whether everything was looked at, and the files that were not found safe."""
    store = state.objects(repository)
    keys: dict[str, str] = {}
    for entry in trees.walk(store, store.commit(commit).tree, recursive=True):
        if not entry.is_folder and entry.mode != SUBMODULE:
            lfs = facts_of(store, entry.oid)[1]
            content = entry.oid if lfs is None else lfs["sha256"]
            keys[entry.path.decode("utf-8", "replace")] = result_key(content, entry.path)
    with state.records.read() as session:
        done = not scan_queue.waiting(session, repository, limit=1)
        verdicts = known(session, keys.values())
    levels = {"unsafe": "unsafe", "not scanned": "unscanned"}
    issues = [
        {"path": path, "level": levels[verdicts[key].status]}
        for path, key in keys.items()
        if key in verdicts and verdicts[key].status != "safe"
    ]
    return {"scansDone": done, "filesWithIssues": issues}
