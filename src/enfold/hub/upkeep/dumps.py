"""All rows of the records as lines of JSON, from one moment, and back into an empty database of either kind.

The first line has the format of the records. Then, for each table, a line with its name and its columns, and a line for
each row. Moments are in UTC; JSON columns are kept as the text they are stored as, so that a null stays the null it is.
What search looks through is left out, and made again.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from enfold.errors import ServiceError, SettingsError
from enfold.hub.records import Records, search
from enfold.hub.records.database import FORMAT, VERSION_TABLE, Database
from enfold.hub.records.schema import Repository, Setting

__all__ = ["Dumped", "dump", "load", "snapshot"]

_SEARCH = "repository_search"
_AT_ONCE = 1000
_NOT_RESTORED = ("signing", "clean-up", "xet-tokens-end")
"""Settings that belong to the store that was backed up: its key, and what it was about to do."""


@dataclass(frozen=True, slots=True)
class Dumped:
    """What a dump holds."""

    format: str
    rows: int


@contextmanager
def snapshot(database: Database) -> Iterator[sa.Connection]:
    """A connection that sees the records as they are at one moment, whatever is written meanwhile."""
    engine = database.engine
    if not database.is_sqlite:
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with database.plain_errors(), engine.connect() as connection, connection.begin():
        yield connection


def dump(connection: sa.Connection, format: str, file: Path) -> Dumped:
    """Write all rows that a snapshot sees to a file, compressed."""
    tables = _tables(connection)
    sequences = _sequences(connection, [table.name for table in tables])
    rows = 0
    with gzip.open(file, "wt", compresslevel=3, encoding="utf-8") as out:
        out.write(json.dumps({"format": format}) + "\n")
        for table in tables:
            names = [column.name for column in table.columns]
            about = {"table": table.name, "columns": names, "sequence": sequences.get(table.name)}
            out.write(json.dumps(about) + "\n")
            chosen = sa.select(*(_as_stored(column) for column in table.columns))
            streamed = connection.execution_options(stream_results=True, yield_per=_AT_ONCE).execute(chosen)
            for row in streamed:
                out.write(json.dumps([_plain(value) for value in row], ensure_ascii=False) + "\n")
                rows += 1
    return Dumped(format, rows)


def load(file: Path, database: str | Path, name: str) -> None:
    """Fill an empty database with a dump, and bring it to the newest format.

    Args:
        file: the dump.
        database: a file that is not there yet, or the address of a database without a hub.
        name: what to call the dump in an error.

    Raises:
        SettingsError: there is a hub in the database already, or the dump is damaged.
        ServiceError: its format is newer than this version reads, or the database cannot be reached.
    """
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            format = json.loads(next(lines))["format"]
            _check_format(format, name)
            made = Database(database, migrate=False)
            try:
                if made.found_format() is not None:
                    raise SettingsError(f"the database {made.name} holds a hub already; give an empty one")
            finally:
                made.close()
            made = Database(database, format=format)
            try:
                with made.writing() as connection:
                    _load_rows(connection, lines)
            finally:
                made.close()
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError, KeyError, StopIteration) as error:
        raise SettingsError(f"{name} is damaged ({error}); take an earlier backup") from error
    records = Records(database)
    try:
        with records.write() as session:
            session.execute(sa.delete(Setting).where(Setting.name.in_(_NOT_RESTORED)))
            for repository in session.scalars(sa.select(Repository)):
                search.put(session, repository)
    finally:
        records.close()


def _check_format(format: str, name: str) -> None:
    if format > FORMAT:
        raise ServiceError(
            f"{name} has records of format {format!r}, newer than {FORMAT!r}, the newest that this version reads; "
            "upgrade Enfold: pip install --upgrade enfold"
        )


def _load_rows(connection: sa.Connection, lines: Any) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    tables = {table.name: table for table in _tables(connection)}
    for table in reversed(tables.values()):  # steps may have written rows of their own
        connection.execute(sa.delete(table))
    insert: Any = None
    columns: list[sa.Column[Any]] = []
    waiting: list[dict[str, Any]] = []
    for line in lines:
        found = json.loads(line)
        if isinstance(found, dict):
            _flush(connection, insert, waiting)
            table = tables[found["table"]]
            columns = [table.columns[name] for name in found["columns"]]
            insert = _insert(connection, table, columns)
            _set_sequence(connection, table, found["sequence"])
        else:
            waiting.append(
                {
                    f"v_{column.name}": _value(connection, column, value)
                    for column, value in zip(columns, found, strict=True)
                }
            )
            if len(waiting) == _AT_ONCE:
                _flush(connection, insert, waiting)
    _flush(connection, insert, waiting)


def _flush(connection: sa.Connection, insert: Any, waiting: list[dict[str, Any]]) -> None:
    if waiting:
        connection.execute(insert, waiting)
        waiting.clear()


def _insert(connection: sa.Connection, table: sa.Table, columns: list[sa.Column[Any]]) -> Any:
    values: dict[str, Any] = {}
    for column in columns:
        if not isinstance(column.type, sa.JSON):
            values[column.name] = sa.bindparam(f"v_{column.name}", type_=column.type)
        elif connection.dialect.name == "sqlite":  # the text as it is
            values[column.name] = sa.type_coerce(sa.bindparam(f"v_{column.name}", type_=sa.Text), sa.Text)
        else:
            values[column.name] = sa.cast(sa.bindparam(f"v_{column.name}", type_=sa.Text), column.type)
    return sa.insert(table).values(values)


def _tables(connection: sa.Connection) -> list[sa.Table]:
    """The tables with records, those that others refer to first."""
    names = [name for name in sa.inspect(connection).get_table_names() if not name.startswith(_SEARCH)]
    found = sa.MetaData()
    found.reflect(connection, only=[name for name in names if name != VERSION_TABLE])
    return list(found.sorted_tables)


def _sequences(connection: sa.Connection, names: list[str]) -> dict[str, int]:
    """The last number that was given out, of tables that never give one out twice."""
    if connection.dialect.name == "sqlite":
        return {str(row[0]): int(row[1]) for row in connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")}
    found = {}
    for name in names:
        sequence = _sequence(connection, name)
        if sequence is not None:
            found[name] = int(connection.exec_driver_sql(f"SELECT last_value FROM {sequence}").scalar() or 0)
    return found


def _set_sequence(connection: sa.Connection, table: sa.Table, last: int | None) -> None:
    if last is None:
        return
    if connection.dialect.name == "sqlite":
        known = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table.name,)).scalar()
        if "AUTOINCREMENT" not in str(known).upper():
            return
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES (?, ?)", (table.name, last))
        return
    sequence = _sequence(connection, table.name)
    if sequence is not None:
        connection.execute(sa.select(sa.func.setval(sequence, max(last, 1))))


def _sequence(connection: sa.Connection, name: str) -> str | None:
    columns = {column["name"] for column in sa.inspect(connection).get_columns(name)}
    if "id" not in columns:
        return None
    found = connection.execute(sa.select(sa.func.pg_get_serial_sequence(name, "id"))).scalar()
    return None if found is None else str(found)


def _as_stored(column: sa.Column[Any]) -> Any:
    return sa.cast(column, sa.Text).label(column.name) if isinstance(column.type, sa.JSON) else column


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _value(connection: sa.Connection, column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, sa.DateTime):
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=None) if connection.dialect.name == "sqlite" else moment
    return date.fromisoformat(value) if isinstance(column.type, sa.Date) else value
