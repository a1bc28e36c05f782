"""Users and organisations: what they are, who is in them, who follows them, what they keep here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from enfold.hub.records import Principal, accounts, likes
from enfold.hub.records.permissions import role_in
from enfold.hub.records.profiles import profile_of, repositories_of
from enfold.hub.records.schema import Account
from enfold.hub.server.access import Caller, SignedIn
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.cursors import cursor_after, read_cursor
from enfold.hub.server.errors import forbidden
from enfold.hub.server.origins import base_url
from enfold.hub.server.pagination import moment, next_page
from enfold.hub.server.people import avatar, shown_user
from enfold.hub.server.state import HubState, State

__all__ = ["router"]

router = APIRouter(tags=["people"], route_class=BoundedRoute)

_PAGE = 200
Cursor = Annotated[str | None, Query(max_length=100)]


@router.get("/api/users/{name:piece}/overview", summary="A user")
def user_overview(name: str, request: Request, caller: Caller, state: State) -> dict[str, Any]:
    """Repositories, likes and discussions are counted as far as the caller may read them."""
    base = base_url(request)
    with state.records.read() as session:
        user = accounts.user(session, name)
        profile = profile_of(session, caller, user)
        organizations = accounts.organizations_of(session, user.id)
    return {
        **shown_user(base, user),
        "_id": user.uid,
        "details": user.details.get("about"),
        "createdAt": moment(user.created_at),
        "numModels": profile.repositories.get("model", 0),
        "numDatasets": profile.repositories.get("dataset", 0),
        "numSpaces": profile.repositories.get("space", 0),
        "numDiscussions": profile.discussions,
        "numPapers": 0,
        "numUpvotes": 0,
        "numLikes": profile.likes,
        "numFollowing": profile.following,
        "numFollowers": profile.followers,
        "orgs": [
            {"name": each.name, "fullname": each.full_name, "avatarUrl": avatar(base, each)}
            for each, _ in organizations
        ],
    }


@router.get("/api/organizations/{name:piece}/overview", summary="An organisation")
def organization_overview(name: str, request: Request, caller: Caller, state: State) -> dict[str, Any]:
    """Repositories are counted as far as the caller may read them."""
    with state.records.read() as session:
        found = accounts.account(session, name, "org")
        profile = profile_of(session, caller, found)
    return {
        "_id": found.uid,
        "type": "org",
        "name": found.name,
        "fullname": found.full_name,
        "avatarUrl": avatar(base_url(request), found),
        "details": found.details.get("about"),
        "isVerified": False,
        "numUsers": profile.members,
        "numModels": profile.repositories.get("model", 0),
        "numDatasets": profile.repositories.get("dataset", 0),
        "numSpaces": profile.repositories.get("space", 0),
        "numFollowers": profile.followers,
        "numPapers": 0,
    }


@router.get("/api/organizations/{name:piece}/members", summary="Who is in an organisation")
def members(name: str, request: Request, state: State) -> list[dict[str, Any]]:
    """Users with their roles, by name."""
    base = base_url(request)
    with state.records.read() as session:
        found = accounts.account(session, name, "org")
        inside = accounts.members_of(session, found.id)
    return [{**shown_user(base, user), "role": role} for user, role in inside]


@router.get("/api/organizations/{name:piece}/followers", summary="Who follows an organisation, by page")
def organization_followers(
    name: str, request: Request, response: Response, state: State, cursor: Cursor = None
) -> list[dict[str, Any]]:
    """Users."""
    with state.records.read() as session:
        found = accounts.account(session, name, "org")
        people = likes.followers_of(session, found.id, after=read_cursor(cursor) or 0, limit=_PAGE + 1)
    return _page(request, response, people)


@router.get("/api/users/{name:piece}/followers", summary="Who follows a user, by page")
def user_followers(
    name: str, request: Request, response: Response, state: State, cursor: Cursor = None
) -> list[dict[str, Any]]:
    """Users."""
    with state.records.read() as session:
        found = accounts.user(session, name)
        people = likes.followers_of(session, found.id, after=read_cursor(cursor) or 0, limit=_PAGE + 1)
    return _page(request, response, people)


@router.get("/api/users/{name:piece}/following", summary="Whom a user follows, by page")
def following(
    name: str, request: Request, response: Response, state: State, cursor: Cursor = None
) -> list[dict[str, Any]]:
    """Users."""
    with state.records.read() as session:
        found = accounts.user(session, name)
        people = likes.followed_by(session, found.id, after=read_cursor(cursor) or 0, limit=_PAGE + 1)
    return _page(request, response, people)


@router.post("/api/users/{name:piece}/follow", summary="Follow a user")
@router.post("/api/organizations/{name:piece}/follow", summary="Follow an organisation")
def follow(name: str, request: Request, caller: SignedIn, state: State) -> dict[str, Any]:
    """Following again changes nothing."""
    with state.records.write() as session:
        likes.follow(session, _follower(caller), accounts.account(session, name, _kind(request)))
    return {"success": True}


@router.delete("/api/users/{name:piece}/follow", summary="Follow a user no longer")
@router.delete("/api/organizations/{name:piece}/follow", summary="Follow an organisation no longer")
def unfollow(name: str, request: Request, caller: SignedIn, state: State) -> dict[str, Any]:
    """Also when the caller did not."""
    with state.records.write() as session:
        likes.unfollow(session, _follower(caller), accounts.account(session, name, _kind(request)))
    return {"success": True}


@router.get("/api/settings/repositories", summary="The caller's own repositories and their size, by page")
def my_repositories(
    request: Request, response: Response, caller: SignedIn, state: State, cursor: Cursor = None
) -> list[dict[str, Any]]:
    """Those that the token may read."""
    if caller.account_id is None:
        raise forbidden("only users have repositories of their own")
    return _kept(request, response, state, caller, caller.account_id, cursor)


@router.get("/api/organizations/{name:piece}/settings/repositories", summary="An organisation's, by page")
def organization_repositories(
    name: str, request: Request, response: Response, caller: SignedIn, state: State, cursor: Cursor = None
) -> list[dict[str, Any]]:
    """For its members."""
    with state.records.read() as session:
        found = accounts.account(session, name, "org")
    if not caller.is_admin and role_in(caller, found.id) is None:
        raise forbidden(f"you are not a member of {found.name}")
    return _kept(request, response, state, caller, found.id, cursor)


def _kept(
    request: Request, response: Response, state: HubState, caller: Principal, account_id: int, cursor: str | None
) -> list[dict[str, Any]]:
    after = read_cursor(cursor) or 0
    with state.records.read() as session:
        found = repositories_of(session, caller, account_id, after=after, limit=_PAGE + 1)
    if len(found) > _PAGE:
        next_page(request, response, cursor_after(found[_PAGE - 1].id))
    return [
        {
            "id": each.full_name,
            "type": each.type,
            "updatedAt": moment(each.updated_at),
            "visibility": "private" if each.private else "public",
            "storage": each.used_storage,
        }
        for each in found[:_PAGE]
    ]


def _page(request: Request, response: Response, people: Sequence[Account]) -> list[dict[str, Any]]:
    if len(people) > _PAGE:
        next_page(request, response, cursor_after(people[_PAGE - 1].id))
    return [shown_user(base_url(request), each) for each in people[:_PAGE]]


def _follower(caller: Principal) -> int:
    if caller.account_id is None or not caller.may_write_anything:
        raise forbidden("this token may only read; make one with the right to write")
    return caller.account_id


def _kind(request: Request) -> str:
    path: str = request.scope["path"]
    return "user" if path.startswith("/api/users/") else "org"
