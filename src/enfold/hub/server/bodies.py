"""How much of a body is read into memory: a route class for everything that is JSON or a form.

Routes that take content stream it, bound it themselves, and are plain ones.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from enfold.hub.server.errors import HubError

__all__ = ["BoundedRoute"]


class BoundedRoute(APIRoute):
    """A route that refuses bodies over ``max_json_bytes`` of the settings (413)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, on a body with a bound."""
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            most: int = request.app.state.hub.settings.max_json_bytes
            declared = request.headers.get("content-length", "")
            if declared.isdigit() and int(declared) > most:
                raise _too_large(most)
            return await handle(Request(request.scope, _counted(request.receive, most)))

        return bounded


def _counted(receive: Receive, most: int) -> Receive:
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise _too_large(most)
        return message

    return counted


def _too_large(most: int) -> HubError:
    # The rest of the body is not read, so the connection cannot be used again.
    return HubError(413, f"the body is larger than {most} bytes; send less at once", headers={"Connection": "close"})
