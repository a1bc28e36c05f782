"""Signed-in browsers: a random secret in a cookie, its digest in the records.

A session stands for the user, with all they may do, and opens pages alone; programs have tokens.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.schema import Account, WebSession, now
from enfold.hub.records.tokens import digest_of

__all__ = ["LIFETIME", "begin", "end", "end_all", "find"]

LIFETIME = timedelta(days=14)
"""How long a browser stays signed in."""


def begin(session: Session, user: Account, *, until: datetime | None = None) -> str:
    """Sign a browser in; the secret for its cookie, which cannot be shown again.

    Args:
        session: a writing transaction.
        user: whom the browser stands for.
        until: ends the session earlier, such as with the token that opened it.
    """
    moment = now()
    session.execute(sa.delete(WebSession).where(WebSession.expires_at <= moment))
    secret = secrets.token_urlsafe(32)
    expires_at = min(filter(None, [moment + LIFETIME, until]))
    session.add(
        WebSession(digest=digest_of(secret), user_id=user.id, csrf=secrets.token_urlsafe(24), expires_at=expires_at)
    )
    return secret


def find(session: Session, secret: str) -> tuple[WebSession, Account] | None:
    """The session a cookie stands for and its user; None when it has ended or the user is suspended."""
    row = session.execute(
        sa.select(WebSession, Account)
        .join(Account, Account.id == WebSession.user_id)
        .where(WebSession.digest == digest_of(secret), WebSession.expires_at > now(), Account.suspended_at.is_(None))
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def end(session: Session, digest: str) -> None:
    """Sign one browser out."""
    session.execute(sa.delete(WebSession).where(WebSession.digest == digest))


def end_all(session: Session, user: Account, *, but: str | None = None) -> None:
    """Sign out all browsers of a user, but for the one with the digest ``but``."""
    chosen = sa.delete(WebSession).where(WebSession.user_id == user.id)
    session.execute(chosen if but is None else chosen.where(WebSession.digest != but))
