"""Where a user lets a program on another machine sign in: the code it shows, and yes or no."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import Here, Page, PageRoute, SignedInHere
from enfold.hub.records import audit, device_logins

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/login/device")
def device_page(page: Here, code: str = "") -> Response:
    """Ask for the code, or whether the device that shows it may sign in."""
    if page.principal.is_anonymous:
        return page.go(f"/login?next=/login/device%3Fcode%3D{_letters(code)}")
    return _shown(page, _letters(code), None)


@router.post("/login/device")
def device(page: SignedInHere, form: Form) -> Response:
    """Let the device in, or not."""
    code, said = _letters(text(form, "code", longest=40)), text(form, "answer")
    if said not in ("yes", "no"):
        return _shown(page, code, None)
    assert page.principal.account_id is not None, "who has signed in is a user"
    with page.state.records.write() as session:
        found = device_logins.waiting(session, code)
        if found is not None:
            device_logins.answer(found, page.principal.account_id, accepted=said == "yes")
            audit.note(session, page.principal, f"device.{found.status}", page.principal.name)
    if found is None:
        return _shown(page, "", "There is no such code, or it has expired.")
    done = "The device has been signed in; you can close this page." if said == "yes" else "The device was refused."
    return page.render("device.html.j2", code="", known=False, fault=None, done=done)


def _shown(page: Page, code: str, fault: str | None) -> Response:
    known = False
    if code:
        with page.state.records.read() as session:
            known = device_logins.waiting(session, code) is not None
        fault = fault or (None if known else "There is no such code, or it has expired.")
    return page.render(
        "device.html.j2", status=404 if fault else 200, code=code if known else "", known=known, fault=fault, done=None
    )


def _letters(code: str) -> str:
    return "".join(each for each in code.upper() if each.isascii() and (each.isalnum() or each == "-"))[:9]
