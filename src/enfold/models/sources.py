"""Where a model's config and tensors come from: a folder of safetensors, or one GGUF file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from enfold.hub.gguf import find_gguf
from enfold.models.config import read_config_file
from enfold.models.weights import WEIGHTS, Checkpoint

if TYPE_CHECKING:
    from torch import Tensor

    from enfold.models.gguf import GgufCheckpoint

__all__ = ["Tensors", "open_tensors", "stored_config"]


class Tensors(Protocol):
    """Tensors by name, read when they are asked for."""

    folder: Path

    @property
    def names(self) -> list[str]:
        """The names of all tensors."""

    def tensor(self, name: str) -> Tensor:
        """One of them."""


def stored_config(path: Path) -> dict[str, Any]:
    """The ``config.json`` of a model folder, or what a GGUF file says in its place.

    Raises:
        CheckpointError: there is neither, or it cannot be read.
    """
    file = _gguf(path)
    return read_config_file(path) if file is None else _opened(file, file.stat().st_mtime_ns).config_values()


def open_tensors(path: Path, weights: str = WEIGHTS) -> Tensors:
    """The tensors of a model folder, in the file of that name, or of a GGUF file.

    Raises:
        CheckpointError: there are none, or a file is damaged.
    """
    file = _gguf(path)
    if file is not None:
        return _opened(file, file.stat().st_mtime_ns)
    return Checkpoint(path, weights)


def _gguf(path: Path) -> Path | None:
    """The GGUF file that is meant; a folder with a ``config.json`` is a folder of safetensors."""
    return None if (path / "config.json").is_file() else find_gguf(path)


@lru_cache(maxsize=1)
def _opened(file: Path, changed: int) -> GgufCheckpoint:
    """The file, open; asked for twice in a row, for the config and then for the tensors."""
    from enfold.models.gguf import GgufCheckpoint

    return GgufCheckpoint(file)
