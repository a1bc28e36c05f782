"""Opening the database under the records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from enfold import databases

__all__ = ["FORMAT", "VERSION_TABLE", "Database"]

FORMAT = "0012"
"""The newest step in ``migrations/versions``: the format this version of Enfold reads and writes."""
VERSION_TABLE = "enfold_hub_version"
"""Where alembic notes the format; a name of its own, so that a PostgreSQL database may be shared."""

_CONNECTIONS = 48
_BROKEN_RULES = (IntegrityError,)  # of the schema: who wrote the statement knows what it means
_KIND = databases.Kind(
    name="the hub's database",
    contents="a hub",
    purpose="a hub on PostgreSQL",
    migrations="enfold.hub.records:migrations",
    version_table=VERSION_TABLE,
    format=FORMAT,
    lock=0x656E666875,
    pragmas=("cache_size = -16000",),
    engine={"pool_size": _CONNECTIONS, "max_overflow": 0},
)


class Database(databases.Database):
    """The engine and the transactions that the records are written in.

    Args:
        reference: a file, ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.
        migrate: whether an older format is brought up to ``format``; otherwise it is left as it is.
        format: the format that is wanted: the newest, but for whoever reads what an older version wrote.

    Raises:
        SettingsError, ServiceError, MissingExtra: as :class:`enfold.databases.Database`.
    """

    def __init__(self, reference: str | Path, *, migrate: bool = True, format: str = FORMAT) -> None:
        super().__init__(reference, replace(_KIND, format=format), migrate=migrate)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads; objects stay usable after it."""
        with (
            self.plain_errors(but=_BROKEN_RULES),
            Session(self.engine, expire_on_commit=False, autoflush=False) as session,
        ):
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that writes: on leaving it the data are on the disk, or an error was raised."""
        with (
            self.turn(),
            self.plain_errors(but=_BROKEN_RULES),
            Session(self.immediate, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
