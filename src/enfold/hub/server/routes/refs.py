"""Branches and tags."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse

from enfold.hub.records import RefMoved, refs
from enfold.hub.records.schema import RefRecord, Repository
from enfold.hub.server.access import ApiRead, ApiWrite
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.commits import signature_of
from enfold.hub.server.errors import HubError, revision_not_found
from enfold.hub.server.revisions import resolve
from enfold.hub.server.state import HubState, State
from enfold.hub.store import MalformedPath, Tag, check_ref, is_oid

__all__ = ["router"]

router = APIRouter(tags=["refs"], route_class=BoundedRoute)

_BRANCHES = "refs/heads/"
_TAGS = "refs/tags/"


class NewBranch(BaseModel):
    """A branch to be made."""

    model_config = ConfigDict(populate_by_name=True)

    starting_point: str | None = Field(None, alias="startingPoint", description="A revision; main if not given.")


class NewTag(BaseModel):
    """A tag to be made; with a message it is an annotated one."""

    tag: str
    message: str | None = Field(None, max_length=100_000)


@router.get("/api/{kind:kind}/{repo:repo}/refs", summary="Branches, tags and pull requests")
def list_refs(
    access: ApiRead, state: State, include_prs: Annotated[bool, Query(description="Pull requests too.")] = False
) -> dict[str, Any]:
    """Each with the commit it names."""
    with state.records.read() as session:
        found = refs.refs_of(session, access.repository)
    answer: dict[str, Any] = {
        "branches": _shown(found, _BRANCHES),
        "converts": _shown(found, "refs/convert/"),
        "tags": _shown(found, _TAGS),
    }
    if include_prs:
        answer["pullRequests"] = _shown(found, "refs/pr/")
    return answer


@router.post("/api/{kind:kind}/{repo:repo}/branch/{branch:piece}", summary="Make a branch")
def make_branch(
    branch: str, access: ApiWrite, state: State, body: Annotated[NewBranch | None, Body()] = None
) -> JSONResponse:
    """At a revision, or where main is."""
    ref = _checked(_BRANCHES, branch, "branch")
    with state.records.read() as session:
        _check_free(session, access.repository, ref)
        start = (body.starting_point if body else None) or refs.MAIN
        commit = resolve(state, session, access.repository, start).commit
    _make(state, access, ref, commit, commit, "make branch")
    state.after_commit(access.repository, commit)
    return JSONResponse({"success": True, "ref": ref, "targetCommit": commit})


@router.delete("/api/{kind:kind}/{repo:repo}/branch/{branch:piece}", summary="Delete a branch")
def delete_branch(branch: str, access: ApiWrite, state: State) -> JSONResponse:
    """Any but main."""
    ref = branch if branch.startswith(_BRANCHES) else f"{_BRANCHES}{branch}"
    if ref == refs.MAIN:
        raise HubError(403, f"Cannot delete {refs.MAIN}")
    return _delete(state, access, ref, branch, "delete branch")


@router.post("/api/{kind:kind}/{repo:repo}/tag/{revision:piece}", summary="Make a tag")
def make_tag(revision: str, body: NewTag, access: ApiWrite, state: State) -> JSONResponse:
    """Names a revision for good."""
    with state.records.read() as session:
        commit = resolve(state, session, access.repository, revision).commit
        ref = _checked(_TAGS, body.tag, "tag")
        _check_free(session, access.repository, ref)
        tagger = signature_of(session, access.principal)
    target = commit
    if body.message:
        message = body.message.strip("\n").replace("\0", "") + "\n"
        made = Tag(commit, "commit", body.tag.encode(), tagger, message.encode("utf-8", "replace")).encode()
        state.objects(access.repository).add([made])
        target = made.oid
    _make(state, access, ref, target, commit, "make tag")
    return JSONResponse({"success": True, "ref": ref, "targetCommit": commit})


@router.delete("/api/{kind:kind}/{repo:repo}/tag/{tag:piece}", summary="Delete a tag")
def delete_tag(tag: str, access: ApiWrite, state: State) -> JSONResponse:
    """The commit stays where a branch or another tag leads to it."""
    return _delete(state, access, f"{_TAGS}{tag.removeprefix(_TAGS)}", tag, "delete tag")


def _shown(found: list[RefRecord], prefix: str) -> list[dict[str, str]]:
    return [
        {"name": each.name.removeprefix(prefix), "ref": each.name, "targetCommit": each.commit}
        for each in found
        if each.name.startswith(prefix)
    ]


def _checked(prefix: str, name: str, what: str) -> str:
    """The full name of a ref to be made."""
    if name.startswith("refs/") or is_oid(name) or name in ("HEAD", ""):
        raise HubError(400, f"Invalid reference for a {what}: {name}")
    try:
        return check_ref(prefix + name)
    except MalformedPath as error:
        raise HubError(400, f"Invalid reference for a {what}: {error}") from None


def _check_free(session: Session, repository: Repository, ref: str) -> None:
    """Refuse a name that is taken, or that git could not keep beside another: ``a`` and ``a/b``."""
    if refs.ref_of(session, repository, ref) is not None:
        raise HubError(409, f"Reference {ref} already exists")
    pieces = ref.split("/")
    above = [refs.ref_of(session, repository, "/".join(pieces[:length])) for length in range(3, len(pieces))]
    near = next((each for each in above if each is not None), None) or next(
        iter(refs.refs_of(session, repository, ref + "/")), None
    )
    if near is not None:
        raise HubError(409, f"Reference {ref} cannot stand beside {near.name}: git takes one as a folder of the other")


def _make(state: HubState, access: ApiWrite, ref: str, target: str, commit: str, reason: str) -> None:
    try:
        with state.records.write() as session:
            _check_free(session, access.repository, ref)
            refs.move_ref(
                session,
                access.repository,
                ref,
                None,
                target,
                commit=commit,
                actor_id=access.principal.account_id,
                reason=reason,
            )
    except RefMoved:
        raise HubError(409, f"Reference {ref} already exists") from None


def _delete(state: HubState, access: ApiWrite, ref: str, shown: str, reason: str) -> JSONResponse:
    try:
        with state.records.write() as session:
            found = refs.ref_of(session, access.repository, ref)
            if found is None:
                raise revision_not_found(shown)
            actor = access.principal.account_id
            refs.move_ref(session, access.repository, ref, found.target, None, actor_id=actor, reason=reason)
    except RefMoved:
        raise HubError(409, f"Reference {ref} was moved by somebody else just now; look again") from None
    return JSONResponse({"success": True})
