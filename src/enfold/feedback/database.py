"""Opening the feedback database."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa

from enfold import databases
from enfold.feedback.tables import VERSION_TABLE

__all__ = ["FORMAT", "Database"]

FORMAT = "0001"
"""The newest step in ``migrations/versions``: the format this version of Enfold reads and writes."""

_KIND = databases.Kind(
    name="the feedback database",
    contents="feedback",
    purpose="a PostgreSQL feedback database",
    migrations="enfold.feedback:migrations",
    version_table=VERSION_TABLE,
    format=FORMAT,
    lock=0x656E666F6C64,
    pragmas=("secure_delete = ON",),  # what was forgotten is not left in the file's pages
)


class Database(databases.Database):
    """The engine and the transactions that the store is written in.

    Args:
        reference: a file, ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.

    Raises:
        SettingsError, ServiceError, MissingExtra: as :class:`enfold.databases.Database`.
    """

    def __init__(self, reference: str | Path) -> None:
        super().__init__(reference, _KIND)

    def read(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that only reads."""
        return self.reading()

    def write(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that writes: on leaving it the data are on the disk, or an error was raised."""
        return self.writing()
