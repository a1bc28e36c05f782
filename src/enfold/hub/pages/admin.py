"""The pages of the hub's admins: users, invitations, the audit log."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends
from starlette.responses import Response

from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import REFUSALS, Page, PageRoute, SignedInHere, told
from enfold.hub.records import accounts, audit, sessions
from enfold.hub.records.invitations import make_link, open_links, take_back
from enfold.hub.records.schema import Account, AuditEntry, Repository, now
from enfold.hub.server.errors import HubError, forbidden

__all__ = ["AdminHere", "router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_PER_PAGE = 100


async def _admin(page: SignedInHere) -> Page:
    if not page.principal.is_admin:
        raise forbidden("Only admins of the hub may see this page.")
    return page


AdminHere = Annotated[Page, Depends(_admin)]
"""A page for admins of the hub; others are refused (403)."""


@router.get("/admin")
def users_page(page: AdminHere, q: str = "", after: str = "") -> Response:
    """The users of the hub."""
    return _users(page, q, after)


@router.post("/admin")
def change_user(page: AdminHere, form: Form) -> Response:
    """Suspend a user or let them in again, make or unmake an admin, or make a link for a password."""
    what, name = text(form, "do"), text(form, "user", longest=100)
    link = None
    try:
        with page.state.records.write() as session:
            user = accounts.user(session, name)
            if user.id == page.principal.account_id and what != "password":
                raise HubError(422, "Another admin has to do this to you.")
            if what == "suspend":
                user.suspended_at = now()
                sessions.end_all(session, user)
            elif what == "restore":
                user.suspended_at = None
            elif what in ("promote", "demote"):
                user.is_admin = what == "promote"
            elif what == "password":
                link = f"{page.base}/password?key={make_link(session, 'password', user=user)}"
            else:
                raise HubError(422, "The form does not say what to do.")
            audit.note(session, page.principal, f"user.{what}", user.name)
    except REFUSALS as fault:
        return _users(page, "", "", fault=told(fault))
    if link is not None:
        return _users(page, "", "", link=link, link_of=name)
    return page.go("/admin", said="saved")


@router.get("/admin/invitations")
def invitations_page(page: AdminHere) -> Response:
    """The invitations that are open."""
    return _invitations(page, None)


@router.post("/admin/invitations")
def invite(page: AdminHere, form: Form) -> Response:
    """Make an invitation, whose link is shown once, or take one back."""
    taken = text(form, "take_back")
    with page.state.records.write() as session:
        if taken:
            take_back(session, taken)
            audit.note(session, page.principal, "invitation.take-back", taken[:8])
            secret = None
        else:
            note = text(form, "note", longest=200)
            details = {"note": note, "admin": text(form, "admin") == "yes", "by": page.principal.name}
            secret = make_link(session, "invitation", details=details)
            audit.note(session, page.principal, "invitation.add", note, admin=details["admin"])
    if secret is None:
        return page.go("/admin/invitations", said="deleted")
    return _invitations(page, f"{page.base}/join?key={secret}")


@router.get("/admin/audit")
def audit_page(page: AdminHere, before: int | None = None, q: str = "") -> Response:
    """Who did what, the latest first."""
    chosen = sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(_PER_PAGE + 1)
    if before is not None:
        chosen = chosen.where(AuditEntry.id < before)
    if q:
        chosen = chosen.where(
            sa.or_(
                AuditEntry.actor == q,
                AuditEntry.subject.contains(q, autoescape=True),
                AuditEntry.action.startswith(q, autoescape=True),
            )
        )
    with page.state.records.read() as session:
        found = list(session.scalars(chosen))
    rows = found[:_PER_PAGE]
    return page.render(
        "audit.html.j2", tab="audit", rows=rows, q=q, before=rows[-1].id if len(found) > _PER_PAGE else None
    )


def _users(
    page: Page, q: str, after: str, *, link: str | None = None, link_of: str = "", fault: str | None = None
) -> Response:
    chosen = sa.select(Account).where(Account.kind == "user", Account.folded > after.lower())
    if q:
        chosen = chosen.where(
            sa.or_(Account.folded.contains(q.lower(), autoescape=True), Account.full_name.contains(q, autoescape=True))
        )
    with page.state.records.read() as session:
        found = list(session.scalars(chosen.order_by(Account.folded).limit(_PER_PAGE + 1)))
        counts = {
            "users": session.scalar(sa.select(sa.func.count()).where(Account.kind == "user")),
            "organisations": session.scalar(sa.select(sa.func.count()).where(Account.kind == "org")),
            "repositories": session.scalar(sa.select(sa.func.count(Repository.id))),
        }
    rows = found[:_PER_PAGE]
    return page.render(
        "admin.html.j2",
        status=200 if fault is None else 422,
        tab="users",
        rows=rows,
        q=q,
        counts=counts,
        after=rows[-1].folded if len(found) > _PER_PAGE else None,
        link=link,
        link_of=link_of,
        fault=fault,
    )


def _invitations(page: Page, link: str | None) -> Response:
    with page.state.records.read() as session:
        found = open_links(session, "invitation")
    return page.render("invitations.html.j2", tab="invitations", found=found, link=link)
