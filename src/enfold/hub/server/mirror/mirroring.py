"""When the upstream hub is asked, and what is answered meanwhile, or when it does not answer.

A repository that nobody here has is asked for upstream, once however many wait for it. One that is kept is compared
with the upstream one when the last look is older than the settings say; who comes while another looks gets what is
kept, and so do all while the upstream hub is down, with a warning.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from enfold.errors import EnfoldError
from enfold.hub.records import Principal, links, may
from enfold.hub.records.mirror_readers import reader_ids
from enfold.hub.records.names import fold
from enfold.hub.records.repositories import find_repository, locate_repository
from enfold.hub.records.schema import Mirror as Row
from enfold.hub.records.schema import Repository, now
from enfold.hub.server.contents import Content, large_content
from enfold.hub.server.errors import HubError
from enfold.hub.server.mirror.keeping import fail, keep_new, may_be_mirrored, renew, withdraw
from enfold.hub.server.mirror.transfers import Transfers
from enfold.hub.server.mirror.upstream import Described, NotGiven, Place, Renamed, Unreachable, Upstream

if TYPE_CHECKING:
    from enfold.hub.server.state import HubState

__all__ = ["Mirror", "Outcome"]

_MOST_WAITING = 16
_MOST_REMEMBERED = 4096
_WORTH_A_TRY = 15.0
_FIRST_BYTES = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a repository that was asked for."""

    warning: str | None = None
    """For the client, of the form ``topic; message``."""
    other_name: str | None = None
    """Under which the upstream hub has it."""
    opened: int | None = None
    """The repository that came just now, when the caller is one of its listed readers."""


class Mirror:
    """What this hub keeps of the upstream one.

    Args:
        state: this hub; its settings name the other.
    """

    def __init__(self, state: HubState) -> None:
        settings = state.settings
        assert settings.upstream is not None
        self._state = state
        self._upstream = Upstream(settings.upstream, settings.upstream_token, settings.webhook_networks)
        self._transfers = Transfers(state, self._upstream)
        self._lock = threading.Lock()
        self._turns: WeakValueDictionary[tuple[str, str], _Turn] = WeakValueDictionary()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._refused: OrderedDict[tuple[str, str], tuple[float, HubError | None]] = OrderedDict()
        self._down_until = 0.0

    def close(self) -> None:
        """Give up what is on its way."""
        self._transfers.close()

    # Repositories ----------------------------------------------------------------------------------------------

    def bring(self, principal: Principal, type: str, full_name: str) -> Outcome:
        """Have a repository here, as new as the settings ask for, if it is upstream and the caller may read it.

        Raises:
            HubError: the upstream hub does not answer, and nothing is kept; or it holds what this hub refuses.
        """
        with self._state.records.read() as session:
            found, moved = locate_repository(session, type, full_name)
            row = None if found is None else session.get(Row, found.id)
        if found is None:
            return self._bring_new(principal, type, full_name)
        if row is None or moved or not may(principal, "read", found):
            return Outcome()
        if self._is_due(row):
            with self._turn(type, full_name, wait=False) as mine:
                if mine:
                    self._renew(found, Place(type, row.upstream))
            with self._state.records.read() as session:
                row = session.get(Row, found.id)
        return Outcome(None if row is None else self._warning(row))

    def _bring_new(self, principal: Principal, type: str, full_name: str) -> Outcome:
        """Fetch a repository that is not here."""
        with self._state.records.read() as session:
            if not may_be_mirrored(self._state, session, full_name):
                return Outcome()
        with self._patience(), self._turn(type, full_name):
            with self._state.records.read() as session:
                readers = reader_ids(session, type, full_name)
                found = find_repository(session, type, full_name)
            is_reader = bool(readers & principal.roles.keys())
            if found is not None:  # it came while this one waited for its turn
                return Outcome(opened=found.id if found.mirrored and is_reader else None)
            if self._is_refused(type, full_name):
                return Outcome()
            place = Place(type, full_name)
            try:
                described = self._described(place)
                is_open = not (described.private or described.gated)
                if not is_open and not (readers and (is_reader or principal.is_admin)):
                    return Outcome()
                made = keep_new(self._state, self._upstream, place, described)
                return Outcome(opened=made.id if made is not None and is_reader else None)
            except Renamed as error:
                return Outcome(other_name=error.full_name)
            except NotGiven:
                self._refuse(type, full_name, None)
            except Unreachable as error:
                _log.warning("%s %s was not mirrored: %s", type, full_name, error)
                raise _not_kept(f"{type} {full_name}", self._upstream.url) from error
            except HubError as error:
                self._refuse(type, full_name, error)
                raise
        return Outcome()

    def _renew(self, repository: Repository, place: Place) -> None:
        try:
            described = self._described(place)
            if (described.private or described.gated) and not self._is_listed(repository):
                self._note(repository, "it is not open to everybody there any more", closed=True)
                return
            renew(self._state, self._upstream, repository, place, described)
        except NotGiven:
            self._note(repository, "it is not there any more", closed=True)
        except (EnfoldError, HubError, OSError) as error:
            self._note(repository, str(error) if isinstance(error, Renamed) else "it could not be compared")
            _log.warning("%s %s was not made equal: %s", repository.type, repository.full_name, error)

    def _described(self, place: Place) -> Described:
        """What the upstream hub says; after it did not answer, it is left alone for a while.

        Raises:
            HubError: it did not answer a moment ago.
        """
        if time.monotonic() < self._down_until:
            raise _not_kept(f"{place.type} {place.full_name}", self._upstream.url)
        try:
            found = self._upstream.describe(place)
        except Unreachable as error:
            self._down_until = time.monotonic() + min(_WORTH_A_TRY, self._state.settings.upstream_seconds)
            _log.warning("the upstream hub is not asked for a while: %s", error)
            raise
        return found

    def _is_due(self, row: Row) -> bool:
        last = max(moment for moment in (row.fetched_at, row.failed_at) if moment is not None)
        return (now() - last).total_seconds() >= self._state.settings.upstream_seconds

    def _warning(self, row: Row) -> str | None:
        if row.failed_at is None or row.fetched_at is None:
            return None
        fault = row.state.get("fault", "it could not be compared")
        return (
            f"mirror; {row.upstream} of {self._upstream.url}: {fault}; this is what was there on "
            f"{row.fetched_at:%Y-%m-%d at %H:%M} UTC"
        )

    def _note(self, repository: Repository, fault: str, *, closed: bool = False) -> None:
        with self._state.records.write() as session:
            (withdraw if closed else fail)(session, repository, fault)

    def _is_listed(self, repository: Repository) -> bool:
        with self._state.records.read() as session:
            return bool(reader_ids(session, repository.type, repository.full_name))

    # Large files -------------------------------------------------------------------------------------------------

    def large(self, repository: Repository, sha256: str, size: int, *, only_head: bool = False) -> Content | None:
        """A large file that is not kept yet; None when the upstream hub does not give it.

        Where files are judged by what is in them, it is whole when it is given; else it may still be arriving.

        Args:
            repository: mirrored, and the caller may have its files.
            sha256: of the file.
            size: of the file.
            only_head: nothing of the file itself is asked for.

        Raises:
            HubError: the upstream hub does not answer, or the file is one that this hub refuses.
        """
        if only_head:
            return Content(size, sha256, True, _nothing, arriving=_nothing_later)
        with self._state.records.read() as session:
            row = session.get(Row, repository.id)
        if row is None:
            return None
        transfer = self._transfers.of(repository, Place(repository.type, row.upstream), sha256, size)
        if transfer is not None:
            judged = self._state.settings.unsafe_files != "warn"
            try:
                with self._patience():
                    if not transfer.wait(_FIRST_BYTES, whole=judged):
                        raise _not_yet(f"the large file {sha256}")
            except NotGiven:
                return None
            except Unreachable as error:
                raise _not_kept(f"the large file {sha256}", self._upstream.url) from error
            if not judged:
                return Content(size, sha256, True, transfer.read, arriving=transfer.arriving)
        with self._state.records.read() as session:
            file = links.large_file(session, sha256) if links.is_linked(session, repository, sha256) else None
        return None if file is None or file.size != size else large_content(self._state, file)

    # Turns -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Wait for the upstream hub, if not too many do."""
        if not self._waiting.acquire(blocking=False):
            raise _not_yet("this")
        try:
            yield
        finally:
            self._waiting.release()

    @contextmanager
    def _turn(self, type: str, full_name: str, *, wait: bool = True) -> Iterator[bool]:
        """Be the one who asks for a repository; whether one is."""
        with self._lock:
            key = (type, fold(full_name))
            turn = self._turns.get(key)
            if turn is None:
                turn = self._turns[key] = _Turn()
        mine = turn.lock.acquire(blocking=wait)
        try:
            yield mine
        finally:
            if mine:
                turn.lock.release()

    def _is_refused(self, type: str, full_name: str) -> bool:
        with self._lock:
            until, error = self._refused.get((type, fold(full_name)), (0.0, None))
        if time.monotonic() >= until:
            return False
        if error is not None:
            raise error
        return True

    def _refuse(self, type: str, full_name: str, error: HubError | None) -> None:
        """Remember for a while that there is no such repository upstream, or none that is taken here."""
        with self._lock:
            self._refused[type, fold(full_name)] = time.monotonic() + self._state.settings.upstream_seconds, error
            while len(self._refused) > _MOST_REMEMBERED:
                self._refused.popitem(last=False)


class _Turn:
    """A lock that a weak dictionary can hold."""

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()


def _nothing(start: int, length: int) -> Iterator[bytes]:
    return iter(())


async def _nothing_later(start: int, length: int) -> AsyncIterator[bytes]:
    for piece in _nothing(start, length):
        yield piece


def _not_kept(what: str, url: str) -> HubError:
    message = f"{what} is not kept here, and the upstream hub {url} cannot be asked now"
    return HubError(503, message, headers={"Retry-After": "15"})


def _not_yet(what: str) -> HubError:
    return HubError(503, f"{what} is still on its way from the upstream hub; ask again", headers={"Retry-After": "5"})
