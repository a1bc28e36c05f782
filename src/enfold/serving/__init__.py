"""The model in service over HTTP: predictions recorded before they are answered, and corrections taken.

Importing this imports neither the web framework nor torch; they come with ``create_app`` and ``serve``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from enfold.errors import require
from enfold.serving.contracts import ModelSource, Recorder
from enfold.serving.settings import ServingSettings

if TYPE_CHECKING:
    from enfold.serving.app import create_app
    from enfold.serving.server import background_server, serve

__all__ = ["ModelSource", "Recorder", "ServingSettings", "background_server", "create_app", "serve"]

_HOMES = {
    "create_app": "enfold.serving.app",
    "serve": "enfold.serving.server",
    "background_server": "enfold.serving.server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'enfold.serving' has no name {name!r}")
    for module in ("fastapi", "granian", "prometheus_client"):
        require(module, extra="serve", purpose="serving over HTTP")
    return getattr(import_module(_HOMES[name]), name)
