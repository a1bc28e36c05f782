"""Whether the hub is well, and its numbers."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.state import State
from enfold.web.metrics import metrics_page

__all__ = ["router"]

router = APIRouter(tags=["operation"], route_class=BoundedRoute)


class Health(BaseModel):
    """The hub answers, and so does its database."""

    status: str = "ok"


@router.get("/health", summary="Whether the hub and its database answer")
def health(state: State) -> Health:
    """Answers 200 when a request would be served."""
    with state.records.read() as session:
        session.execute(sa.text("SELECT 1"))
    return Health()


@router.get("/metrics", response_class=Response, summary="Numbers for Prometheus")
def metrics(state: State) -> Response:
    """All series, in the text format Prometheus reads."""
    return metrics_page(state.metrics)
