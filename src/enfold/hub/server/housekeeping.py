"""What a server does beside its requests, once at its start and then every hour: what was left behind goes.

Uploads that nobody went on with for a day, and the notes of which request led to which commit, which count for an hour.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from enfold.errors import EnfoldError
from enfold.hub.records.schema import LandedCommit, now

if TYPE_CHECKING:
    from enfold.hub.server.state import HubState

__all__ = ["Housekeeping"]

_KEPT = timedelta(days=1)
_log = logging.getLogger(__name__)


class Housekeeping:
    """The thread.

    Args:
        state: the hub.
        every: seconds between two rounds.
    """

    def __init__(self, state: HubState, *, every: float = 3600.0) -> None:
        self._state = state
        self._every = every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            try:
                self._round()
            except (EnfoldError, OSError) as error:
                _log.warning("what was left behind was not removed, it is tried again in an hour: %s", error)
            if self._stopped.wait(self._every):
                return

    def _round(self) -> None:
        self._state.root.remove_abandoned()
        oldest = now() - _KEPT
        with self._state.records.read() as session:
            some = session.scalar(sa.select(LandedCommit.digest).where(LandedCommit.at < oldest).limit(1))
        if some is not None:
            with self._state.records.write() as session:
                session.execute(sa.delete(LandedCommit).where(LandedCommit.at < oldest))
