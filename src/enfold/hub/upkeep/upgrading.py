"""Bringing the records of a hub to the format of this version: first a copy of them, then the steps."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from enfold.errors import ServiceError
from enfold.hub.records import HubRoot, Records
from enfold.hub.records.database import FORMAT, Database
from enfold.hub.store.spool import make_folder, sync_folder
from enfold.hub.upkeep.dumps import dump, snapshot
from enfold.hub.upkeep.exclusive import alone

__all__ = ["upgrade"]


def upgrade(root: Path, *, database: str | None = None) -> Path | None:
    """Back the records up below the root, and bring them up to date; the copy, or None when there was nothing to do.

    A SQLite database is copied as it is, and the copy can take its place again; a PostgreSQL one is written out as
    `enfold.hub.upkeep.dumps` says. No server may run meanwhile.

    Raises:
        SettingsError: there is no hub in the folder.
        ServiceError: a server, a backup or a clean-up runs; or the format is newer than this version reads.
    """
    found = HubRoot.open(root, make=False)
    reference = database or found.database
    old = Database(reference, migrate=False)
    try:
        with found.only_server(), alone(found, old, "an upgrade"):
            format = old.found_format()
            copy = _copied(found, old, format) if format is not None and format < FORMAT else None
            Records(reference).close()
            return copy
    finally:
        old.close()


def _copied(root: HubRoot, database: Database, format: str) -> Path:
    folder = root.path / "backups"
    make_folder(folder)
    folder.chmod(0o700)
    kind = "sqlite" if database.is_sqlite else "jsonl.gz"
    copy = folder / f"records-{format}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{kind}"
    if copy.exists():
        raise ServiceError(f"{copy} is there already; try again in a second")
    if database.is_sqlite:
        with database.outside_transactions() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(copy),))
    else:
        with snapshot(database) as connection:
            dump(connection, format, copy)
    copy.chmod(0o600)
    with copy.open("rb+") as file:
        os.fsync(file.fileno())
    sync_folder(folder)
    return copy
