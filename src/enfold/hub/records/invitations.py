"""Links that work once: to set up the first admin, to set a password, to join the hub. Kept as digests."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.schema import Account, OneTimeLink, now
from enfold.hub.records.tokens import digest_of

__all__ = ["Purpose", "find_link", "make_link", "open_links", "setup_link", "take_back", "use_link"]

Purpose = Literal["setup", "password", "invitation"]
_LIFETIMES: dict[Purpose, timedelta] = {
    "setup": timedelta(days=1),
    "password": timedelta(days=7),
    "invitation": timedelta(days=14),
}


def make_link(
    session: Session, purpose: Purpose, *, user: Account | None = None, details: Mapping[str, Any] | None = None
) -> str:
    """Make a link; its secret, which cannot be shown again. A new one of a user takes the place of their older ones."""
    moment = now()
    session.execute(sa.delete(OneTimeLink).where(OneTimeLink.expires_at <= moment))
    if user is not None:
        session.execute(sa.delete(OneTimeLink).where(OneTimeLink.user_id == user.id, OneTimeLink.purpose == purpose))
    secret = secrets.token_urlsafe(32)
    session.add(
        OneTimeLink(
            digest=digest_of(secret),
            purpose=purpose,
            user_id=None if user is None else user.id,
            details=dict(details or {}),
            expires_at=moment + _LIFETIMES[purpose],
        )
    )
    return secret


def setup_link(session: Session) -> str | None:
    """A link for the first admin, while there is no user; older ones end. None when there is a user."""
    if _has_users(session):
        return None
    session.execute(sa.delete(OneTimeLink).where(OneTimeLink.purpose == "setup"))
    return make_link(session, "setup")


def find_link(session: Session, purpose: Purpose, secret: str) -> OneTimeLink | None:
    """The link, if it is good still; looking does not use it up. The first admin is made while there is no user."""
    if purpose == "setup" and _has_users(session):
        return None
    found = session.get(OneTimeLink, digest_of(secret))
    if found is None or found.purpose != purpose or found.used_at is not None or found.expires_at <= now():
        return None
    return found


def use_link(session: Session, purpose: Purpose, secret: str) -> OneTimeLink | None:
    """The link, used up by this transaction; None when it is not good, or another was quicker."""
    found = find_link(session, purpose, secret)
    if found is None:
        return None
    statement = (
        sa.update(OneTimeLink)
        .where(OneTimeLink.digest == found.digest, OneTimeLink.used_at.is_(None))
        .values(used_at=now())
    )
    result = cast("sa.CursorResult[Any]", session.execute(statement, execution_options={"synchronize_session": False}))
    return found if result.rowcount == 1 else None


def open_links(session: Session, purpose: Purpose) -> list[OneTimeLink]:
    """The links that are good still, the newest first."""
    chosen = sa.select(OneTimeLink).where(
        OneTimeLink.purpose == purpose, OneTimeLink.used_at.is_(None), OneTimeLink.expires_at > now()
    )
    return list(session.scalars(chosen.order_by(OneTimeLink.created_at.desc())))


def take_back(session: Session, digest: str) -> None:
    """Let a link open nothing any more."""
    session.execute(sa.delete(OneTimeLink).where(OneTimeLink.digest == digest))


def _has_users(session: Session) -> bool:
    return session.scalars(sa.select(Account.id).where(Account.kind == "user").limit(1)).first() is not None
