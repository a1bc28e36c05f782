"""Signing a program in from another machine (RFC 8628): a device shows a short code, its user says yes in a browser.

Both codes are kept as digests, live for fifteen minutes, and give one token, once. The token is made when the device
fetches it, so that it is never kept.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.errors import RecordsError
from enfold.hub.records.schema import Account, DeviceLogin, now
from enfold.hub.records.tokens import create_token, digest_of

__all__ = ["INTERVAL", "LIFETIME", "TOKEN_LIFETIME", "TooMany", "answer", "begin", "fetch", "waiting"]

LIFETIME = timedelta(minutes=15)
INTERVAL = 3
"""Seconds between two questions of a device."""
TOKEN_LIFETIME = timedelta(days=90)
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words, and none of the letters that look like digits
_MOST_WAITING = 1000

Fault = Literal["authorization_pending", "slow_down", "expired_token", "access_denied", "invalid_grant"]


class TooMany(RecordsError):
    """More devices wait to be signed in than a hub keeps in mind."""


def begin(session: Session, client: str) -> tuple[str, str]:
    """Begin: the code that the device asks with, and the one that its user enters.

    Raises:
        TooMany: too many devices wait already.
    """
    session.execute(sa.delete(DeviceLogin).where(DeviceLogin.expires_at <= now() - LIFETIME))
    if (session.scalar(sa.select(sa.func.count()).select_from(DeviceLogin)) or 0) >= _MOST_WAITING:
        raise TooMany("too many devices wait to be signed in; try again in a few minutes")
    device_code = secrets.token_urlsafe(32)
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    user_code = f"{letters[:4]}-{letters[4:]}"
    session.add(
        DeviceLogin(
            device_digest=digest_of(device_code),
            user_code_digest=digest_of(user_code),
            client=client,
            expires_at=now() + LIFETIME,
        )
    )
    return device_code, user_code


def waiting(session: Session, user_code: str) -> DeviceLogin | None:
    """The device that waits under a code, however its user wrote it."""
    letters = "".join(letter for letter in user_code.upper() if letter.isalnum())
    found = session.scalars(
        sa.select(DeviceLogin).where(DeviceLogin.user_code_digest == digest_of(f"{letters[:4]}-{letters[4:]}"))
    ).one_or_none()
    return found if found is not None and found.status == "pending" and found.expires_at > now() else None


def answer(found: DeviceLogin, user_id: int, *, accepted: bool) -> None:
    """Let a device in as this user, or not."""
    found.status = "accepted" if accepted else "denied"
    found.user_id = user_id


def fetch(session: Session, device_code: str) -> tuple[str | None, Fault | None]:
    """The token of a device whose user has said yes, or why there is none."""
    found = session.get(DeviceLogin, digest_of(device_code), with_for_update=True)
    if found is None:
        return None, "invalid_grant"
    if found.expires_at <= now():
        return None, "expired_token"
    if found.status == "denied":
        return None, "access_denied"
    if found.status == "pending":
        asked, found.polled_at = found.polled_at, now()
        too_soon = asked is not None and now() - asked < timedelta(seconds=INTERVAL - 1)
        return None, "slow_down" if too_soon else "authorization_pending"
    owner = session.get(Account, found.user_id)
    session.delete(found)
    if owner is None or owner.suspended_at is not None:
        return None, "access_denied"
    name = f"device, {now():%Y-%m-%d %H:%M}, {secrets.token_hex(3)}"
    return create_token(session, owner, name, expires_at=now() + TOKEN_LIFETIME), None
