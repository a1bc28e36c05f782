"""What the tables are made of: the declarative base, numbers that grow, moments in UTC, and JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, mapped_column

__all__ = ["AccountKey", "Base", "Moment", "Number", "RepositoryKey", "now"]


class Moment(sa.types.TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no time zone, so every moment is turned into UTC before it is stored."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Into the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Out of the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite gives a growing row number only to a column of type INTEGER.
_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class Base(DeclarativeBase):
    """The base of every table."""

    type_annotation_map = {  # noqa: RUF012 — SQLAlchemy's own name
        datetime: Moment,
        str: sa.Text,
        int: sa.BigInteger,
        dict[str, Any]: sa.JSON,
        list[Any]: sa.JSON,
    }
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


Number = Annotated[int, mapped_column(_BIG, primary_key=True, autoincrement=True)]
"""A number of the database's own, which never leaves it."""
AccountKey = Annotated[int, mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"))]
"""Whose it is; goes with the account."""
RepositoryKey = Annotated[int, mapped_column(sa.ForeignKey("repositories.id", ondelete="CASCADE"))]
"""Of which repository; goes with it."""


def now() -> datetime:
    """This moment, in UTC, without the microseconds that no answer shows."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
