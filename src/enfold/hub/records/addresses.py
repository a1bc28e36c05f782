"""How a person writes which repository they mean, of whatever type."""

from __future__ import annotations

from enfold.hub.records.repositories import RepositoryType

__all__ = ["typed_name"]

_PLACES: dict[str, RepositoryType] = {"datasets": "dataset", "spaces": "space", "models": "model"}


def typed_name(text: str) -> tuple[RepositoryType, str]:
    """Type and name of ``owner/name`` (a model), ``datasets/owner/name`` or ``spaces/owner/name``."""
    first, _, rest = text.partition("/")
    if first in _PLACES and rest:
        return _PLACES[first], rest
    return "model", text
