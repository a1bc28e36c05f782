"""Tickets: what this hub allowed somebody, in a form that only this hub can make and read.

A signed address and a Xet token are both a ticket. It is encrypted and authenticated (AES-SIV, RFC 5297), so that it
can be neither changed nor read: it holds numbers of the database. A ticket names a user and the token they came with,
and whoever takes it asks again what these may do *now*: a token that is revoked takes its tickets with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import astuple, dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

__all__ = ["KEY_BYTES", "BadTicket", "Permit", "Signer", "XetPermit"]

KEY_BYTES = 64
_LONGEST = 4000


class BadTicket(Exception):
    """A ticket that opens nothing: not ours, changed, for something else, or expired. The message says which."""


@dataclass(frozen=True, slots=True)
class Permit:
    """One thing that may be done with one address.

    Args:
        method: the HTTP method.
        subject: what it is done to, such as the sha256 of a large file.
        size: its bytes.
        repository: number of the repository through which it is allowed.
        user: number of the user, or None for anyone.
        token: number of the token the user came with.
        expires: seconds since 1970.
    """

    method: str
    subject: str
    size: int
    repository: int
    user: int | None
    token: int | None
    expires: int


@dataclass(frozen=True, slots=True)
class XetPermit:
    """What a Xet token allows.

    Args:
        action: ``download``, ``write`` or ``discuss`` (for a pull request), as ``records.permissions`` has them.
        place: the piece of the address behind ``/cas/`` that it is good at.
        repository: number of the repository it was made for.
        user: number of the user, or None for anyone.
        token: number of the token the user came with.
        expires: seconds since 1970.
    """

    action: str
    place: str
    repository: int
    user: int | None
    token: int | None
    expires: int


class Signer:
    """Makes tickets and reads them.

    Args:
        key: 64 secret bytes, the same in all workers.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher = AESSIV(key)

    def address(self, permit: Permit) -> str:
        """A permit as the query of an address."""
        return f"ticket={self._seal('address', astuple(permit))}"

    def opened_address(self, ticket: str, *, method: str, subject: str) -> Permit:
        """The permit of an address, if it is for this method and this subject and has not expired.

        Raises:
            BadTicket: it is not.
        """
        permit = Permit(*self._open("address", ticket))
        if (permit.method, permit.subject) != (method, subject):
            raise BadTicket("this address was signed for something else")
        _check_time(permit.expires, "this address")
        return permit

    def xet_token(self, permit: XetPermit) -> str:
        """A permit as a Xet token."""
        return "xet_" + self._seal("xet", astuple(permit))

    def opened_xet_token(self, token: str, *, place: str) -> XetPermit:
        """The permit of a Xet token, if it is good at this place and has not expired.

        A client that began before a clean-up, and asks for a new token meanwhile, goes on at its old place.

        Raises:
            BadTicket: it is not.
        """
        if not token.startswith("xet_"):
            raise BadTicket("this is not a Xet token: ask the repository for one")
        permit = XetPermit(*self._open("xet", token.removeprefix("xet_")))
        if not _reaches(permit.place, place):
            raise BadTicket("this Xet token is good at another address")
        _check_time(permit.expires, "this Xet token")
        return permit

    def pseudonym(self, user: int | None) -> str:
        """A name for a user that stays the same and tells nothing about them."""
        named = hmac.digest(hashlib.sha256(self._key).digest(), f"user {user}".encode(), "sha256")
        return named.hex()[:20]

    def _seal(self, purpose: str, claims: tuple[object, ...]) -> str:
        plain = json.dumps(claims, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._cipher.encrypt(plain, [purpose.encode()])).rstrip(b"=").decode()

    def _open(self, purpose: str, ticket: str) -> list[Any]:
        try:
            if len(ticket) > _LONGEST:
                raise ValueError
            sealed = base64.urlsafe_b64decode(ticket.encode("ascii") + b"=" * (-len(ticket) % 4))
            claims: list[Any] = json.loads(self._cipher.decrypt(sealed, [purpose.encode()]))
        except (ValueError, binascii.Error, InvalidTag):
            raise BadTicket("this was not signed by this hub, or was changed on its way") from None
        return claims


def _reaches(granted: str, place: str) -> bool:
    """Whether a place is the one that was granted, or the same store for the same user in an earlier generation."""
    store, generation, user = granted.split("-")
    pieces = place.split("-")
    return (
        len(pieces) == 3
        and (pieces[0], pieces[2]) == (store, user)
        and pieces[1].isascii()
        and pieces[1].isdecimal()
        and 0 < int(pieces[1][:18]) <= int(generation)
    )


def _check_time(expires: int, what: str) -> None:
    if expires <= time.time():
        raise BadTicket(f"{what} has expired; ask for a new one")
