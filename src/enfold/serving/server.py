"""Serving one model: the loop of `enfold.web.server` with the settings of `ServingSettings`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from enfold.serving.settings import ServingSettings
from enfold.web import server
from enfold.web.server import Address

__all__ = ["background_server", "serve"]


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
    server.serve(create, _address(settings or ServingSettings()), on_ready=on_ready, on_late=_abandon)


@contextmanager
def background_server(create: Callable[[], FastAPI], settings: ServingSettings | None = None) -> Iterator[str]:
    """Serve from a thread of this process while the block runs; gives the server's URL.

    For notebooks, examples and tests; ``settings.port=0`` takes a free port.

    Raises:
        ServiceError, EnfoldError: as :func:`serve`.
    """
    address = _address(settings or ServingSettings(port=0))
    with server.background_server(create, address, on_late=_abandon) as url:
        yield url


def _address(settings: ServingSettings) -> Address:
    return Address(host=settings.host, port=settings.port, drain_seconds=settings.drain_seconds)


def _abandon(app: FastAPI) -> None:
    """Let go of the texts that wait in the queue."""
    app.state.service.queue.abandon()
