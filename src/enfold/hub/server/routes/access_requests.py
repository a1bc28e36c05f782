"""The gate of a repository: asking to be let in, and deciding who is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from enfold.hub.records import access_requests, accounts, audit
from enfold.hub.records.permissions import may
from enfold.hub.records.schema import AccessRequest, Account, Repository
from enfold.hub.server.access import Access, ApiAdmin, SignedIn, WebRead, check
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.cursors import cursor_after, read_cursor
from enfold.hub.server.errors import HubError, forbidden
from enfold.hub.server.origins import base_url
from enfold.hub.server.pagination import moment, next_page
from enfold.hub.server.people import avatar
from enfold.hub.server.state import State

__all__ = ["router"]

router = APIRouter(tags=["gates"], route_class=BoundedRoute)

_PAGE = 100
_MOST_FIELDS = 30
_LONGEST_FIELD = 1000
_AT = "/api/{kind:kind}/{repo:repo}/user-access-request"

Status = Literal["pending", "accepted", "rejected"]


class Decision(BaseModel):
    """Whose request, and what becomes of it."""

    model_config = ConfigDict(populate_by_name=True)

    status: Status
    user: str | None = None
    request_id: str | None = Field(None, alias="requestId")
    reason: str | None = Field(None, alias="rejectionReason", max_length=2000)


class Grant(BaseModel):
    """Who is to be let in."""

    user: str


async def _fields(request: Request) -> dict[str, str]:
    """What a user writes in the form of a gate, as JSON or as a form."""
    given: Any
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            given = await request.json()
        except (ValueError, RecursionError):
            raise HubError(400, "the body is not JSON") from None
        given = given if isinstance(given, dict) else {"": given}
    else:
        given = dict(await request.form(max_files=0, max_fields=_MOST_FIELDS))
    fields = {str(name): value for name, value in given.items() if name != "csrf"}
    if len(fields) > _MOST_FIELDS or not all(
        name and len(name) <= 100 and isinstance(value, str) and len(value) <= _LONGEST_FIELD
        for name, value in fields.items()
    ):
        raise HubError(422, f"a gate takes up to {_MOST_FIELDS} named texts of at most {_LONGEST_FIELD} characters")
    return fields


Fields = Annotated[dict[str, str], Depends(_fields)]


@router.post("/{place:place}/ask-access", summary="Ask to be let into a gated repository")
def ask(access: WebRead, caller: SignedIn, fields: Fields, state: State) -> dict[str, Any]:
    """Lets the caller in at once where the gate is automatic; else somebody decides."""
    repository = access.repository
    check(caller, "discuss", repository)
    _check_gated(repository)
    if caller.account_id is None or may(caller, "download", repository):
        raise HubError(400, f"you have access to {repository.full_name} already")
    with state.records.write() as session:
        mine = session.get_one(Repository, repository.id)
        found = access_requests.ask(session, mine, caller.account_id, fields)
    if found.status == "rejected":
        raise forbidden(f"your request for access to {repository.full_name} was rejected")
    return {"status": found.status}


@router.get(_AT + "/{status}", summary="Requests for access, by page")
def list_requests(
    status: Status,
    request: Request,
    response: Response,
    access: ApiAdmin,
    state: State,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> list[dict[str, Any]]:
    """Oldest first. The addresses of those who were let in without having asked are not shown."""
    _check_gated(access.repository)
    after = read_cursor(cursor) or 0
    with state.records.read() as session:
        found = access_requests.page_of(session, access.repository, status, after=after, limit=_PAGE + 1)
    if len(found) > _PAGE:
        next_page(request, response, cursor_after(found[_PAGE - 1][0].id))
    return [_shown(base_url(request), each, user) for each, user in found[:_PAGE]]


@router.post(_AT + "/handle", summary="Accept or reject a request, or take that back")
def handle(body: Decision, access: ApiAdmin, state: State) -> dict[str, Any]:
    """404 when the request has that status already."""
    repository = access.repository
    _check_gated(repository)
    if body.reason is not None and body.status != "rejected":
        raise HubError(400, "a reason can be given for a rejection alone")
    with state.records.write() as session:
        found = _request(session, access, body)
        if found.status == body.status:
            raise HubError(404, f"the request is {body.status} already")
        access_requests.handle(found, body.status, by_id=access.principal.account_id, reason=body.reason)
        user = session.get_one(Account, found.user_id)
        subject = f"{repository.type} {repository.full_name}"
        audit.note(session, access.principal, f"access.{body.status}", subject, user=user.name)
    return {"success": True}


@router.post(_AT + "/grant", summary="Let a user in who need not have asked")
def grant(body: Grant, access: ApiAdmin, state: State) -> dict[str, Any]:
    """400 when they have access already."""
    repository = access.repository
    _check_gated(repository)
    with state.records.write() as session:
        user = accounts.user(session, body.user)
        if not access_requests.grant(session, repository, user.id, by_id=access.principal.account_id):
            raise HubError(400, f"{user.name} has access to {repository.full_name} already")
        subject = f"{repository.type} {repository.full_name}"
        audit.note(session, access.principal, "access.grant", subject, user=user.name)
    return {"success": True}


def _request(session: Session, access: Access, body: Decision) -> AccessRequest:
    found = None
    if body.user is not None:
        found = access_requests.request_of(session, access.repository, accounts.user(session, body.user).id)
    elif body.request_id is not None:
        found = access_requests.request_with_uid(session, access.repository, body.request_id)
    else:
        raise HubError(400, "user or requestId is missing")
    if found is None:
        raise HubError(404, f"nobody like that has asked for access to {access.repository.full_name}")
    return found


def _check_gated(repository: Repository) -> None:
    if repository.gated is None:
        raise HubError(400, f"{repository.type} {repository.full_name} is not gated; change its settings first")


def _shown(base: str, found: AccessRequest, user: Account) -> dict[str, Any]:
    who = {"_id": user.uid, "user": user.name, "fullname": user.full_name, "avatarUrl": avatar(base, user)}
    if found.asked and user.email is not None:
        who["email"] = user.email
    shown: dict[str, Any] = {
        "requestId": found.uid,
        "status": found.status,
        "timestamp": moment(found.requested_at),
        "user": who,
    }
    if found.fields:
        shown["fields"] = found.fields
    if found.reason is not None:
        shown["rejectionReason"] = found.reason
    return shown
