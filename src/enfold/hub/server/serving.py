"""Serving a hub: its root opened, its records brought up to date, its address bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI

from enfold.errors import ServiceError
from enfold.hub.records import HubRoot, Records
from enfold.hub.records.database import FORMAT, Database
from enfold.hub.server.app import create_app
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState
from enfold.web import server
from enfold.web.server import Address

__all__ = ["background_hub", "open_hub", "serve_hub"]


def open_hub(settings: HubSettings) -> HubState:
    """Open a root and its records, and make them when they are not there.

    Raises:
        SettingsError: the folder holds something else.
        ServiceError: a format is newer than this version reads, or older than it writes, or the database cannot be
            reached.
    """
    root = HubRoot.open(settings.root)
    reference = settings.database or root.database
    _check_format(reference, settings.root)
    return HubState(root, settings, Records(reference))


def _check_format(reference: str | Path, root: Path) -> None:
    """Refuse records of an older format: bringing them up to date is a step that is taken on purpose, with a copy."""
    database = Database(reference, migrate=False)
    try:
        found = database.found_format()
    finally:
        database.close()
    if found is not None and found < FORMAT:
        raise ServiceError(
            f"the records of this hub have format {found!r}, and this version writes {FORMAT!r}; "
            f"run: enfold hub upgrade --root {root}"
        )


def serve_hub(settings: HubSettings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve a hub until SIGTERM or SIGINT; then answer what was accepted, and return.

    Raises:
        ServiceError: the root is being served already, or the port is in use.
        SettingsError: the folder holds something else.
    """
    with HubRoot.open(settings.root).only_server():
        server.serve(lambda: _app(settings), _address(settings), on_ready=on_ready)


@contextmanager
def background_hub(settings: HubSettings) -> Iterator[str]:
    """Serve a hub from a thread of this process while the block runs; gives its URL. For tests and notebooks."""
    with (
        HubRoot.open(settings.root).only_server(),
        server.background_server(lambda: _app(settings), _address(settings)) as url,
    ):
        yield url


def _app(settings: HubSettings) -> FastAPI:
    return create_app(open_hub(settings))


def _address(settings: HubSettings) -> Address:
    return Address(
        host=settings.host,
        port=settings.port,
        drain_seconds=settings.drain_seconds,
        tls_certificate=settings.tls_certificate,
        tls_key=settings.tls_key,
    )
