"""Likes: giving one, taking it back, who likes a repository, what a user likes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from enfold.hub.records import accounts, likes
from enfold.hub.server.access import Access, ApiDiscuss, ApiRead, Caller
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.cursors import cursor_after, read_cursor
from enfold.hub.server.errors import forbidden
from enfold.hub.server.origins import base_url
from enfold.hub.server.pagination import moment, next_page
from enfold.hub.server.people import shown_user
from enfold.hub.server.state import State

__all__ = ["router"]

router = APIRouter(tags=["likes"], route_class=BoundedRoute)

_PAGE = 200
Cursor = Annotated[str | None, Query(max_length=100)]


@router.post("/api/{kind:kind}/{repo:repo}/like", summary="Like a repository")
def like(access: ApiDiscuss, state: State) -> dict[str, Any]:
    """Liking it again changes nothing."""
    with state.records.write() as session:
        likes.like(session, access.repository, _user(access))
    return {"success": True}


@router.delete("/api/{kind:kind}/{repo:repo}/like", summary="Take a like back")
def unlike(access: ApiDiscuss, state: State) -> dict[str, Any]:
    """Also when there was none."""
    with state.records.write() as session:
        likes.unlike(session, access.repository, _user(access))
    return {"success": True}


@router.get("/api/{kind:kind}/{repo:repo}/likers", summary="Who likes a repository, by page")
def likers(
    request: Request, response: Response, access: ApiRead, state: State, cursor: Cursor = None
) -> list[dict[str, Any]]:
    """Users with their names and pictures."""
    with state.records.read() as session:
        found = likes.likers_of(session, access.repository, after=read_cursor(cursor) or 0, limit=_PAGE + 1)
    if len(found) > _PAGE:
        next_page(request, response, cursor_after(found[_PAGE - 1].id))
    return [shown_user(base_url(request), each) for each in found[:_PAGE]]


@router.get("/api/users/{user:piece}/likes", summary="What a user likes, by page")
def likes_of(
    user: str, request: Request, response: Response, caller: Caller, state: State, cursor: Cursor = None
) -> list[dict[str, Any]]:
    """Only repositories that the caller may read."""
    with state.records.read() as session:
        owner = accounts.user(session, user)
        found = likes.likes_of(session, owner.id, caller, after=read_cursor(cursor) or 0, limit=_PAGE + 1)
    if len(found) > _PAGE:
        next_page(request, response, cursor_after(found[_PAGE - 1][1].id))
    return [
        {"createdAt": moment(liked.created_at), "repo": {"name": each.full_name, "type": each.type}}
        for liked, each in found[:_PAGE]
    ]


def _user(access: Access) -> int:
    if access.principal.account_id is None:
        raise forbidden("only users like things")
    return access.principal.account_id
