"""A repository as a copy of another: its branches, its tags, their history, and the use of its large files."""

from __future__ import annotations

from typing import Literal, cast

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

from enfold.hub.records import Principal, links, refs
from enfold.hub.records.permissions import may
from enfold.hub.records.repositories import find_repository
from enfold.hub.records.schema import Repository
from enfold.hub.server.access import ApiDownload
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.contents import pointer_at
from enfold.hub.server.errors import HubError, sign_in_needed
from enfold.hub.server.routes.repositories import Beginning, Kind, address, already_there, found_repository
from enfold.hub.server.safety import check_contents, refuse_histories
from enfold.hub.server.state import HubState, State
from enfold.hub.store import ObjectStore, plan_fetch

__all__ = ["router"]

router = APIRouter(tags=["repositories"], route_class=BoundedRoute)

_COPIED = ("refs/heads/", "refs/tags/")


class Copy(BaseModel):
    """Where the copy is to be. Members of hosted spaces (hardware, secrets) are taken and have no effect."""

    repository: str
    visibility: Literal["public", "private", "protected"] | None = None
    private: bool | None = None


@router.post("/api/{kind:kind}/{repo:repo}/duplicate", summary="Copy a repository")
def duplicate(request: Request, body: Copy, access: ApiDownload, state: State) -> JSONResponse:
    """With its branches, tags and history; pull requests and discussions stay behind.

    A copy of a private or a gated repository is private, unless the request says otherwise.
    """
    source, caller = access.repository, access.principal
    if caller.is_anonymous:
        raise sign_in_needed("copying a repository")
    with state.records.read() as session:
        there = find_repository(session, source.type, body.repository)
    if there is not None and may(caller, "read", there):
        return already_there(request, there)
    private = source.private or source.gated is not None
    if body.visibility is not None:
        private = body.visibility != "public"
    elif body.private is not None:
        private = body.private
    made = found_repository(
        state,
        caller,
        cast("Kind", source.type),
        body.repository,
        lambda uid: _copied(state, source, caller, uid),
        private=private,
        sdk=source.sdk,
        reason="duplicate",
    )
    return JSONResponse({**address(request, made), "filesCopyPending": False})


def _copied(state: HubState, source: Repository, caller: Principal, uid: str) -> Beginning:
    """Copy what the branches and tags of a repository lead to, and nothing else that its packs hold."""
    with state.records.read() as session:
        found = refs.refs_of(session, source)
    chosen = {each.name: (each.target, each.commit) for each in found if each.name.startswith(_COPIED)}
    if refs.MAIN not in chosen:
        raise HubError(409, f"{source.full_name} has no branch main to be copied")
    old, new = state.objects(source), state.objects(uid)
    plan = plan_fetch(old, [target for target, _ in chosen.values()])
    check_contents(state, caller, source, (oid.hex() for oid in plan.oids))
    refuse_histories(state, source, {commit for _, commit in chosen.values()})
    new.ingest_pack(plan.stream())
    named = _named_large_files(new)
    check_contents(state, caller, source, named)
    with state.records.read() as session:
        large = links.linked(session, source, named)
    return Beginning(chosen, sorted(large))


def _named_large_files(store: ObjectStore) -> set[str]:
    """The large files that any commit of a repository names."""
    blobs = (oid for oid in store.all_oids() if store.head(oid)[0] == "blob")
    return {pointer.sha256 for oid in blobs if (pointer := pointer_at(store, oid)) is not None}
