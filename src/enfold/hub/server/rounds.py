"""Work that a server does beside its requests, again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

__all__ = ["Rounds"]

_PAUSE = 5.0  # seconds after a round that failed, at least
_log = logging.getLogger(__name__)


class Rounds:
    """A thread that does the same work every so often. A round that fails is logged and is no reason to end.

    Args:
        name: of the thread, and of the work in the log.
        work: one round.
        every: seconds between two rounds.
        at_once: whether the first begins at once, and not only after that time.
    """

    def __init__(self, name: str, work: Callable[[], None], *, every: float, at_once: bool = False) -> None:
        self._name, self._work = name, work
        self._every, self._at_once = every, at_once
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether a long round should end early."""
        return self._stopped.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way, for which five seconds are waited."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        wait = 0.0 if self._at_once else self._every
        while not self._stopped.wait(wait):
            wait = self._every
            try:
                self._work()
            except Exception:
                wait = max(wait, _PAUSE)
                _log.exception("%s failed; it is tried again in %g seconds", self._name, wait)
