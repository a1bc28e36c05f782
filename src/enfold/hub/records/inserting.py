"""Adding a row that may be there already, also when two writers add it at once."""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from enfold.hub.records.schema import Base

__all__ = ["insert_if_absent"]


def insert_if_absent(session: Session, table: type[Base], **values: Any) -> bool:
    """Insert a row unless its key is there; whether it was inserted."""
    rows = cast("sa.Table", table.__table__)
    statement = _insert(session)(rows).values(**values).on_conflict_do_nothing().returning(*rows.primary_key)
    return session.execute(statement).first() is not None


def _insert(session: Session) -> Any:
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert
    from sqlalchemy.dialects import postgresql  # a hub on SQLite starts quicker without it

    return postgresql.insert
