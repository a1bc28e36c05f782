"""A user's webhooks: making and changing them, and what became of their messages. A secret is shown once."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import REFUSALS, Page, PageRoute, SignedInHere, told
from enfold.hub.records import webhooks as records
from enfold.hub.records.schema import Webhook, WebhookDelivery
from enfold.hub.server.errors import HubError
from enfold.hub.server.paths import KINDS
from enfold.hub.server.routes import webhooks

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_AT = "/settings/webhooks"
_DELIVERIES = 50
_ACCOUNTS = {"users": "user", "orgs": "org"}
_PLURALS = {type: kind for kind, type in (KINDS | _ACCOUNTS).items()}
_FORM = "Write one a line: models/ns/name, datasets/ns/name, spaces/ns/name, users/name or orgs/name."


@router.get(_AT)
def list_page(page: SignedInHere) -> Response:
    """The reader's webhooks, and the form for a new one."""
    return _list(page, {"url": "", "watched": f"users/{page.principal.name}"}, None)


@router.post(_AT)
def make(page: SignedInHere, form: Form) -> Response:
    """Make a webhook with a secret of the hub's choice, which is shown once."""
    given = {"url": text(form, "url", longest=2000), "watched": text(form, "watched", longest=50_000)}
    secret = secrets.token_urlsafe(24)
    try:
        made = webhooks.create(page.request, _wanted(form, secret), page.principal, page.state)
    except (*REFUSALS, ValidationError) as fault:
        return _list(page, given, told(fault))
    return _one(page, made["webhook"]["id"], None, secret=secret)


@router.get(_AT + "/{uid:piece}")
def show(page: SignedInHere, uid: str) -> Response:
    """One webhook, and its last messages."""
    return _one(page, uid, None)


@router.post(_AT + "/{uid:piece}")
def change(page: SignedInHere, form: Form, uid: str) -> Response:
    """Change it, give it another secret, switch it on or off, delete it: what the field ``do`` says."""
    what, caller, state = text(form, "do"), page.principal, page.state
    try:
        if what == "change":
            webhooks.change(uid, _wanted(form, None), caller, state)
        elif what == "secret":
            secret = secrets.token_urlsafe(24)
            webhooks.change(uid, webhooks.Wanted(secret=secret), caller, state)
            return _one(page, uid, None, secret=secret)
        elif what == "enable":
            webhooks.enable(uid, page.request, caller, state)
        elif what == "disable":
            webhooks.disable(uid, caller, state)
        elif what == "delete":
            webhooks.delete(uid, caller, state)
            return page.go(_AT, said="deleted")
        else:
            raise HubError(422, "The form does not say what to do.")
    except (*REFUSALS, ValidationError) as fault:
        if isinstance(fault, HubError) and fault.status_code == 404:
            raise
        return _one(page, uid, told(fault))
    return page.go(f"{_AT}/{uid}", said="saved")


def _wanted(form: FormData, secret: str | None) -> webhooks.Wanted:
    """The webhook that a form describes."""
    watched = []
    for line in text(form, "watched", longest=50_000).splitlines():
        kind, _, name = line.strip().partition("/")
        if not line.strip():
            continue
        if kind not in KINDS | _ACCOUNTS or not name:
            raise HubError(422, f"{line.strip()[:100]!r} names nothing. {_FORM}")
        watched.append({"type": (KINDS | _ACCOUNTS)[kind], "name": name})
    if not watched:
        raise HubError(422, f"Say what it is to watch. {_FORM}")
    domains = [name for name in ("repo", "discussion") if text(form, f"of-{name}") == "yes"]
    if not domains:
        raise HubError(422, "Choose what it is to be told.")
    given = {"url": text(form, "url", longest=2000), "watched": watched, "domains": domains}
    return webhooks.Wanted.model_validate(given if secret is None else {**given, "secret": secret})


def _list(page: Page, given: dict[str, str], fault: str | None) -> Response:
    with page.state.records.read() as session:
        found = records.webhooks_of(session, page.principal.account_id or 0)
    status = 200 if fault is None else 422
    return page.render("webhooks.html.j2", status=status, tab="webhooks", found=found, given=given, fault=fault)


def _one(page: Page, uid: str, fault: str | None, *, secret: str | None = None) -> Response:
    with page.state.records.read() as session:
        found = records.find_webhook(session, page.principal.account_id or 0, uid)
        if found is None:
            raise HubError(404, "There is nothing at this address, or you may not see it.")
        chosen = sa.select(WebhookDelivery).where(WebhookDelivery.webhook_id == found.id)
        deliveries = list(session.scalars(chosen.order_by(WebhookDelivery.id.desc()).limit(_DELIVERIES)))
    return page.render(
        "webhook.html.j2",
        status=200 if fault is None else 422,
        tab="webhooks",
        found=found,
        watched=_lines(found),
        deliveries=deliveries,
        secret=secret,
        fault=fault,
    )


def _lines(webhook: Webhook) -> str:
    return "\n".join(f"{_PLURALS[each['type']]}/{each['name']}" for each in webhook.watched)
