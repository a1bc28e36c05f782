"""Passwords, kept as Argon2id (RFC 9106): slow to try, and each with a salt of its own."""

from __future__ import annotations

from functools import cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from enfold.errors import InputError
from enfold.hub.records.schema import Account

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["LONGEST", "SHORTEST", "check_password", "fits", "set_password"]

SHORTEST = 10
LONGEST = 256

# Each try takes 64 MiB, so only a few are made at once.
_TRIES = BoundedSemaphore(2)


def check_password(password: str, user: str = "") -> None:
    """Refuse a password that is too short, too long, or the user's name.

    Raises:
        InputError: says which.
    """
    if len(password) < SHORTEST:
        raise InputError(f"the password has {len(password)} characters; it needs at least {SHORTEST}")
    if len(password) > LONGEST:
        raise InputError(f"the password has {len(password)} characters; it may have at most {LONGEST}")
    if password.lower() == user.lower() or len(set(password)) < 4:
        raise InputError("the password is too easy to guess; choose a longer sentence or let your browser make one")


def set_password(account: Account, password: str) -> None:
    """Give a user a password.

    Raises:
        InputError: it cannot be one.
    """
    check_password(password, account.name)
    with _TRIES:
        account.password_hash = _hasher().hash(password)


def fits(account: Account | None, password: str) -> bool:
    """Whether the password is the account's; without an account it takes as long, so that names cannot be probed."""
    from argon2.exceptions import InvalidHashError, VerificationError

    kept = account.password_hash if account is not None and account.kind == "user" else None
    with _TRIES:
        try:
            _hasher().verify(kept or _nobodys(), password[:LONGEST])
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys() -> str:
    return _hasher().hash("the password of nobody")
