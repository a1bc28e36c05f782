"""The records of a hub: a database, and the few questions that every request asks of it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.accounts import principal_for
from enfold.hub.records.database import Database
from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import Token, now
from enfold.hub.records.tokens import find_token, touch

__all__ = ["Records"]


class Records:
    """The records, opened.

    Everything else is a function of a session: ``with records.read() as session: find_repository(session, …)``.

    Args:
        reference: a file, ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.

    Raises:
        SettingsError: the address is of another kind, or names no file.
        ServiceError: the database cannot be reached, is not a hub's, or has a newer format.
        MissingExtra: PostgreSQL's driver is not installed.
    """

    def __init__(self, reference: str | Path) -> None:
        self.database = Database(reference)

    def read(self) -> AbstractContextManager[Session]:
        """A transaction that only reads."""
        return self.database.read()

    def write(self) -> AbstractContextManager[Session]:
        """A transaction that writes; what it wrote is durable when the block is left."""
        return self.database.write()

    def bearer(self, secret: str) -> Principal:
        """Who a token stands for; its use is written down, at most every few minutes.

        Raises:
            TokenFault: it lets nobody in.
        """
        with self.read() as session:
            token, owner = find_token(session, secret)
            principal = principal_for(session, owner, token)
        if touch(token):
            with self.write() as session:
                session.execute(sa.update(Token).where(Token.id == token.id).values(last_used_at=now()))
        return principal

    def close(self) -> None:
        """Close the connections that are not in use."""
        self.database.close()
