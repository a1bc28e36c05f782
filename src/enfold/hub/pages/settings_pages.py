"""A user's own settings: who they are, their password, their tokens."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from starlette.responses import Response

from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import REFUSALS, Page, PageRoute, SignedInHere, told
from enfold.hub.records import Grant, accounts, audit, passwords, sessions, tokens
from enfold.hub.records.schema import Account, now
from enfold.hub.server.errors import HubError

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_DAYS = (7, 30, 90, 365)
_RIGHTS = ("read", "write", "admin")


@router.get("/settings")
def settings_page(page: SignedInHere) -> Response:
    """Name, e-mail and password."""
    return _settings(page, None)


@router.post("/settings")
def settings(page: SignedInHere, form: Form) -> Response:
    """Change the profile or the password: what the field ``do`` says."""
    what = text(form, "do")
    try:
        if what == "profile":
            with page.state.records.write() as session:
                accounts.change_profile(
                    session.get_one(Account, page.principal.account_id),
                    full_name=text(form, "full_name", longest=100),
                    email=text(form, "email", longest=200),
                )
            return page.go("/settings", said="saved")
        if what == "password":
            _change_password(page, form)
            return page.go("/settings", said="password")
    except REFUSALS as fault:
        return _settings(page, told(fault))
    raise HubError(422, "The form does not say what to do.")


@router.get("/settings/tokens")
def tokens_page(page: SignedInHere) -> Response:
    """A user's tokens, and the form for a new one."""
    return _tokens(page, None, None)


@router.post("/settings/tokens")
def make_token(page: SignedInHere, form: Form) -> Response:
    """Make a token, which is shown once."""
    name, role, days = text(form, "name", longest=100), text(form, "role"), text(form, "days")
    try:
        if not name:
            raise HubError(422, "A token needs a name, such as that of the machine it is for.")
        if role not in ("read", "write", "fineGrained"):
            raise HubError(422, "Choose what the token may do.")
        grants = _grants(page, form) if role == "fineGrained" else []
        if role == "fineGrained" and not grants:
            raise HubError(422, "A fine-grained token needs at least one right.")
        until = now() + timedelta(days=int(days)) if days in map(str, _DAYS) else None
        with page.state.records.write() as session:
            owner = session.get_one(Account, page.principal.account_id)
            secret = tokens.create_token(session, owner, name, role=role, expires_at=until, grants=grants)  # type: ignore[arg-type]
            audit.note(session, page.principal, "token.add", f"{owner.name}/{name}", role=role)
    except REFUSALS as fault:
        return _tokens(page, None, told(fault))
    return _tokens(page, secret, None)


@router.post("/settings/tokens/revoke")
def revoke_token(page: SignedInHere, form: Form) -> Response:
    """Let a token open nothing any more."""
    name = text(form, "name", longest=200)
    with page.state.records.write() as session:
        owner = session.get_one(Account, page.principal.account_id)
        tokens.revoke_token(session, owner, name)
        audit.note(session, page.principal, "token.revoke", f"{owner.name}/{name}")
    return page.go("/settings/tokens", said="revoked")


def _change_password(page: Page, form: Form) -> None:
    old, new = form.get("old"), form.get("password")
    with page.state.records.read() as session:
        me = session.get_one(Account, page.principal.account_id)
    if me.password_hash is not None and not passwords.fits(me, old if isinstance(old, str) else ""):
        raise HubError(422, "The old password is wrong.")
    with page.state.records.write() as session:
        me = session.get_one(Account, page.principal.account_id)
        passwords.set_password(me, new if isinstance(new, str) else "")
        sessions.end_all(session, me, but=page.session)
        audit.note(session, page.principal, "user.password", me.name)


def _grants(page: Page, form: Form) -> list[Grant]:
    """The rights on accounts that a form gives; only on those its user has a role in."""
    found = []
    for account_id in page.principal.roles:
        right = text(form, f"grant-{account_id}")
        if right in _RIGHTS:
            found.append(Grant(right, account_id))  # type: ignore[arg-type]
    return found


def _settings(page: Page, fault: str | None) -> Response:
    with page.state.records.read() as session:
        me = session.get_one(Account, page.principal.account_id)
        organizations = accounts.organizations_of(session, me.id)
    status = 200 if fault is None else 422
    return page.render(
        "settings.html.j2", status=status, me=me, organizations=organizations, tab="profile", fault=fault
    )


def _tokens(page: Page, secret: str | None, fault: str | None) -> Response:
    with page.state.records.read() as session:
        me = session.get_one(Account, page.principal.account_id)
        found = [token for token in tokens.tokens_of(session, me) if token.revoked_at is None]
        owners = [me, *(each for each, _ in accounts.organizations_of(session, me.id))]
    status = 200 if fault is None else 422
    return page.render(
        "tokens.html.j2", status=status, tab="tokens", found=found[::-1], owners=owners, days=_DAYS, rights=_RIGHTS,
        secret=secret, now=now(), fault=fault,
    )  # fmt: skip
