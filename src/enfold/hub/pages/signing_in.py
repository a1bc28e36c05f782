"""Signing in and out, the first admin, passwords by a one-time link, and joining by an invitation.

The secret of a link stands in the query of its address, which no log of the hub keeps.
"""

from __future__ import annotations

import ipaddress
import time
from datetime import datetime
from threading import Lock

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from enfold.errors import InputError
from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import Here, Page, PageRoute, safe_path
from enfold.hub.records import Principal, TokenFault, accounts, audit, passwords, sessions
from enfold.hub.records.errors import NotKnown, RecordsError
from enfold.hub.records.invitations import Purpose, find_link, use_link
from enfold.hub.records.schema import Account
from enfold.hub.records.tokens import find_token
from enfold.hub.server.errors import HubError

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_FAULTS = (InputError, RecordsError)
_TRIES = 10
_TRIES_SECONDS = 900.0


class _Failures:
    """How often signing in failed lately, by name and by address; each worker counts its own."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}
        self._lock = Lock()

    def check(self, *keys: str) -> None:
        moment = time.monotonic()
        with self._lock:
            for key in keys:
                times = [each for each in self._times.pop(key, []) if moment - each < _TRIES_SECONDS]
                if times:
                    self._times[key] = times
                if len(times) >= _TRIES:
                    wait = str(int(_TRIES_SECONDS - (moment - times[0])) + 1)
                    raise HubError(
                        429, f"Signing in failed too often. Try again in {wait} seconds.", headers={"Retry-After": wait}
                    )

    def note(self, *keys: str) -> None:
        moment = time.monotonic()
        with self._lock:
            for key in keys:
                self._times.setdefault(key, []).append(moment)
            while len(self._times) > 10_000:
                del self._times[next(iter(self._times))]


_failures = _Failures()


@router.get("/login")
def login_page(page: Here, next: str = "/") -> Response:
    """The form to sign in with."""
    if not page.principal.is_anonymous:
        return page.go(safe_path(next))
    return page.render("login.html.j2", next=safe_path(next), name="", fault=None)


@router.post("/login")
def login(page: Here, form: Form) -> Response:
    """Sign in, by name and password or by a token that may write."""
    name, secret = text(form, "name", longest=200), text(form, "token", longest=600)
    password = form.get("password")
    then = safe_path(text(form, "next") or "/")
    keys = [f"address {_address(page.request)}", *([f"name {name.lower()}"] if name and not secret else [])]
    _failures.check(*keys)
    try:
        if secret:
            _sign_in_by_token(page, secret)
        else:
            _sign_in_by_password(page, name, password if isinstance(password, str) else "")
    except (TokenFault, NotKnown) as fault:
        _failures.note(*keys)
        return page.render("login.html.j2", status=403, next=then, name=name, fault=str(fault))
    return page.go(then)


@router.post("/logout")
def logout(page: Here, form: Form) -> Response:
    """Sign this browser out."""
    if page.session is not None:
        with page.state.records.write() as session:
            sessions.end(session, page.session)
    page.keep("session", "", None)
    return page.go("/", said="signed-out")


@router.get("/setup")
def setup_page(page: Here, key: str = "") -> Response:
    """The form that makes the first admin."""
    _check_local(page.request)
    _link(page, "setup", key)
    return page.render("join.html.j2", purpose="setup", name="", full_name="", email="", fault=None)


@router.post("/setup")
def setup(page: Here, form: Form, key: str = "") -> Response:
    """Make the first admin, and sign them in."""
    _check_local(page.request)
    return _join(page, form, "setup", key)


@router.get("/join")
def join_page(page: Here, key: str = "") -> Response:
    """The form for somebody who was invited."""
    _link(page, "invitation", key)
    return page.render("join.html.j2", purpose="invitation", name="", full_name="", email="", fault=None)


@router.post("/join")
def join(page: Here, form: Form, key: str = "") -> Response:
    """Make the user who was invited, and sign them in."""
    return _join(page, form, "invitation", key)


@router.get("/password")
def password_page(page: Here, key: str = "") -> Response:
    """The form for a new password."""
    return page.render("password.html.j2", name=_link(page, "password", key), fault=None)


@router.post("/password")
def password(page: Here, form: Form, key: str = "") -> Response:
    """Set the password, end all other sessions, and sign in."""
    name = _link(page, "password", key)
    try:
        with page.state.records.write() as session:
            link = use_link(session, "password", key)
            if link is None or link.user_id is None:
                raise _used_up()
            user = session.get_one(Account, link.user_id)
            passwords.set_password(user, _new_password(form))
            sessions.end_all(session, user)
            audit.note(session, Principal.job("one-time link"), "user.password", user.name)
            _begin(page, session, user)
    except _FAULTS as fault:
        return page.render("password.html.j2", status=422, name=name, fault=str(fault))
    return page.go("/")


def _join(page: Page, form: Form, purpose: Purpose, secret: str) -> Response:
    _link(page, purpose, secret)
    name, full_name, email = text(form, "name"), text(form, "full_name"), text(form, "email")
    try:
        with page.state.records.write() as session:
            link = use_link(session, purpose, secret)
            if link is None:
                raise _used_up()
            user = accounts.create_user(
                session,
                name,
                full_name=full_name or None,
                email=email or None,
                is_admin=purpose == "setup" or bool(link.details.get("admin")),
                taken_by_routes=page.state.taken_by_routes,
            )
            passwords.set_password(user, _new_password(form))
            for organization in link.details.get("organizations", []):
                accounts.add_member(session, accounts.account(session, organization, "org"), user)
            audit.note(session, Principal.job(f"{purpose} link"), "user.add", user.name, admin=user.is_admin)
            _begin(page, session, user)
    except _FAULTS as fault:
        return page.render(
            "join.html.j2",
            status=422,
            purpose=purpose,
            name=name,
            full_name=full_name,
            email=email,
            fault=str(fault),
        )
    return page.go("/")


def _sign_in_by_token(page: Page, secret: str) -> None:
    with page.state.records.write() as session:
        token, user = find_token(session, secret)
        if token.role != "write":  # a session may do all that its user may
            raise TokenFault("This token may not do everything, so it cannot sign you in; use one of the role write.")
        _begin(page, session, user, token.expires_at)


def _sign_in_by_password(page: Page, name: str, password: str) -> None:
    with page.state.records.read() as session:
        user = accounts.find_account(session, name)
    if not passwords.fits(user, password) or user is None or user.suspended_at is not None:
        raise NotKnown("The name or the password is wrong.")
    with page.state.records.write() as session:
        _begin(page, session, session.get_one(Account, user.id))


def _begin(page: Page, session: Session, user: Account, until: datetime | None = None) -> None:
    """A new session, never one that was there before somebody signed in."""
    if page.session is not None:
        sessions.end(session, page.session)
    page.keep("session", sessions.begin(session, user, until=until), int(sessions.LIFETIME.total_seconds()))


def _link(page: Page, purpose: Purpose, secret: str) -> str:
    """The name of the user whose link it is, if it is good still."""
    with page.state.records.read() as session:
        link = find_link(session, purpose, secret)
        if link is None:
            raise _used_up()
        user = None if link.user_id is None else session.get(Account, link.user_id)
    return "" if user is None else user.name


def _used_up() -> HubError:
    return HubError(404, "This link was used already, or it is too old. Ask for a new one.")


def _new_password(form: Form) -> str:
    given = form.get("password")
    return given if isinstance(given, str) else ""


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _check_local(request: Request) -> None:
    """The first admin is made on the machine itself."""
    try:
        address = ipaddress.ip_address(_address(request))
        local = (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        local = False
    if not local:
        raise HubError(
            403, "The set-up link works on the machine of the hub alone; there, `enfold hub user add` makes users too."
        )
