"""A folder with ``enfold.toml``, and the loop carried out in it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enfold.project.project import Project
    from enfold.project.settings import FILE_NAME, Settings, read_settings

__all__ = ["FILE_NAME", "Project", "Settings", "read_settings"]


def __getattr__(name: str) -> Any:
    if name == "Project":
        return import_module("enfold.project.project").Project
    if name in __all__:
        return getattr(import_module("enfold.project.settings"), name)
    raise AttributeError(f"module 'enfold.project' has no name {name!r}")
