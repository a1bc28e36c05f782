"""Removing a person from the feedback database, down to the bytes on the disk.

A deleted row is still in the file until something else is written over it. So after the deletion the file is
rebuilt from what is left, and the write-ahead log, where older copies of the pages stand, is emptied.

SQLite: ``secure_delete`` overwrites the deleted rows with zeros, ``VACUUM`` rebuilds the file, and
``wal_checkpoint(TRUNCATE)`` empties the log. A server may go on meanwhile: its writes wait for the rebuilding, which
takes about as long as copying the file. What a disk keeps of blocks it has released, and copies or backups of the
file, are out of reach of a database.

PostgreSQL: ``VACUUM (FULL)`` rewrites both tables; statistics, in which sample values stand, are never taken of texts
and users. It needs the owner of the tables, and reads and writes of them wait meanwhile. Not reached: PostgreSQL's
own write-ahead log until it is recycled, archives and backups, replicas that lag behind, and statements that the
server was told to log.
"""

from __future__ import annotations

import time

import sqlalchemy as sa

from enfold.errors import ServiceError
from enfold.feedback.database import Database
from enfold.feedback.judgements import Forgotten
from enfold.feedback.tables import FEEDBACK, PREDICTIONS

__all__ = ["forget", "would_forget"]

_WAIT_SECONDS = 60
"""How long other processes may take to let go of an old copy of the pages."""


def would_forget(database: Database, user: str) -> Forgotten:
    """What `forget` would remove now.

    Raises:
        ServiceError: the database failed.
    """
    with database.read() as connection:
        return _gather(connection, user)


def forget(database: Database, user: str) -> Forgotten:
    """Remove the predictions made for a user, all judgements on them, and the user's judgements on others'.

    The same text stays where another user's prediction holds it too; `Forgotten.still_held` names such texts.
    Forgetting twice is no error: the second time there is nothing to remove, but the file is rebuilt again.

    Raises:
        ServiceError: the database failed; or the rows are removed but another process kept an old copy open for
            longer than a minute: the message says to do it again.
    """
    with database.write() as connection:
        gathered = _gather(connection, user)
        connection.execute(FEEDBACK.delete().where(_by_or_on(user)))
        connection.execute(PREDICTIONS.delete().where(PREDICTIONS.c.user == user))
    if database.is_sqlite:
        _rebuild_sqlite(database)
    else:
        with database.outside_transactions() as connection:
            connection.exec_driver_sql("VACUUM (FULL) feedback, predictions")
    return gathered


def _by_or_on(user: str) -> sa.ColumnElement[bool]:
    """Judgements by the user, or on the user's predictions."""
    own = sa.select(PREDICTIONS.c.id).where(PREDICTIONS.c.user == user)
    return sa.or_(FEEDBACK.c.user == user, FEEDBACK.c.prediction_id.in_(own))


def _gather(connection: sa.Connection, user: str) -> Forgotten:
    rows = connection.execute(
        sa.select(PREDICTIONS.c.text, PREDICTIONS.c.content_id, PREDICTIONS.c.model)
        .where(PREDICTIONS.c.user == user)
        .order_by(PREDICTIONS.c.number)
    ).all()
    judged = connection.execute(
        sa.select(PREDICTIONS.c.content_id, PREDICTIONS.c.model)
        .join(FEEDBACK)
        .where(_by_or_on(user))
        .order_by(PREDICTIONS.c.number)
    ).all()
    texts = dict.fromkeys((row.text, row.content_id) for row in rows)
    still_held = _still_held(connection, user, list(dict.fromkeys(row.content_id for row in rows)))
    return Forgotten(
        user=user,
        predictions=len(rows),
        judgements=len(judged),
        texts=tuple(text for text, _ in texts),
        content_ids=tuple(identity for _, identity in texts),
        judged_content_ids=tuple(dict.fromkeys(row.content_id for row in judged)),
        still_held=tuple(still_held),
        models=tuple(dict.fromkeys(row.model for row in [*rows, *judged])),
    )


def _still_held(connection: sa.Connection, user: str, content_ids: list[str]) -> list[str]:
    """Which of the texts other users' rows hold too; asked for in portions, as databases limit a list."""
    others = sa.select(PREDICTIONS.c.content_id).where(PREDICTIONS.c.user.is_distinct_from(user)).distinct()
    held: set[str] = set()
    for start in range(0, len(content_ids), 500):
        found = others.where(PREDICTIONS.c.content_id.in_(content_ids[start : start + 500]))
        held.update(connection.execute(found).scalars())
    return [identity for identity in content_ids if identity in held]


def _rebuild_sqlite(database: Database) -> None:
    with database.outside_transactions() as connection:
        connection.exec_driver_sql("VACUUM")
        # The log can be emptied only at a moment when nobody reads from it; reads are short, so one comes.
        deadline = time.monotonic() + _WAIT_SECONDS
        while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"the rows are removed from {database.name}, but another process has been reading an old copy of "
                    f"them for {_WAIT_SECONDS} s; close it and forget the same user again, which finishes the work"
                )
            time.sleep(0.05)
