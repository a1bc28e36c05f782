"""Running an application on granian, in this process: one event loop, one listening socket.

granian's embedded server runs on our own event loop. That leaves three things to us, all wanted here: the
socket is bound before anything is loaded, so that a port in use is said at once; the application's lifespan
is ours, so that a model that does not load is an error and not a log entry; and on SIGTERM the server stops
accepting, answers what it has accepted, and only then does the lifespan end.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from granian.constants import HTTPModes, Interfaces
from granian.net import SocketHolder
from granian.server.embed import Server

from enfold.errors import ServiceError

__all__ = ["Address", "background_server", "serve"]

_BACKLOG = 2048
_CONNECTIONS = 8192
_SWITCH_SECONDS = 0.0005

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens, and how long it goes on answering after it was told to stop."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    drain_seconds: float = 30.0
    tls_certificate: Path | None = None
    """PEM file with the certificate and its chain; with ``tls_key`` the server speaks https."""
    tls_key: Path | None = None


def serve(
    create: Callable[[], FastAPI],
    address: Address,
    *,
    on_ready: Callable[[str], None] | None = None,
    on_late: Callable[[FastAPI], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then answer what was accepted, and return.

    Args:
        create: makes the application; called when the port is taken.
        address: where, and how long to go on answering after the signal.
        on_ready: called with the server's URL when requests are taken.
        on_late: called with the application when the time to go on answering is over.

    Raises:
        ServiceError: the port is in use, or the address is not this machine's.
        EnfoldError: whatever keeps the application from starting.
    """
    with _listening(address) as listener:
        asyncio.run(_Running(create, address, listener, on_ready, on_late).run(with_signals=True))


@contextmanager
def background_server(
    create: Callable[[], FastAPI], address: Address, *, on_late: Callable[[FastAPI], None] | None = None
) -> Iterator[str]:
    """Serve from a thread of this process while the block runs; gives the server's URL.

    For notebooks, examples and tests.

    Raises:
        ServiceError, EnfoldError: as :func:`serve`.
    """
    ready = threading.Event()
    urls: list[str] = []
    failures: list[BaseException] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    with _listening(address) as listener:
        running = _Running(create, address, listener, on_ready, on_late)

        def run() -> None:
            try:
                asyncio.run(running.run(with_signals=False))
            except BaseException as error:
                failures.append(error)
            finally:
                ready.set()

        thread = threading.Thread(target=run, name="enfold-server", daemon=True)
        thread.start()
        ready.wait()
        try:
            if urls:
                yield urls[0]
        finally:
            running.stop_soon()
            thread.join()
        if failures:
            raise failures[0]


class _Embedded(Server):
    """granian's embedded server on a socket that listens already."""

    def __init__(self, app: FastAPI, listener: socket.socket, address: Address) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
            # Connections it serves at once: the application, not the socket, is what says no.
            backpressure=_CONNECTIONS,
            ssl_cert=address.tls_certificate,
            ssl_key=address.tls_key,
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        # granian owns the descriptor from here on, and closes it when it stops accepting.
        self._shd = SocketHolder(self._listener.detach(), False, _BACKLOG)  # type: ignore[call-arg, assignment]


class _Running:
    """One run of a server, from the bound socket to the last answer."""

    def __init__(
        self,
        create: Callable[[], FastAPI],
        address: Address,
        listener: socket.socket,
        on_ready: Callable[[str], None] | None,
        on_late: Callable[[FastAPI], None] | None,
    ) -> None:
        self._create = create
        self._address = address
        self._listener = listener
        self._on_ready = on_ready
        self._on_late = on_late
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    async def run(self, *, with_signals: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        app = self._create()
        with _signals(self._loop, self._stopping.set) if with_signals else _nothing(), _quick_switches():
            async with app.router.lifespan_context(app):
                await self._serve(app)

    def stop_soon(self) -> None:
        """Begin to stop; may be called from any thread, also when it runs no longer."""
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self, app: FastAPI) -> None:
        assert self._stopping is not None
        url = _url(self._listener, "https" if self._address.tls_certificate else "http")
        server = _Embedded(app, self._listener, self._address)
        serving = asyncio.create_task(server.serve())
        stopping = asyncio.create_task(self._stopping.wait())
        # One turn for granian to start its worker and one for the worker to begin; told to stop before, it never ends.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self._on_ready is not None:
            self._on_ready(url)
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if serving.done():
            raise ServiceError("the HTTP server stopped by itself") from serving.exception()
        server.stop()
        _, late = await asyncio.wait({serving}, timeout=self._address.drain_seconds)
        if late:
            _log.warning("not all requests were answered within %g seconds", self._address.drain_seconds)
            if self._on_late is not None:
                self._on_late(app)
            await asyncio.wait({serving}, timeout=1)
            serving.cancel()


@contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    """A socket that listens at the address."""
    where = f"{address.host}:{address.port}"
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ServiceError(f"cannot listen on {where}: no such address ({error.strerror})") from error
    with socket.socket(family, kind, protocol) as listener:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(place)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise ServiceError(_refusal(where, error)) from error
        listener.setblocking(False)
        yield listener


def _refusal(where: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {where}: the port is in use; stop what uses it, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"cannot listen on {where}: not allowed; choose a port above 1023 with --port"
    return f"cannot listen on {where}: {error.strerror}"


def _url(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` on SIGTERM and SIGINT; a second signal does what it does by default."""
    handled = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.getsignal(number) for number in handled}

    def on_signal(number: int, frame: Any) -> None:
        for each in handled:
            signal.signal(each, previous[each])
        loop.call_soon_threadsafe(stop)

    for number in handled:
        signal.signal(number, on_signal)
    try:
        with _woken_by_signals(loop):
            yield
    finally:
        for number in handled:
            signal.signal(number, previous[number])


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let a signal wake the loop: one that comes just before it begins to wait would be seen when something else does.

    On Windows the loop wakes by itself.
    """
    if sys.platform == "win32":
        yield
        return
    reading, writing = socket.socketpair()
    with reading, writing:
        reading.setblocking(False)
        writing.setblocking(False)
        loop.add_reader(reading, reading.recv, 4096)
        before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(reading)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _quick_switches() -> Iterator[None]:
    """Let threads take turns more often: those that answer ask for the interpreter between any two operations.

    By default a thread that wants it waits up to 5 ms while the event loop works, a hundred times a batch.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
