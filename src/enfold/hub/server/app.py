"""The application: its layers, its routes, its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from enfold import __version__
from enfold.hub.server.deliveries import Deliveries
from enfold.hub.server.errors import ErrorAnswer, install_errors
from enfold.hub.server.housekeeping import tidy
from enfold.hub.server.limits import RateLayer
from enfold.hub.server.mirror.warning_layer import WarningLayer
from enfold.hub.server.origins import ForwardedLayer
from enfold.hub.server.paths import PathLayer
from enfold.hub.server.request_ids import RequestIdLayer
from enfold.hub.server.rounds import Rounds
from enfold.hub.server.routes import first_pieces, routers
from enfold.hub.server.state import HubState
from enfold.web.metrics import RequestMetrics

__all__ = ["create_app"]


def create_app(state: HubState) -> FastAPI:
    """The application of a hub. Starting it begins what it does beside requests; stopping it closes the database."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        every = state.settings.housekeeping_seconds
        housekeeping = Rounds("housekeeping", partial(tidy, state), every=every, at_once=True)
        housekeeping.start()
        deliveries = Deliveries(state)
        deliveries.start()
        state.scans.start()
        try:
            yield
        finally:
            housekeeping.stop()
            deliveries.stop()
            state.scans.stop()
            state.close()

    app = FastAPI(
        title="Enfold hub",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        responses={"4XX": {"model": ErrorAnswer}, "5XX": {"model": ErrorAnswer}},
    )
    app.state.hub = state
    state.taken_by_routes = first_pieces()
    install_errors(app)
    for router in routers():
        app.include_router(router)
    # The last that is added is the outermost.
    app.add_middleware(PathLayer)
    if state.mirror is not None:
        app.add_middleware(WarningLayer)
    app.add_middleware(RateLayer, per_minute=state.settings.requests_per_minute)
    app.add_middleware(ForwardedLayer, networks=state.settings.networks)
    app.add_middleware(RequestMetrics, registry=state.metrics)
    app.add_middleware(RequestIdLayer)
    return app
