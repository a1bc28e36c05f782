"""The store of predictions and of what users said of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from enfold.data.identity import content_id
from enfold.errors import UnknownPrediction
from enfold.feedback.database import Database
from enfold.feedback.forgetting import forget, would_forget
from enfold.feedback.judgements import Counts, Forgotten, Judgement
from enfold.feedback.tables import FEEDBACK, PREDICTIONS
from enfold.values import Feedback, LabelSet, ServedPrediction

__all__ = ["FeedbackStore"]

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_PAGE = 2000
"""Rows an export reads at a time: each page is a transaction of its own, so that it never holds up others."""


class FeedbackStore:
    """Predictions as they were served, and the judgements on them, in SQLite or PostgreSQL.

    Safe to use from several threads, and from several processes at once: a server records while
    ``enfold improve`` reads. It keeps only whole Unicode text: a lone surrogate or a NUL, which databases refuse,
    is stored as U+FFFD.

    Args:
        reference: a file, ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``. A SQLite file is made
            when it is not there, readable by its owner alone; tables are made or brought up to date.

    Raises:
        SettingsError: the address is of another kind, or names no file.
        ServiceError: the database cannot be reached, or was written by a newer version of Enfold.
    """

    def __init__(self, reference: str | Path) -> None:
        self._database = Database(reference)

    def __repr__(self) -> str:
        return f"FeedbackStore({self.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The file, or the address without its password."""
        return self._database.name

    def close(self) -> None:
        """Close the connections; the store opens new ones when it is used again."""
        self._database.close()

    # What a server does

    def record(self, entries: Sequence[ServedPrediction]) -> None:
        """Keep predictions; they are on the disk when this returns.

        A prediction whose id is already there stays as it is, so that a batch may be sent again.

        Raises:
            ServiceError: the database failed; nothing of the batch was kept.
        """
        if not entries:
            return
        rows = [_prediction_row(entry) for entry in entries]
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(PREDICTIONS).on_conflict_do_nothing(index_elements=["id"])
        with self._database.write() as connection:
            connection.execute(statement, rows)

    def judge(self, feedback: Feedback, *, labels: LabelSet) -> None:
        """Keep what a user said of a prediction; it is on the disk when this returns.

        A user may change his mind: every judgement is kept, and the last one counts.

        Raises:
            UnknownPrediction: there is no such prediction.
            LabelError: the right label that was given is not a label.
            ServiceError: the database failed.
        """
        if feedback.value is not None:
            labels.index(feedback.value)
        prediction = _storable(feedback.prediction_id)
        # The prediction is locked against a `forget` in another process until the judgement stands beside it.
        known = sa.select(PREDICTIONS.c.number).where(PREDICTIONS.c.id == prediction)
        with self._database.write() as connection:
            if connection.execute(known.with_for_update(read=True, key_share=True)).first() is None:
                raise UnknownPrediction(
                    f"no prediction {feedback.prediction_id!r}; give the id that came with a prediction of this service"
                )
            connection.execute(
                FEEDBACK.insert(),
                {
                    "prediction_id": prediction,
                    "kind": feedback.kind,
                    "value": feedback.value,
                    "user": _storable_user(feedback.user),
                    "at": feedback.at,
                },
            )

    # What is read of it

    def judgements(self, *, user: str | None = None, history: bool = False) -> list[Judgement]:
        """All judgements, oldest first.

        Args:
            user: only those of this user.
            history: also those that their user replaced by a later one on the same prediction. Otherwise one
                judgement per prediction and user; all who gave no name count as one user.

        Raises:
            ServiceError: the database failed.
        """
        statement = _judged(history=history).order_by(FEEDBACK.c.at, FEEDBACK.c.number)
        return self._read_judgements(statement, user)

    def recent(self, limit: int = 20, *, user: str | None = None, history: bool = False) -> list[Judgement]:
        """The last ``limit`` judgements, newest first; see `judgements`."""
        statement = _judged(history=history).order_by(FEEDBACK.c.at.desc(), FEEDBACK.c.number.desc()).limit(limit)
        return self._read_judgements(statement, user)

    def counts(self) -> Counts:
        """How much the database holds."""
        names = sa.union(sa.select(PREDICTIONS.c.user), sa.select(FEEDBACK.c.user)).subquery()
        with self._database.read() as connection:
            return Counts(
                predictions=_count(connection, sa.select(sa.func.count()).select_from(PREDICTIONS)),
                judged=_count(connection, sa.select(sa.func.count(FEEDBACK.c.prediction_id.distinct()))),
                judgements=_count(connection, sa.select(sa.func.count()).select_from(FEEDBACK)),
                users=_count(connection, sa.select(sa.func.count(names.c.user))),
            )

    def export(
        self, path: str | Path, *, unjudged: bool = False, history: bool = False, for_spreadsheets: bool = False
    ) -> int:
        """Write the judgements to a CSV, TSV, JSONL or Parquet file, whole or not at all.

        The columns are those of `Judgement`; moments are ISO 8601 in UTC, in Parquet moments proper. Rows come in the
        order of the predictions.

        Args:
            path: the file, its kind by its suffix; one that is there is replaced.
            unjudged: also the predictions that nobody judged, with empty ``kind``, ``label``, ``user`` and ``at``.
            history: also replaced judgements; see `judgements`.
            for_spreadsheets: put an apostrophe before texts that a spreadsheet would run as a formula; strangers
                wrote them.

        Returns:
            The number of rows written.

        Raises:
            DataError: the file's name has another suffix.
            ServiceError: the database failed.
        """
        from enfold.data.writing import TableWriter

        with TableWriter(path, columns=_JUDGEMENT_FIELDS, for_spreadsheets=for_spreadsheets) as writer:
            for rows in self._pages(unjudged=unjudged, history=history):
                writer.write(rows if writer.kind == ".parquet" else map(_in_words, rows))
        return writer.rows

    def would_forget(self, user: str) -> Forgotten:
        """What `forget` would remove now, and nothing removed.

        Whoever also removes the texts from files does that first, with what this gives, and calls `forget` last:
        interrupted anywhere, it can then be done again, as the database still knows the texts.

        Raises:
            ServiceError: the database failed.
        """
        return would_forget(self._database, _storable(user))

    def forget(self, user: str) -> Forgotten:
        """Remove a user's predictions and judgements so that their bytes are gone; see `enfold.feedback.forgetting`.

        Raises:
            ServiceError: the database failed, or another process kept an old copy of it open.
        """
        return forget(self._database, _storable(user))

    def _read_judgements(self, statement: sa.Select[Any], user: str | None) -> list[Judgement]:
        if user is not None:
            statement = statement.where(FEEDBACK.c.user == _storable(user))
        with self._database.read() as connection:
            return [Judgement(**row) for row in map(_judgement_row, connection.execute(statement).mappings())]

    def _pages(self, *, unjudged: bool, history: bool) -> Iterator[list[dict[str, Any]]]:
        """Rows of an export in the order of the predictions, each page read in a transaction of its own."""
        prediction, judgement = PREDICTIONS.c.number, sa.func.coalesce(FEEDBACK.c.number, 0)
        statement = _judged(history=history, unjudged=unjudged).add_columns(
            prediction.label("_prediction"), judgement.label("_judgement")
        )
        last = (0, 0)
        while True:
            after = sa.or_(prediction > last[0], sa.and_(prediction == last[0], judgement > last[1]))
            page = statement.where(after).order_by(prediction, judgement).limit(_PAGE)
            with self._database.read() as connection:
                rows = connection.execute(page).mappings().all()
            if not rows:
                return
            last = (rows[-1]["_prediction"], rows[-1]["_judgement"])
            yield [_judgement_row(row) for row in rows]


def _judged(*, history: bool, unjudged: bool = False) -> sa.Select[Any]:
    """Judgements with their predictions, in the names of `Judgement`, but for the right label."""
    statement = sa.select(
        PREDICTIONS.c.id.label("prediction_id"),
        PREDICTIONS.c.content_id,
        PREDICTIONS.c.text,
        PREDICTIONS.c.label.label("predicted"),
        PREDICTIONS.c.score,
        PREDICTIONS.c.model,
        PREDICTIONS.c.at.label("predicted_at"),
        FEEDBACK.c.kind,
        FEEDBACK.c.value,
        FEEDBACK.c.user.label("user"),
        FEEDBACK.c.at.label("at"),
    ).select_from(PREDICTIONS.join(FEEDBACK, isouter=unjudged))
    if history:
        return statement
    later = FEEDBACK.alias()
    replaced = sa.exists().where(
        later.c.prediction_id == FEEDBACK.c.prediction_id,
        later.c.user.is_not_distinct_from(FEEDBACK.c.user),
        sa.or_(
            later.c.at > FEEDBACK.c.at,
            sa.and_(later.c.at == FEEDBACK.c.at, later.c.number > FEEDBACK.c.number),
        ),
    )
    return statement.where(~replaced)


def _judgement_row(row: sa.RowMapping) -> dict[str, Any]:
    """The fields of a `Judgement`, the right label worked out."""
    label = row["predicted"] if row["kind"] == "right" else row["value"]
    return {name: label if name == "label" else row[name] for name in _JUDGEMENT_FIELDS}


_JUDGEMENT_FIELDS = tuple(field.name for field in fields(Judgement))


def _in_words(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its moments as text."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def _prediction_row(entry: ServedPrediction) -> dict[str, Any]:
    text, prediction = _storable(entry.text), entry.prediction
    return {
        "id": prediction.id,
        "at": entry.at,
        "user": _storable_user(entry.user),
        "text": text,
        "content_id": content_id(text),
        "label": prediction.label,
        "score": prediction.score,
        "scores": prediction.scores,
        "model": prediction.model,
        "tokens": prediction.tokens,
        "windows": prediction.windows,
        "cut": prediction.cut,
    }


def _storable(text: str) -> str:
    """Text that every database takes: valid Unicode without NUL."""
    return _NOT_STORABLE.sub("\ufffd", text)


def _storable_user(user: str | None) -> str | None:
    """A user's name; an empty one is nobody's."""
    return _storable(user) if user else None


def _count(connection: sa.Connection, statement: sa.Select[Any]) -> int:
    return int(connection.execute(statement).scalar_one())
