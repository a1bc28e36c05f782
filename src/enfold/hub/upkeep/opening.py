"""Opening a hub for upkeep: one that is there; nothing is made and nothing is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enfold.hub.records import HubRoot, Records
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState

__all__ = ["opened"]


@contextmanager
def opened(root: Path, *, database: str | None = None, blobs: str | None = None) -> Iterator[HubState]:
    """A hub, for the length of the block.

    Raises:
        SettingsError: there is no hub in the folder.
        ServiceError: a format is newer than this version reads, or the database cannot be reached.
    """
    found = HubRoot.open(root, make=False)
    settings = HubSettings(root=root, database=database, blobs=blobs, reserve_bytes=0)
    state = HubState(found, settings, Records(database or found.database))
    try:
        yield state
    finally:
        state.close()
