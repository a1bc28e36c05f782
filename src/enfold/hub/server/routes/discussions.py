"""Discussions and pull requests: opening, reading, commenting, closing, merging."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session
from starlette.requests import Request

from enfold.hub.records import discussions
from enfold.hub.records.permissions import may
from enfold.hub.records.schema import Discussion, DiscussionEvent
from enfold.hub.server.access import Access, ApiDiscuss, ApiRead, ApiWrite
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.discussion_answers import shown_discussion, shown_event, shown_timeline
from enfold.hub.server.errors import HubError, forbidden
from enfold.hub.server.origins import base_url
from enfold.hub.server.paths import RepositoryAddress
from enfold.hub.server.pull_requests import (
    check_open_to_discussion,
    conflicts_of,
    diff_of,
    merge_pull_request,
    open_pull_request,
)
from enfold.hub.server.state import State

__all__ = ["router"]

router = APIRouter(tags=["discussions"], route_class=BoundedRoute)

_PAGE = 50
_AT = "/api/{kind:kind}/{repo:repo}/discussions"

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=65_536)]
Number = Annotated[int, Path(ge=1, lt=2**31, description="Number of the discussion or pull request")]
Uid = Annotated[str, Path(description="Id of the comment", max_length=64)]


class NewDiscussion(BaseModel):
    """A discussion, or a pull request at the head of ``main``, to be opened."""

    model_config = ConfigDict(populate_by_name=True)

    title: Title
    description: Text
    pull_request: bool = Field(False, alias="pullRequest")


class NewComment(BaseModel):
    """Something to say."""

    comment: Text


class NewText(BaseModel):
    """What a comment is to say from now on."""

    content: Text


class NewTitle(BaseModel):
    """Another title."""

    title: Title


class NewStatus(BaseModel):
    """Open or closed, and why."""

    status: Literal["open", "closed"]
    comment: Text | None = None


class Merge(BaseModel):
    """What to say of a merge."""

    comment: Text | None = None


@router.get(_AT, summary="Discussions and pull requests, by page")
def list_discussions(
    request: Request,
    access: ApiRead,
    state: State,
    p: Annotated[int, Query(ge=0, le=10**6, description="Page, from 0.")] = 0,
    type: Literal["all", "discussion", "pull_request"] = "all",
    status: Literal["all", "open", "closed"] = "all",
    author: str | None = None,
) -> dict[str, Any]:
    """Newest first, with the count of all of them; drafts count as open, merged ones as closed."""
    with state.records.read() as session:
        found, count = discussions.page_of(
            session,
            access.repository,
            pull_requests=None if type == "all" else type == "pull_request",
            open_ones=None if status == "all" else status == "open",
            author=author,
            start=p * _PAGE,
            limit=_PAGE,
        )
    base = base_url(request)
    shown = [shown_discussion(base, access.repository, each, writer) for each, writer in found]
    return {"discussions": shown, "count": count, "start": p * _PAGE}


@router.post(_AT, summary="Open a discussion or a pull request")
def open_one(request: Request, body: NewDiscussion, access: ApiDiscuss, state: State) -> dict[str, Any]:
    """A pull request opened here is a draft without changes; they are pushed to ``refs/pr/N``."""
    repository, principal = access.repository, access.principal
    check_open_to_discussion(repository)
    if body.pull_request:
        number = open_pull_request(state, repository, principal, title=body.title, description=body.description).number
    else:
        with state.records.write() as session:
            number = discussions.open_discussion(
                session, repository, principal.account_id, body.title, body.description
            ).number
    place = RepositoryAddress(repository.type, repository.full_name).place  # type: ignore[arg-type]
    url = f"{base_url(request)}/{place}/discussions/{number}"
    return {"num": number, "url": url, "pullRequest": body.pull_request}


@router.get(_AT + "/{number}", summary="A discussion or pull request with all that was said")
def details(request: Request, number: Number, access: ApiRead, state: State, diff: bool = False) -> dict[str, Any]:
    """With ``diff=1`` a pull request's changes too, for those who may get its files."""
    repository, base = access.repository, base_url(request)
    store = state.objects(repository)
    with state.records.read() as session:
        found = _found(session, access, number)
        shown = shown_timeline(base, session, store, repository, found)
        if found.is_pull_request:
            sees_files = may(access.principal, "download", repository)
            paths = conflicts_of(store, session, repository, found) if sees_files else []
            shown["filesWithConflicts"] = paths or False
            if diff and sees_files:
                shown["diff"] = diff_of(state, session, repository, found, access.principal)
    return shown


@router.post(_AT + "/{number}/comment", summary="Say something")
def comment(request: Request, number: Number, body: NewComment, access: ApiDiscuss, state: State) -> dict[str, Any]:
    """Answers the new comment."""
    check_open_to_discussion(access.repository)
    with state.records.write() as session:
        found = _found(session, access, number)
        event = discussions.comment(session, found, access.principal.account_id, body.comment)
        return {"newMessage": shown_event(base_url(request), session, event)}


@router.post(_AT + "/{number}/comment/{uid}/edit", summary="Change what a comment says")
def edit_comment(
    request: Request, number: Number, uid: Uid, body: NewText, access: ApiDiscuss, state: State
) -> dict[str, Any]:
    """By its author alone; the earlier texts are kept."""
    with state.records.write() as session:
        found = _found(session, access, number)
        event = _comment(session, found, uid)
        if event.author_id is None or event.author_id != access.principal.account_id:
            raise forbidden("only its author may change what a comment says")
        if event.data.get("hidden"):
            raise HubError(409, "the comment is hidden and cannot be changed any more")
        discussions.edit(session, found, event, access.principal.account_id, body.content)
        return {"updatedComment": shown_event(base_url(request), session, event)}


@router.post(_AT + "/{number}/comment/{uid}/hide", summary="Hide a comment for good")
def hide_comment(request: Request, number: Number, uid: Uid, access: ApiDiscuss, state: State) -> dict[str, Any]:
    """By its author, or by those who may write to the repository; its text is not kept."""
    with state.records.write() as session:
        found = _found(session, access, number)
        event = _comment(session, found, uid)
        _check_theirs(access, event.author_id, "hide this comment")
        discussions.hide(session, found, event)
        return {"updatedComment": shown_event(base_url(request), session, event)}


@router.post(_AT + "/{number}/title", summary="Give it another title")
def change_title(request: Request, number: Number, body: NewTitle, access: ApiDiscuss, state: State) -> dict[str, Any]:
    """By its author, or by those who may write to the repository."""
    with state.records.write() as session:
        found = _found(session, access, number)
        _check_theirs(access, found.author_id, "rename this discussion")
        event = discussions.rename(session, found, access.principal.account_id, body.title)
        return {"newTitle": shown_event(base_url(request), session, event)}


@router.post(_AT + "/{number}/status", summary="Open or close it")
def change_status(
    request: Request, number: Number, body: NewStatus, access: ApiDiscuss, state: State
) -> dict[str, Any]:
    """By its author, or by those who may write to the repository. Opening a draft makes it ready to be merged."""
    with state.records.write() as session:
        found = _found(session, access, number, for_update=True)
        _check_theirs(access, found.author_id, f"{'close' if body.status == 'closed' else 'open'} this discussion")
        if found.status == "merged":
            raise HubError(409, f"pull request {number} was merged; its status cannot change any more")
        if found.status == body.status:
            raise HubError(409, f"it is {found.status} already")
        if body.comment:
            discussions.comment(session, found, access.principal.account_id, body.comment)
        event = discussions.set_status(session, found, access.principal.account_id, body.status)
        return {"newStatus": shown_event(base_url(request), session, event)}


@router.post(_AT + "/{number}/merge", summary="Merge a pull request")
def merge(number: Number, access: ApiWrite, state: State, body: Merge | None = None) -> dict[str, Any]:
    """Into the branch it was opened for; 409 names the files in conflict."""
    commit = merge_pull_request(
        state, access.repository, access.principal, number, None if body is None else body.comment
    )
    return {"status": "merged", "mergeCommitId": commit}


def _found(session: Session, access: Access, number: int, *, for_update: bool = False) -> Discussion:
    found = discussions.find_discussion(session, access.repository, number, for_update=for_update)
    if found is None:
        raise HubError(404, f"{access.repository.full_name} has no discussion {number}")
    return found


def _comment(session: Session, found: Discussion, uid: str) -> DiscussionEvent:
    event = discussions.event_of(session, found, uid.lower())
    if event is None:
        raise HubError(404, f"discussion {found.number} has no comment {uid}")
    return event


def _check_theirs(access: Access, author_id: int | None, what: str) -> None:
    """What authors may do to what is theirs, and those who may write to the repository to all of it."""
    is_author = author_id is not None and author_id == access.principal.account_id
    if not is_author and not may(access.principal, "write", access.repository):
        raise forbidden(f"only its author and those who may write to {access.repository.full_name} may {what}")
