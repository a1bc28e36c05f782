"""What Enfold's databases share: the address, the connection's settings, the format, and errors in plain words.

SQLite runs with a write-ahead log and a full sync at each commit, and a writing transaction takes the write lock at its
start; PostgreSQL runs with ``synchronous_commit = on``. Both give one promise: when a writing transaction has ended,
what was written survives a killed process and a power cut, and readers never wait for a writer.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from enfold.errors import ServiceError, SettingsError, near, require

__all__ = ["Database", "Kind"]

_WAIT_SECONDS = 60
"""How long a write waits for another process's write, the rebuilding of the file included."""
_SECRET_OPTIONS = ("password", "sslpassword")
_WAYS_OUT = {
    "database is locked": f"another process has been writing for {_WAIT_SECONDS} s: stop it, or try again later",
    "file is not a database": "give another path, or move that file away",
    "disk is full": "free some space and try again",
    "readonly database": "give write permission on the file and on its folder",
    "unable to open database file": "the folder must allow making files in it",
    "connection failed": "check that PostgreSQL runs there and that the user and the password are right",
}
"""What to do, by a part of the driver's message."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What one database differs in from another.

    Attributes:
        name: in messages: ``the feedback database``.
        contents: what is kept in it: ``feedback``.
        purpose: what PostgreSQL's driver is needed for.
        migrations: where its steps lie, as ``package:folder``.
        version_table: where the number of the last step is noted; a name of its own, so that a PostgreSQL database may
            be shared.
        format: the newest step, which this version of Enfold reads and writes.
        lock: the number of the PostgreSQL lock under which one process at a time brings the format up to date.
        pragmas: further settings of a SQLite connection.
        engine: further arguments of the engine.
    """

    name: str
    contents: str
    purpose: str
    migrations: str
    version_table: str
    format: str
    lock: int
    pragmas: tuple[str, ...] = ()
    engine: dict[str, Any] = field(default_factory=dict)


class Database:
    """An engine with Enfold's settings on it, whose format is up to date, and its transactions.

    Args:
        reference: a file, ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.
        kind: which database it is.
        migrate: whether an older format is brought up to date; otherwise it is left as it is.

    Raises:
        SettingsError: the address is of another kind, or names no file.
        ServiceError: the database cannot be reached, is not of that kind, or has a newer format.
        MissingExtra: PostgreSQL's driver is not installed.
    """

    def __init__(self, reference: str | Path, kind: Kind, *, migrate: bool = True) -> None:
        self.kind = kind
        url = _url(reference, kind)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.name = str(url.database) if self.is_sqlite else _shown(url)
        """The address without its password, for messages."""
        self._secrets = _secrets(url)
        self._writing = Lock()
        if self.is_sqlite:
            self._make_file(Path(self.name))
            self.engine = sa.create_engine(url, connect_args={"timeout": _WAIT_SECONDS}, **kind.engine)
            sa.event.listen(self.engine, "connect", self._set_up_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            require("psycopg", extra="postgres", purpose=kind.purpose)
            given = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
            self.engine = sa.create_engine(url, pool_pre_ping=True, connect_args=given, **kind.engine)
            sa.event.listen(self.engine, "connect", _set_up_postgres)
        self.immediate = self.engine.execution_options(begin_with="BEGIN IMMEDIATE")
        """The engine for transactions that write."""
        try:
            if migrate:
                self._bring_up_to_date()
        except BaseException:
            self.engine.dispose()
            raise

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that only reads."""
        with self.plain_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that writes: on leaving it the data are on the disk, or an error was raised.

        SQLite takes the write lock at the start, so that a transaction never fails half way for want of it.
        """
        with self.turn(), self.plain_errors(), self.immediate.begin() as connection:
            yield connection

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Threads of one process that write to SQLite queue here, instead of polling for the file's lock."""
        if self.is_sqlite:
            with self._writing:
                yield
        else:
            yield

    @contextmanager
    def outside_transactions(self) -> Iterator[sa.Connection]:
        """A connection on which each statement stands alone, for ``VACUUM`` and ``PRAGMA``."""
        with self.plain_errors(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.execution_options(begin_with=None)
            else:
                connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    def close(self) -> None:
        """Close the connections that are not in use."""
        self.engine.dispose()

    @contextmanager
    def plain_errors(self, *, but: tuple[type[sa.exc.DBAPIError], ...] = ()) -> Iterator[None]:
        """A driver's errors in plain words, but for kinds that the caller knows what to do about.

        Raises:
            ServiceError: the database failed.
        """
        try:
            yield
        except sa.exc.DBAPIError as error:
            if isinstance(error, but):
                raise
            # Without the original in the chain: its text holds the values of the statement, which users wrote.
            raise ServiceError(f"{self.kind.name} {self.name} failed: {self._reason(error.orig)}") from None
        except sa.exc.TimeoutError:
            raise ServiceError(
                f"{self.kind.name} {self.name} failed: all connections were in use for 30 s; try again later"
            ) from None

    def _make_file(self, path: Path) -> None:
        """Make the SQLite file before SQLite does: what is in it is for the owner's eyes only.

        One that is there is left alone: closing any handle on it would drop the locks that other connections of this
        process hold (POSIX), and another process would then take their write-ahead log away.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            if path.is_dir():
                raise ServiceError(f"cannot open {self.kind.name} {self.name}: Is a directory") from None
        except OSError as error:
            raise ServiceError(f"cannot open {self.kind.name} {self.name}: {error.strerror}") from error

    def _bring_up_to_date(self) -> None:
        """Run the steps that this database has not had; only one process does it, the others wait and find it done."""
        kind = self.kind
        with self.reading() as connection:
            if self._format(connection) == kind.format:
                return
        with self.writing() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(kind.lock)))
            found = self._format(connection)
            if found == kind.format:
                return
            from alembic import command
            from alembic.config import Config
            from alembic.script import ScriptDirectory

            config = Config()
            config.set_main_option("script_location", kind.migrations)
            config.set_main_option("path_separator", "os")
            known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
            if found is not None and found not in known:
                raise ServiceError(
                    f"{kind.name} {self.name} has format {found!r}, newer than {kind.format!r}, the newest that "
                    "this version reads; upgrade Enfold: pip install --upgrade enfold"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, kind.format)

    def found_format(self) -> str | None:
        """The format that the database has; None when it is empty."""
        with self.reading() as connection:
            return self._format(connection)

    def _format(self, connection: sa.Connection) -> str | None:
        table = self.kind.version_table
        if not sa.inspect(connection).has_table(table):
            return None
        return connection.execute(sa.text(f"SELECT version_num FROM {table}")).scalar()

    def _reason(self, error: BaseException | None) -> str:
        """The first line of a driver's message, without passwords, and what to do about it."""
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        for sign, way_out in _WAYS_OUT.items():
            if sign in reason:
                return f"{reason}; {way_out}"
        return reason

    def _set_up_sqlite(self, connection: Any, _record: Any) -> None:
        """Settings of one connection; the driver's own transactions are off, `_begin_sqlite` opens them."""
        connection.isolation_level = None
        # Two processes that open a new file at once may both try to change its mode, and SQLite does not wait here.
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone stops at the drive's cache
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute("PRAGMA foreign_keys = ON")
        for pragma in self.kind.pragmas:
            connection.execute(f"PRAGMA {pragma}")


def _url(reference: str | Path, kind: Kind) -> sa.URL:
    """Read an address; a bare path is a SQLite file, and every PostgreSQL address goes through psycopg 3."""
    if isinstance(reference, Path) or "://" not in reference:
        return sa.URL.create("sqlite", database=str(Path(reference).expanduser()))
    try:
        url = sa.make_url(reference)
    except (sa.exc.ArgumentError, ValueError):
        # The address is not shown: it may hold a password at a place that only a parser could find.
        raise SettingsError(
            f"the address of {kind.name} cannot be read; it looks like sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST:PORT/NAME, with special characters of the password percent-encoded"
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise SettingsError(
                f"{kind.contents} must outlive the process, and {reference!r} names no file: sqlite:///FILE"
            )
        return sa.URL.create("sqlite", database=url.database)
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    known = ["sqlite", "postgresql"]
    raise SettingsError(
        f"{kind.contents} cannot be kept in {backend!r}; it can in: {', '.join(known)}{near(backend, known)}"
    )


def _shown(url: sa.URL) -> str:
    return url.difference_update_query(_SECRET_OPTIONS).render_as_string(hide_password=True)


def _secrets(url: sa.URL) -> tuple[str, ...]:
    given = [url.password, *(url.query.get(name) for name in _SECRET_OPTIONS)]
    plain = [secret for secret in given if isinstance(secret, str) and secret]
    return tuple(sorted({*plain, *(quote(secret, safe="") for secret in plain)}, key=len, reverse=True))


def _begin_sqlite(connection: sa.Connection) -> None:
    statement = connection.get_execution_options().get("begin_with", "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)


def _set_up_postgres(connection: Any, _record: Any) -> None:
    connection.execute("SET synchronous_commit = on")
    connection.commit()
