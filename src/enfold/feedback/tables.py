"""The two tables, as the code reads and writes them; ``migrations/`` makes them in a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

__all__ = ["FEEDBACK", "PREDICTIONS", "VERSION_TABLE", "metadata"]

VERSION_TABLE = "enfold_feedback_version"
"""Where alembic notes the format; a name of its own, so that a PostgreSQL database may be shared."""


class _Moment(sa.types.TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no time zone, so every moment is turned into UTC before it is stored."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite gives a growing row number only to a column of type INTEGER.
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

metadata = sa.MetaData()

# The column is `user_id` because `user` in PostgreSQL's SQL silently means the role of the session.
PREDICTIONS = sa.Table(
    "predictions",
    metadata,
    sa.Column("number", _Number, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("at", _Moment, nullable=False),
    sa.Column("user_id", sa.Text, key="user"),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("content_id", sa.Text, nullable=False, index=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("scores", sa.JSON, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("windows", sa.Integer, nullable=False),
    sa.Column("cut", sa.Integer, nullable=False),
    sa.Index("ix_predictions_user_id", "user"),
)

FEEDBACK = sa.Table(
    "feedback",
    metadata,
    sa.Column("number", _Number, primary_key=True, autoincrement=True),
    sa.Column("prediction_id", sa.Text, sa.ForeignKey("predictions.id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("value", sa.Text),
    sa.Column("user_id", sa.Text, key="user"),
    sa.Column("at", _Moment, nullable=False),
    sa.Index("ix_feedback_user_id", "user"),
)
