"""What a repository is: the usual members, or those that are asked for; at its head or at a revision."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from enfold.hub.records.refs import MAIN
from enfold.hub.server.access import Access, ApiRead
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.descriptions import check_expand, describe, expanded, siblings
from enfold.hub.server.pagination import moment
from enfold.hub.server.revisions import resolve
from enfold.hub.server.state import HubState, State

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
        found["securityRepoStatus"] = {"scansDone": False, "filesWithIssues": []}
    return found
