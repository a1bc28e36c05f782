"""One at a time: a clean-up never runs beside another one, nor beside a backup.

The lock is a file in the root, and for PostgreSQL a lock of the database as well, because a root can be shared by a
network file system that knows no locks. Both go with the process that held them.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from enfold.errors import ServiceError
from enfold.hub.records import HubRoot
from enfold.hub.records.database import Database

__all__ = ["alone"]

_NUMBER = 0x656E6675706B
_PAUSE_SECONDS = 0.5


@contextmanager
def alone(root: HubRoot, database: Database, work: str, *, wait: bool = False) -> Iterator[None]:
    """Be the only one that does such work while the block runs.

    Args:
        root: the hub.
        database: its database.
        work: what is done, for the message that others get: ``a backup``.
        wait: wait until the other has ended, instead of giving up.

    Raises:
        ServiceError: somebody else is at work.
    """
    with (root.path / "upkeep.lock").open("a+") as file:
        while not _locked(file.fileno()):
            if not wait:
                file.seek(0)
                raise _busy(root, file.read(200))
            time.sleep(_PAUSE_SECONDS)
        file.truncate(0)
        file.write(f"{work} (process {os.getpid()})")
        file.flush()
        try:
            with _alone_in_database(root, database, wait=wait):
                yield
        finally:
            file.truncate(0)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _alone_in_database(root: HubRoot, database: Database, *, wait: bool) -> Iterator[None]:
    if database.is_sqlite:  # it lies in the root, and so does the lock
        yield
        return
    with database.outside_transactions() as connection:
        while not connection.execute(sa.select(sa.func.pg_try_advisory_lock(_NUMBER))).scalar():
            if not wait:
                raise _busy(root, "")
            time.sleep(_PAUSE_SECONDS)
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_NUMBER)))


def _busy(root: HubRoot, holder: str) -> ServiceError:
    return ServiceError(f"{holder or 'another clean-up or backup'} is at work on {root.path}; wait until it has ended")
