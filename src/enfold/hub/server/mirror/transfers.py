"""Large files on their way from the upstream hub: fetched once however many ask, and given out while they arrive.

The last byte is given only when the sha256 of the whole was right and the file is kept: who reads a file to its end
has the right one, and of another nobody gets the whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from enfold.errors import EnfoldError, ServiceError
from enfold.hub.records import links, refs, scan_queue
from enfold.hub.records.schema import Repository
from enfold.hub.server.errors import HubError
from enfold.hub.server.mirror.upstream import Place, Unreachable, Upstream
from enfold.hub.server.safety import refuse_large
from enfold.hub.store import LargeFile

if TYPE_CHECKING:
    from enfold.hub.server.state import HubState

__all__ = ["Transfer", "Transfers"]

_PIECE = 1 << 20
_TRIES = 5
_AT_ONCE = 8
_ROOM_EVERY = 64 << 20
_log = logging.getLogger(__name__)


class Transfer:
    """One large file on its way.

    Args:
        state: this hub.
        sha256: of the file.
        size: of the file.
    """

    def __init__(self, state: HubState, sha256: str, size: int) -> None:
        self.sha256 = sha256
        self.size = size
        self._state = state
        self._path = state.root.tmp / f"mirror-{secrets.token_hex(12)}"
        # Readers hold the transfer, and the transfer the file, which they read on after it was moved to its place.
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        weakref.finalize(self, os.close, self._descriptor)
        self._changed = threading.Condition()
        self._received = 0
        self._is_whole = False
        self._fault: BaseException | None = None

    # The side that fetches -------------------------------------------------------------------------------------

    def run(self, upstream: Upstream, place: Place, keep: Callable[[LargeFile], None], stop: threading.Event) -> None:
        """Fetch the file, check it, and keep it; what goes wrong is told to those who wait."""
        try:
            self._state.blobs.spool.check_room(self.size)
            self._fetch(upstream, place, stop)
            keep(self._state.large_files.adopt(self.sha256, self.size, self._path))
        except (EnfoldError, HubError, OSError) as error:
            _log.warning("the large file %s of %s was not fetched: %s", self.sha256, place.full_name, error)
            self._set(fault=error)
        except BaseException as error:
            self._set(fault=error)
            raise
        else:
            self._set(whole=True)
        finally:
            self._path.unlink(missing_ok=True)

    def _fetch(self, upstream: Upstream, place: Place, stop: threading.Event) -> None:
        digest = hashlib.sha256()
        tries = 0
        while self._received < self.size:
            try:
                self._go_on(upstream, place, digest.update, stop)
            except Unreachable:
                tries += 1
                if not self._received or tries == _TRIES or stop.wait(tries):
                    raise
        if digest.hexdigest() != self.sha256:
            raise ServiceError(f"{upstream.url} gave other bytes than those of sha256 {self.sha256}: nothing was kept")

    def _go_on(self, upstream: Upstream, place: Place, update: Callable[[bytes], None], stop: threading.Event) -> None:
        start = self._received
        with upstream.large_file(place, self.sha256, self.size, start=start) as answer:
            skip = start if answer.status == 200 else 0
            while piece := answer.read(_PIECE):
                if stop.is_set():
                    raise ServiceError("this hub is being stopped")
                skipped, piece = min(skip, len(piece)), piece[skip:]
                skip -= skipped
                if self._received + len(piece) > self.size:
                    raise ServiceError(f"{upstream.url} gave more than the {self.size} bytes of {self.sha256}")
                if self._received // _ROOM_EVERY != (self._received + len(piece)) // _ROOM_EVERY:
                    self._state.blobs.spool.check_room(0)
                at = 0
                while at < len(piece):
                    at += os.pwrite(self._descriptor, piece[at:], self._received + at)
                update(piece)
                self._set(received=self._received + len(piece))
        if self._received < self.size:
            raise Unreachable(f"{upstream.url} broke off after {self._received} of {self.size} bytes")

    def _set(self, *, received: int | None = None, whole: bool = False, fault: BaseException | None = None) -> None:
        with self._changed:
            self._received = self._received if received is None else received
            self._is_whole = self._is_whole or whole
            self._fault = fault
            self._changed.notify_all()

    # The side that reads ---------------------------------------------------------------------------------------

    def wait(self, seconds: float | None = None, *, whole: bool = False) -> bool:
        """Wait for the first bytes, or for the whole file; whether they came in time.

        Raises:
            EnfoldError, OSError: the file does not come.
        """

        def there() -> bool:
            return self._fault is not None or self._is_whole or (not whole and self._received > 0)

        with self._changed:
            came = self._changed.wait_for(there, seconds)
            if self._fault is not None:
                raise self._fault
        return came

    def read(self, start: int, length: int) -> Iterator[bytes]:
        """A range, once the whole is there."""
        self.wait(whole=True)
        for at in range(start, start + length, _PIECE):
            yield os.pread(self._descriptor, min(_PIECE, start + length - at), at)

    async def arriving(self, start: int, length: int) -> AsyncIterator[bytes]:
        """A range as it comes. One that ends before the file does is given when the whole was checked."""
        at, end = start, start + length
        pause = 0.005
        while at < end:
            with self._changed:
                if self._fault is not None:
                    raise ServiceError(f"the large file {self.sha256} does not come: {self._fault}")
                ready = self.size if self._is_whole else min(self._received, self.size - 1)
                ready = ready if self._is_whole or end == self.size else 0
            if ready > at:
                piece = await run_in_threadpool(os.pread, self._descriptor, min(_PIECE, ready - at, end - at), at)
                at += len(piece)
                pause = 0.005
                yield piece
            else:
                await asyncio.sleep(pause)
                pause = min(0.2, pause * 1.5)


class Transfers:
    """The large files that are on their way to this hub.

    Args:
        state: this hub.
        upstream: the upstream hub.
    """

    def __init__(self, state: HubState, upstream: Upstream) -> None:
        self._state = state
        self._upstream = upstream
        self._lock = threading.Lock()
        self._running: dict[tuple[int, str], Transfer] = {}
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="mirror")

    def of(self, repository: Repository, place: Place, sha256: str, size: int) -> Transfer | None:
        """The transfer of a large file to a repository, begun when there is none; None when it is kept by now.

        A file that another repository keeps is fetched all the same: that the upstream hub would give it to this one
        is known only when it did.
        """
        key = (repository.id, sha256)
        with self._lock:
            running = self._running.get(key)
            if running is not None:
                return running
            with self._state.records.read() as session:
                if links.is_linked(session, repository, sha256):
                    return None
            started = self._running[key] = Transfer(self._state, sha256, size)
            self._threads.submit(self._run, key, started, repository, place)
        return started

    def _run(self, key: tuple[int, str], transfer: Transfer, repository: Repository, place: Place) -> None:
        started = time.monotonic()
        try:
            transfer.run(self._upstream, place, lambda file: self._keep(repository, file), self._stop)
            _log.info("fetched %s of %s in %.1f s", transfer.sha256, place.full_name, time.monotonic() - started)
        finally:
            with self._lock:
                self._running.pop(key, None)

    def _keep(self, repository: Repository, file: LargeFile) -> None:
        """Let the repository use the file, and have it looked at, which was not there when its commit was."""
        refuse_large(self._state, file)
        with self._state.records.write() as session:
            mine = session.get(Repository, repository.id)
            if mine is None:
                raise ServiceError(f"{repository.full_name} was deleted meanwhile")
            links.put_arrived(session, file, self._state.blobs)
            links.link(session, mine, [file.sha256], by_id=None)
            for ref in refs.refs_of(session, mine):
                scan_queue.ask(session, mine, ref.commit, None)

    def close(self) -> None:
        """Give up what is on its way."""
        self._stop.set()
        self._threads.shutdown(cancel_futures=True)
