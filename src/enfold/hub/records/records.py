"""The records of a hub: a database, and the few questions that every request asks of it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.errors import ServiceError
from enfold.hub.records.accounts import principal_for
from enfold.hub.records.database import Database
from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import Token, now
from enfold.hub.records.tokens import find_token, is_worth_noting

__all__ = ["Records"]

_log = logging.getLogger(__name__)


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
        # A request that only reads must not wait for a writer because of the note that its token was used.
        self._notes = ThreadPoolExecutor(max_workers=1, thread_name_prefix="token-use")
        self._noted: dict[int, datetime] = {}

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
        if is_worth_noting(token.last_used_at) and is_worth_noting(self._noted.get(token.id)):
            self._noted[token.id] = now()
            self._notes.submit(self._note_use, token.id)
        return principal

    def _note_use(self, token_id: int) -> None:
        try:
            with self.write() as session:
                session.execute(sa.update(Token).where(Token.id == token_id).values(last_used_at=now()))
        except ServiceError as error:
            _log.warning("the use of a token was not noted: %s", error)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._notes.shutdown()
        self.database.close()
