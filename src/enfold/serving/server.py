"""Running the application on granian, in this process: one model, one event loop, one listening socket.

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
from typing import Any

from fastapi import FastAPI
from granian.constants import HTTPModes, Interfaces
from granian.net import SocketHolder
from granian.server.embed import Server

from enfold.errors import ServiceError
from enfold.serving.settings import ServingSettings

__all__ = ["background_server", "serve"]

_BACKLOG = 2048
_CONNECTIONS = 8192
_SWITCH_SECONDS = 0.0005

_log = logging.getLogger(__name__)


def serve(
    create: Callable[[], FastAPI],
    settings: ServingSettings | None = None,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then answer what was accepted, and return.

    Args:
        create: makes the application; called when the port is taken.
        settings: address, and how long to go on answering after the signal.
        on_ready: called with the server's URL when requests are taken.

    Raises:
        ServiceError: the port is in use, or the address is not this machine's.
        EnfoldError: whatever keeps the model from loading.
    """
    settings = settings or ServingSettings()
    with _listening(settings) as listener:
        asyncio.run(_Running(create, settings, listener, on_ready).run(with_signals=True))


@contextmanager
def background_server(create: Callable[[], FastAPI], settings: ServingSettings | None = None) -> Iterator[str]:
    """Serve from a thread of this process while the block runs; gives the server's URL.

    For notebooks, examples and tests; ``settings.port=0`` takes a free port.

    Raises:
        ServiceError, EnfoldError: as :func:`serve`.
    """
    settings = settings or ServingSettings(port=0)
    ready = threading.Event()
    urls: list[str] = []
    failures: list[BaseException] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    with _listening(settings) as listener:
        running = _Running(create, settings, listener, on_ready)

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

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
            # Connections it serves at once: the queue, not the socket, is what says no.
            backpressure=_CONNECTIONS,
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
        settings: ServingSettings,
        listener: socket.socket,
        on_ready: Callable[[str], None] | None,
    ) -> None:
        self._create = create
        self._settings = settings
        self._listener = listener
        self._on_ready = on_ready
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
        url = _url(self._listener)
        server = _Embedded(app, self._listener)
        serving = asyncio.create_task(server.serve())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.sleep(0)
        if self._on_ready is not None:
            self._on_ready(url)
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if serving.done():
            raise ServiceError("the HTTP server stopped by itself") from serving.exception()
        server.stop()
        _, late = await asyncio.wait({serving}, timeout=self._settings.drain_seconds)
        if late:
            _log.warning("not all requests were answered within %g seconds", self._settings.drain_seconds)
            app.state.service.queue.abandon()
            await asyncio.wait({serving}, timeout=1)
            serving.cancel()


@contextmanager
def _listening(settings: ServingSettings) -> Iterator[socket.socket]:
    """A socket that listens at the settings' address."""
    where = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ServiceError(f"cannot listen on {where}: no such address ({error.strerror})") from error
    with socket.socket(family, kind, protocol) as listener:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
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


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
        yield
    finally:
        for number in handled:
            signal.signal(number, previous[number])


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _quick_switches() -> Iterator[None]:
    """Let threads take turns more often: the model's thread asks for the interpreter between any two operations.

    By default a thread that wants it waits up to 5 ms while the event loop works, a hundred times a batch.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
