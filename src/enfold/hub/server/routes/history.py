"""History: commits of a branch or a path, what differs between two revisions, squashing and reverting."""

from __future__ import annotations

import html
from collections.abc import Collection
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from enfold.hub.records import refs
from enfold.hub.records.schema import Repository
from enfold.hub.server.access import Access, ApiDownload, ApiRead, ApiWrite
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.commits import Message
from enfold.hub.server.errors import HubError, entry_not_found
from enfold.hub.server.pagination import moment, next_page
from enfold.hub.server.pull_requests import check_may_push
from enfold.hub.server.revisions import branch_ref, resolve
from enfold.hub.server.rewriting import revert, squash
from enfold.hub.server.safety import hidden_between
from enfold.hub.server.sending import INERT
from enfold.hub.server.state import HubState, State
from enfold.hub.server.tree_cursors import read_cursor, write_cursor
from enfold.hub.server.tree_items import facts_of
from enfold.hub.store import MissingObject, ObjectStore
from enfold.hub.store.commits import log, merge_bases
from enfold.hub.store.git_objects import SUBMODULE, TreeEntry
from enfold.hub.store.patches import file_patch, patches
from enfold.hub.store.trees import Change, diff

__all__ = ["router"]

router = APIRouter(tags=["history"], route_class=BoundedRoute)

_PAGE = 100
_LONGEST_PATCH = 200_000
_LONGEST_PATCHES = 2_000_000
_NO_COMMIT = "0" * 40
_STATUS = {"A": "added", "D": "deleted", "M": "modified", "T": "changed type"}

Limit = Annotated[int, Query(ge=1, le=1000, description="Size of a page.")]
Cursor = Annotated[str | None, Query(max_length=1000)]
Expand = Annotated[list[str] | None, Query(alias="expand[]", description="`formatted` adds title and text as HTML.")]


class NewHistory(BaseModel):
    """What the only commit of a branch is to say."""

    message: str | None = Field(None, max_length=100_000)


class Undoing(BaseModel):
    """A commit to be undone."""

    model_config = ConfigDict(populate_by_name=True)

    commit: str = Field(description="A revision in the history of the branch.")
    summary: str | None = Field(None, max_length=10_000)
    description: str = Field("", max_length=100_000)
    parent_commit: str | None = Field(None, alias="parentCommit", pattern="^[0-9a-fA-F]{5,40}$")


@router.get("/api/{kind:kind}/{repo:repo}/commits/{revision:piece}", summary="Commits, newest first")
def commits_of(
    revision: str,
    request: Request,
    response: Response,
    access: ApiRead,
    state: State,
    expand: Expand = None,
    limit: Limit = _PAGE,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Those that lead to a revision; `Link` names the next page."""
    store = state.objects(access.repository)
    tip, after = _place(state, access, revision, cursor)
    try:
        found = list(log(store, tip, limit=limit + 1, after=after))
    except MissingObject:
        raise HubError(400, "cursor is wrong: take the address of the next page from the Link header") from None
    return _commits(request, response, store, tip, found, limit, expand)


@router.get("/api/{kind:kind}/{repo:repo}/commits/{revision:piece}/{path:pieces}", summary="Commits of a path")
def commits_of_path(
    revision: str,
    path: str,
    request: Request,
    response: Response,
    access: ApiRead,
    state: State,
    expand: Expand = None,
    limit: Limit = _PAGE,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Those that changed a file or a folder, newest first, as `git log -- path` lists them."""
    store = state.objects(access.repository)
    tip, after = _place(state, access, revision, cursor)
    where = path.strip("/").encode("utf-8", "surrogateescape")
    if not where:
        return commits_of(revision, request, response, access, state, expand, limit, cursor)
    history = state.changed_paths(access.repository).history(where, tip, after=after)
    found = list(islice(history, limit + 1))
    if not found and after is None:
        raise entry_not_found(tip)
    return _commits(request, response, store, tip, found, limit, expand)


@router.get("/api/{kind:kind}/{repo:repo}/compare/{revisions:piece}", summary="What differs between revisions")
def compare(
    revisions: str,
    request: Request,
    response: Response,
    access: ApiDownload,
    state: State,
    raw: Annotated[bool, Query(description="All of it as text that `git apply` takes.")] = False,
    limit: Limit = _PAGE,
    cursor: Cursor = None,
) -> Any:
    """`base..head`, or `base...head` from where they parted, or one revision against its first parent.

    A file each, with the patch where it is a text and not too long; `Link` names the next page.
    """
    store = state.objects(access.repository)
    start = 0
    with state.records.read() as session:
        if cursor is None:
            base, head = _ends(state, session, access.repository, revisions)
        else:
            head, rest = read_cursor(cursor)
            base, start = rest[:20].hex().ljust(40, "0"), int.from_bytes(rest[20:], "big")
            for commit in (base, head):
                if commit != _NO_COMMIT:
                    resolve(state, session, access.repository, commit)
    trees = [None if commit == _NO_COMMIT else store.commit(commit).tree for commit in (base, head)]
    response.headers["X-Repo-Commit"] = head
    hidden = hidden_between(state, access.principal, access.repository, *trees)
    if raw:
        text = (patch.text for patch in patches(store, *trees, hidden=hidden))
        headers = {**INERT, "X-Repo-Commit": head}
        return StreamingResponse(text, headers=headers, media_type="text/plain; charset=utf-8")
    changes = list(islice(diff(store, *trees), start, start + limit + 1))
    if len(changes) > limit:
        behind = bytes.fromhex(base) + (start + limit).to_bytes(6, "big")
        next_page(request, response, write_cursor(head, behind))
    return _described(store, changes[:limit], hidden)


@router.post("/api/{kind:kind}/{repo:repo}/super-squash/{branch:piece}", summary="Make a branch one commit")
def super_squash(branch: str, body: NewHistory, access: ApiWrite, state: State) -> JSONResponse:
    """With the files of its head; its history is lost."""
    ref = _own_ref(state, access, branch)
    title, _, description = (body.message or f"Super-squash branch '{branch}'").strip().partition("\n")
    landed = squash(state, access.repository, ref, Message(title, description.strip("\n")), access.principal)
    return JSONResponse({"success": True, "commitOid": landed.commit})


@router.post("/api/{kind:kind}/{repo:repo}/revert/{branch:piece}", summary="Undo a commit")
def undo(branch: str, body: Undoing, access: ApiWrite, state: State) -> JSONResponse:
    """With a new commit. 409 where what it changed was changed again since."""
    ref = _own_ref(state, access, branch)
    with state.records.read() as session:
        commit = resolve(state, session, access.repository, body.commit).commit
    message = Message(body.summary, body.description) if body.summary else None
    landed = revert(state, access.repository, ref, commit, access.principal, message=message, parent=body.parent_commit)
    return JSONResponse({"success": True, "commitOid": landed.commit})


def _own_ref(state: HubState, access: Access, branch: str) -> str:
    """The ref to be rewritten: a branch, or a pull request that the caller may push to."""
    ref = branch_ref(branch)
    if ref.startswith("refs/pr/"):
        with state.records.read() as session:
            check_may_push(session, access.principal, access.repository, ref)
    return ref


def _place(state: HubState, access: Access, revision: str, cursor: str | None) -> tuple[str, str | None]:
    """The commit that a list begins at, and the one that the page before ended with."""
    tip, after = read_cursor(cursor) if cursor else (revision, None)
    with state.records.read() as session:
        return resolve(state, session, access.repository, tip).commit, after.hex() if after else None


def _commits(
    request: Request,
    response: Response,
    store: ObjectStore,
    tip: str,
    found: list[str],
    limit: int,
    expand: list[str] | None,
) -> list[dict[str, Any]]:
    if len(found) > limit:
        next_page(request, response, write_cursor(tip, bytes.fromhex(found[limit - 1])))
    return [_commit(store, oid, "formatted" in (expand or [])) for oid in found[:limit]]


def _commit(store: ObjectStore, oid: str, formatted: bool) -> dict[str, Any]:
    made = store.commit(oid)
    item: dict[str, Any] = {
        "id": oid,
        "title": made.title,
        "message": made.body,
        "authors": [{"user": made.author.name}],
        "date": moment(made.committer.time),
        "parents": list(made.parents),
    }
    if formatted:
        lines = html.escape(made.body).replace("\n", "<br>")
        item["formatted"] = {"title": html.escape(made.title), "message": lines}
    return item


def _ends(state: HubState, session: Session, repository: Repository, revisions: str) -> tuple[str, str]:
    """The two commits to compare, the older one first; zeros stand for nothing."""
    store = state.objects(repository)
    dots = "..." if "..." in revisions else ".."
    base, found, head = revisions.partition(dots)
    if not found:
        commit = resolve(state, session, repository, revisions).commit
        return next(iter(store.parents(commit)), _NO_COMMIT), commit
    old, new = (resolve(state, session, repository, each or refs.MAIN).commit for each in (base, head))
    if dots == "...":
        old = next(iter(merge_bases(store, old, new)), _NO_COMMIT)
    return old, new


def _described(store: ObjectStore, changes: list[Change], hidden: Collection[str]) -> list[dict[str, Any]]:
    found = []
    left = _LONGEST_PATCHES
    for change in changes:
        item: dict[str, Any] = {
            "path": change.path.decode("utf-8", "replace"),
            "status": _STATUS[change.status],
            "old": _side(store, change.old),
            "new": _side(store, change.new),
        }
        if left > 0:
            patch = file_patch(store, change, largest=_LONGEST_PATCH, hidden=hidden)
            left -= len(patch.text)
            item["additions"], item["deletions"] = patch.added, patch.removed
            item["patch"] = patch.text.decode("utf-8", "replace") if patch.shown else None
        found.append(item)
    return found


def _side(store: ObjectStore, entry: TreeEntry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    item: dict[str, Any] = {"oid": entry.oid, "mode": f"{entry.mode:06o}"}
    if entry.mode != SUBMODULE:
        item["size"], lfs = facts_of(store, entry.oid)
        if lfs is not None:
            item["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
    return item
