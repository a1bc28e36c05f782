"""Counting downloads without a transaction for each: counts are gathered and written every few seconds.

Whoever gets several files of a repository within an hour counts once. What a killed server had not written is lost;
these are counts, not records of who did what.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from concurrent.futures import Executor
from datetime import UTC, datetime
from threading import Lock

from enfold.errors import ServiceError
from enfold.hub.records import Records
from enfold.hub.records.downloads import add_downloads

__all__ = ["Downloads"]

_ONCE_WITHIN = 3600.0
_WRITTEN_EVERY = 10.0
_MOST_CALLERS = 50_000
_log = logging.getLogger(__name__)


class Downloads:
    """The downloads that one server counts.

    Args:
        records: where they are written.
        chores: runs the writing, one after another.
    """

    def __init__(self, records: Records, chores: Executor) -> None:
        self._records = records
        self._chores = chores
        self._lock = Lock()
        self._counts: Counter[int] = Counter()
        self._seen: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._written = time.monotonic()

    def note(self, caller: str, repository_id: int) -> None:
        """Somebody (an account or an address) gets a file."""
        moment = time.monotonic()
        with self._lock:
            last = self._seen.pop((caller, repository_id), None)
            self._seen[caller, repository_id] = moment if last is None or moment - last > _ONCE_WITHIN else last
            if len(self._seen) > _MOST_CALLERS:
                self._seen.popitem(last=False)
            if self._seen[caller, repository_id] != moment:
                return
            self._counts[repository_id] += 1
            due = moment - self._written > _WRITTEN_EVERY
            if due:
                self._written = moment
        if due:
            self._chores.submit(self.write)

    def write(self) -> None:
        """Write down what was counted; what cannot be written now is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with self._records.write() as session:
                add_downloads(session, counts, datetime.now(UTC).date())
        except ServiceError as error:
            _log.warning("downloads were not written down: %s", error)
            with self._lock:
                self._counts.update(counts)
