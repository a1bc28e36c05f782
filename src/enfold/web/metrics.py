"""Numbers for Prometheus: what every HTTP application counts of its requests, and the page that shows them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestMetrics", "metrics_page"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RequestMetrics:
    """An ASGI layer that counts requests and their seconds, by route, method and status.

    Routes are named by their template and everything unmatched is one name, so that addresses somebody
    makes up do not become series.

    Args:
        app: the application inside.
        registry: where the series are registered; one an application.
    """

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "enfold_http_requests",
            "Requests answered; status 499 is a client that left first.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "enfold_http_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._requests.labels(route, method, str(status)).inc()
            self._seconds.labels(route).observe(time.perf_counter() - started)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def metrics_page(registry: CollectorRegistry) -> Response:
    """All series of a registry, in the text format Prometheus reads."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
