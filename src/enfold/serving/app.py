"""The HTTP application: routes inside, and around them what every request passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from enfold import __version__
from enfold.serving.access import Access
from enfold.serving.contracts import ModelSource, Recorder
from enfold.serving.routes import add_routes
from enfold.serving.service import Service
from enfold.serving.settings import ServingSettings
from enfold.web.error_shape import install_error_shape
from enfold.web.limits import BodyLimit
from enfold.web.metrics import RequestMetrics

__all__ = ["create_app"]

_DESCRIPTION = """\
Classifies texts, records what it said, and takes corrections.

Errors all have one shape: `{"error": {"code", "message", "field"}}`. `code` is for programs; `message` says what is
wrong and the way out. An answer of 503 carries `Retry-After`, in seconds.
"""


def create_app(source: ModelSource, recorder: Recorder, settings: ServingSettings | None = None) -> FastAPI:
    """Make the application. It loads the model when its lifespan starts, and finishes what it accepted at its end.

    Args:
        source: where models come from; asked about once a second whether another is in service.
        recorder: keeps predictions and feedback.
        settings: limits and access; the defaults serve this machine only.
    """
    settings = settings or ServingSettings()
    service = Service(source, recorder, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="Enfold",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # these two load scripts from elsewhere; /docs is our own
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(RequestMetrics, registry=service.metrics.registry),
            Middleware(Access, settings=settings),
            Middleware(BodyLimit, max_bytes=settings.max_body_bytes),
        ],
    )
    app.state.service = service
    install_error_shape(app)
    add_routes(app, service)
    return app
