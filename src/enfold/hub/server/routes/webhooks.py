"""Webhooks: addresses that are told what happens to the repositories and accounts they watch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints
from pydantic import Field as Bounded
from sqlalchemy.orm import Session
from starlette.requests import Request

from enfold.hub.records import Principal, webhooks
from enfold.hub.records.happenings import catch_up, mark
from enfold.hub.records.schema import Webhook
from enfold.hub.server.access import SignedIn
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.errors import HubError, forbidden
from enfold.hub.server.origins import base_url
from enfold.hub.server.outside import NotAllowed, check_address, check_literal
from enfold.hub.server.state import HubState, State

__all__ = ["router"]

router = APIRouter(tags=["webhooks"], route_class=BoundedRoute)

_MOST = 50
_AT = "/api/settings/webhooks"

Domain = Literal["repo", "discussion", "discussions"]


class Watched(BaseModel):
    """A repository, or all that belongs to a user or an organisation."""

    type: Literal["model", "dataset", "space", "user", "org"]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Wanted(BaseModel):
    """A webhook as it is to be; what is not given stays as it is."""

    url: Annotated[str, StringConstraints(max_length=2000)] | None = None
    watched: Annotated[list[Watched], Bounded(max_length=200)] | None = None
    domains: Annotated[list[Domain], Bounded(max_length=3)] | None = None
    secret: Annotated[str, StringConstraints(max_length=500, pattern=r"^[\x20-\x7e]*$")] | None = None


@router.get(_AT, summary="The caller's webhooks")
def list_webhooks(caller: SignedIn, state: State) -> list[dict[str, Any]]:
    """With their secrets: the token must be one that may write."""
    owner = _owner(caller)
    with state.records.read() as session:
        return [_shown(each) for each in webhooks.webhooks_of(session, owner)]


@router.post(_AT, summary="Make a webhook")
def create(request: Request, body: Wanted, caller: SignedIn, state: State) -> dict[str, Any]:
    """It is told what happens from now on, as far as the caller may see it."""
    owner = _owner(caller)
    if body.url is None:
        raise HubError(422, "url is missing")
    _check_url(state, body.url)
    if not body.watched:
        raise HubError(422, "watched is missing: name the repositories, users or organisations to hear of")
    with state.records.write() as session:
        if len(webhooks.webhooks_of(session, owner)) >= _MOST:
            raise HubError(400, f"a user has at most {_MOST} webhooks")
        _begin(session, request)
        made = webhooks.create_webhook(
            session,
            owner,
            body.url,
            watched=[each.model_dump() for each in body.watched],
            domains=list(body.domains or ["repo", "discussion"]),
            secret=body.secret or None,
        )
        return {"webhook": _shown(made)}


@router.get(_AT + "/{uid}", summary="A webhook")
def read(uid: str, caller: SignedIn, state: State) -> dict[str, Any]:
    """One of the caller's own."""
    with state.records.read() as session:
        return {"webhook": _shown(_found(session, caller, uid))}


@router.post(_AT + "/{uid}", summary="Change a webhook")
def change(uid: str, body: Wanted, caller: SignedIn, state: State) -> dict[str, Any]:
    """What is not given stays as it is."""
    if body.url is not None:
        _check_url(state, body.url)
    with state.records.write() as session:
        found = _found(session, caller, uid)
        if body.url is not None:
            found.url = body.url
        if body.watched is not None:
            found.watched = [each.model_dump() for each in body.watched]
        if body.domains is not None:
            found.domains = list(body.domains)
        if body.secret is not None:
            found.secret = body.secret or None
        return {"webhook": _shown(found)}


@router.post(_AT + "/{uid}/enable", summary="Switch a webhook on")
def enable(uid: str, request: Request, caller: SignedIn, state: State) -> dict[str, Any]:
    """Also when it was on."""
    with state.records.write() as session:
        found = _found(session, caller, uid)
        _begin(session, request)
        found.disabled = False
        return {"webhook": _shown(found)}


@router.post(_AT + "/{uid}/disable", summary="Switch a webhook off")
def disable(uid: str, caller: SignedIn, state: State) -> dict[str, Any]:
    """What happens meanwhile it is not told of."""
    with state.records.write() as session:
        found = _found(session, caller, uid)
        found.disabled = True
        return {"webhook": _shown(found)}


@router.delete(_AT + "/{uid}", summary="Delete a webhook")
def delete(uid: str, caller: SignedIn, state: State) -> dict[str, Any]:
    """Messages that wait for it go with it."""
    with state.records.write() as session:
        session.delete(_found(session, caller, uid))
    return {"success": True}


def _owner(caller: Principal) -> int:
    """A webhook hears of all that its owner may see, so only a token with all their rights handles it."""
    if caller.account_id is None or caller.scope != "write":
        raise forbidden("webhooks need a token of a user with the right to write everything that the user may write")
    return caller.account_id


def _found(session: Session, caller: Principal, uid: str) -> Webhook:
    found = webhooks.find_webhook(session, _owner(caller), uid)
    if found is None:
        raise HubError(404, f"you have no webhook {uid}")
    return found


def _begin(session: Session, request: Request) -> None:
    """Where links in messages lead; and when nobody was listening, what happened until now is told to nobody."""
    found = mark(session)
    found.value = {**found.value, "address": base_url(request)}
    if not webhooks.enabled(session):
        catch_up(session)


def _check_url(state: HubState, url: str) -> None:
    try:
        check_address(url)
        check_literal(url, state.settings.webhook_networks)
    except NotAllowed as error:
        raise HubError(400, f"url: {error}") from None


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.uid,
        "url": webhook.url,
        "watched": webhook.watched,
        "domains": webhook.domains,
        "secret": webhook.secret,
        "disabled": webhook.disabled,
    }
