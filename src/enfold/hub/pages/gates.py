"""The gate of a repository: asking to be let in, and for those who administer it who asked and who was let in."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import Response

from enfold.hub.pages.browsing import open_repository
from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import REFUSALS, Page, PageRoute, SignedInHere, told
from enfold.hub.records import access_requests
from enfold.hub.server.access import Access
from enfold.hub.server.errors import HubError
from enfold.hub.server.routes import access_requests as gate

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_PER_PAGE = 100
_STATUSES: tuple[access_requests.Status, ...] = ("pending", "accepted", "rejected")


@router.get("/{place:place}/access")
def ask_page(page: SignedInHere, place: str) -> Response:
    """What became of the reader's request, or the form for one."""
    return _ask(page, place, None)


@router.post("/{place:place}/access")
def ask(page: SignedInHere, form: Form, place: str) -> Response:
    """Ask to be let in."""
    opened = open_repository(page, place, "discuss")
    words = text(form, "words")
    try:
        gate.ask(
            Access(opened.repository, page.principal), page.principal, {"message": words} if words else {}, page.state
        )
    except REFUSALS as fault:
        return _ask(page, place, told(fault))
    return page.go(f"/{opened.place}/access")


@router.get("/{place:place}/settings/access")
def requests_page(page: SignedInHere, place: str, status: str = "pending", after: int = 0) -> Response:
    """Who asked, by what was decided."""
    return _requests(page, place, status, after, None)


@router.post("/{place:place}/settings/access")
def decide(page: SignedInHere, form: Form, place: str) -> Response:
    """Accept or reject a request, take that back, or let somebody in who did not ask: what the field ``do`` says."""
    opened = open_repository(page, place, "admin")
    access, what = Access(opened.repository, page.principal), text(form, "do")
    try:
        if what == "grant":
            gate.grant(gate.Grant(user=text(form, "user", longest=100)), access, page.state)
        else:
            reason = text(form, "reason") or None
            given = {"status": what, "requestId": text(form, "request"), "rejectionReason": reason}
            gate.handle(gate.Decision.model_validate(given), access, page.state)
    except (*REFUSALS, ValidationError) as fault:
        return _requests(page, place, "pending", 0, told(fault))
    return page.go(f"/{opened.place}/settings/access", said="saved")


def _ask(page: Page, place: str, fault: str | None) -> Response:
    opened = open_repository(page, place)
    found = None
    if page.principal.account_id is not None:
        with page.state.records.read() as session:
            found = access_requests.request_of(session, opened.repository, page.principal.account_id)
    status = 200 if fault is None else 422
    return page.render("ask_access.html.j2", status=status, opened=opened, tab="card", found=found, fault=fault)


def _requests(page: Page, place: str, status: str, after: int, fault: str | None) -> Response:
    opened = open_repository(page, place, "admin")
    if status not in _STATUSES:
        raise HubError(404, "There is no such list.")
    with page.state.records.read() as session:
        found = access_requests.page_of(session, opened.repository, status, after=max(after, 0), limit=_PER_PAGE + 1)  # type: ignore[arg-type]
    rows = found[:_PER_PAGE]
    return page.render(
        "access_requests.html.j2",
        status=200 if fault is None else 422,
        opened=opened,
        tab="settings",
        chosen=status,
        statuses=_STATUSES,
        rows=rows,
        after=rows[-1][0].id if len(found) > _PER_PAGE else None,
        fault=fault,
    )
