"""Access tokens: shown once when they are made, kept as a digest, with expiry, revocation and last use.

A token is ``hf_`` and 40 letters and digits, 238 random bits, so that a plain SHA-256 is as good as any slow hash:
there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.errors import SettingsError, near
from enfold.hub.records.errors import NameTaken, NotKnown
from enfold.hub.records.principals import Grant, Scope
from enfold.hub.records.schema import Account, Token, TokenGrant, now

__all__ = ["TokenFault", "create_token", "digest_of", "find_token", "is_worth_noting", "revoke_token", "tokens_of"]

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 40
_SHAPE = re.compile(r"[\x21-\x7e]{1,512}")
_USE_SHOWN_EVERY = timedelta(minutes=5)


class TokenFault(Exception):
    """A token that lets nobody in; the message says why, to whoever holds it."""


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create_token(
    session: Session,
    owner: Account,
    name: str,
    *,
    role: Scope = "write",
    expires_at: datetime | None = None,
    grants: Sequence[Grant] = (),
) -> str:
    """Make a token, and give it; it cannot be shown again.

    Args:
        owner: the user it stands for.
        name: what the user calls it; one of that name is refused unless it was revoked.
        role: ``read``, ``write`` or ``fineGrained``.
        expires_at: from when on it lets nobody in.
        grants: what a fine-grained token allows.

    Raises:
        NameTaken: the user has a token of that name.
        SettingsError: there is no such role, or grants were given to a token that takes none.
    """
    roles = list(get_args(Scope))
    if role not in roles:
        raise SettingsError(f"no role {role!r} of a token; there are: {', '.join(roles)}{near(role, roles)}")
    if grants and role != "fineGrained":
        raise SettingsError(f"a token with role {role!r} takes no grants; use the role 'fineGrained'")
    if not name or len(name) > 100 or not name.isprintable():
        raise SettingsError(f"{name!r} cannot be the name of a token: 1 to 100 printable characters")
    existing = _named(session, owner, name)
    if existing is not None and existing.revoked_at is None:
        raise NameTaken(f"{owner.name} has a token {name!r} already; revoke it first, or choose another name")
    if existing is not None:
        session.delete(existing)
        session.flush()
    secret = "hf_" + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    token = Token(
        user_id=owner.id, name=name, digest=digest_of(secret), hint=secret[-4:], role=role, expires_at=expires_at
    )
    session.add(token)
    session.flush()
    session.add_all(
        TokenGrant(token_id=token.id, account_id=grant.account_id, repository_id=grant.repository_id, right=grant.right)
        for grant in grants
    )
    return secret


def find_token(session: Session, secret: str) -> tuple[Token, Account]:
    """The token and its user.

    Raises:
        TokenFault: it is unknown, expired or revoked, or its user is suspended.
    """
    row = None
    if _SHAPE.fullmatch(secret):
        row = session.execute(
            sa.select(Token, Account)
            .join(Account, Account.id == Token.user_id)
            .where(Token.digest == digest_of(secret))
        ).one_or_none()
    if row is None:
        raise TokenFault("Invalid credentials in Authorization header")
    token, bearer = row
    if token.revoked_at is not None:
        raise TokenFault("Invalid credentials in Authorization header: the token was revoked")
    if token.expires_at is not None and token.expires_at <= now():
        raise TokenFault("Invalid credentials in Authorization header: the token is expired")
    if bearer.suspended_at is not None:
        raise TokenFault("Invalid credentials in Authorization header: the account is suspended")
    return token, bearer


def is_worth_noting(last_used_at: datetime | None) -> bool:
    """Whether the last use of a token is so long ago that this one is worth writing down."""
    return last_used_at is None or now() - last_used_at > _USE_SHOWN_EVERY


def revoke_token(session: Session, owner: Account, name: str) -> None:
    """Let a token open nothing any more.

    Raises:
        NotKnown: the user has no such token.
    """
    token = _named(session, owner, name)
    if token is None:
        known = [each.name for each in tokens_of(session, owner)]
        raise NotKnown(f"{owner.name} has no token {name!r}{near(name, known)}")
    token.revoked_at = token.revoked_at or now()


def tokens_of(session: Session, owner: Account) -> list[Token]:
    """A user's tokens, the oldest first."""
    return list(session.scalars(sa.select(Token).where(Token.user_id == owner.id).order_by(Token.id)))


def _named(session: Session, owner: Account, name: str) -> Token | None:
    chosen = sa.select(Token).where(Token.user_id == owner.id, Token.name == name)
    return session.scalars(chosen).one_or_none()
