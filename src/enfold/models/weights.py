"""Tensors between a model folder and a model, both ways.

Reading maps the safetensors files into memory and hands their tensors to a model built on the meta device:
no second copy, and nothing is initialised that the file holds.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from enfold.errors import CheckpointError
from enfold.files import atomic_file, read_json

if TYPE_CHECKING:
    from enfold.hub import Located

__all__ = ["Checkpoint", "LoadingReport", "find_model", "write_tensors"]

log = logging.getLogger("enfold.models")

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth", "training_args.bin")


@dataclass(frozen=True)
class LoadingReport:
    """What reading a checkpoint did.

    Attributes:
        initialised: parameters the file does not have, newly initialised at random.
        mismatched: parameters whose shape in the file is another, newly initialised because that was asked for.
        unused: tensors of the file that belong to heads this model does not have.
    """

    initialised: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def find_model(reference: str | Path, revision: str | None = None) -> Located:
    """The folder of a model, by any reference that ``enfold.hub`` knows.

    Raises:
        SourceError: the reference leads nowhere.
    """
    from enfold.hub import locate

    return locate(reference, kind="model", revision=revision)


class Checkpoint:
    """The tensors of a model folder, by name, mapped into memory."""

    def __init__(self, folder: Path, filename: str = WEIGHTS) -> None:
        """Open the safetensors file, or all the files of a sharded index.

        Raises:
            CheckpointError: there are none, one is cut short, or there are only pickles.
        """
        self.folder = folder
        self._files: dict[str, object] = {}
        if (folder / filename).is_file():
            self._open(folder / filename)
        elif (folder / INDEX).is_file():
            for shard in _shards(folder):
                self._open(folder / shard)
        else:
            raise CheckpointError(self._nothing_to_read())

    def _nothing_to_read(self) -> str:
        pickles = sorted(path.name for path in self.folder.glob("*") if path.suffix in (".bin", ".pt", ".pth", ".ckpt"))
        if pickles:
            return (
                f"{self.folder} holds only pickled weights ({', '.join(pickles)}), which can run any code when "
                f"they are read, so they are refused; take a revision with {WEIGHTS}, or rewrite plain "
                f"tensors as safetensors: enfold convert {self.folder} OUT"
            )
        return f"no weights in {self.folder}; looked for {WEIGHTS} and {INDEX}"

    def _open(self, path: Path) -> None:
        if not path.is_file():
            raise CheckpointError(f"{path.name} is named by {INDEX} but is not in {self.folder}")
        try:
            opened = safe_open(path, framework="pt")
            self._files.update(dict.fromkeys(opened.keys(), opened))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is damaged or cut short ({path.stat().st_size} bytes): {error}; fetch or save it again"
            ) from error

    @property
    def names(self) -> list[str]:
        """The names of all tensors, as the file has them."""
        return list(self._files)

    def tensor(self, name: str) -> Tensor:
        """A tensor that reads its values from the file when they are first needed."""
        return self._files[name].get_tensor(name)  # type: ignore[attr-defined]


def _shards(folder: Path) -> list[str]:
    """The names of the files that an index lists, each a file of this folder and never ``model.safetensors`` itself.

    Raises:
        CheckpointError: the index cannot be read as one.
    """
    try:
        shards = sorted(set(read_json(folder / INDEX)["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{folder / INDEX} is not an index of weights: {error!r}") from error
    strange = [shard for shard in shards if not isinstance(shard, str) or Path(shard).name != shard or shard == WEIGHTS]
    if strange:
        raise CheckpointError(f"{folder / INDEX} names files that are not shards of its folder: {strange}")
    return shards


def rename(name: str, older: Iterable[tuple[str, str]]) -> str:
    """A tensor's present name, by the family's (pattern, replacement) pairs."""
    for pattern, replacement in older:
        name = re.sub(pattern, replacement, name)
    return name


def write_tensors(folder: Path, tensors: dict[str, Tensor], filename: str = WEIGHTS) -> None:
    """Write tensors atomically as safetensors; an index and shards of an earlier save are removed.

    The folder may be the one the tensors were read from: the old file stays mapped until it is let go.

    Raises:
        EnfoldError: the disk is full; the old file is still there.
    """
    ready: dict[str, Tensor] = {}
    written: set[int] = set()
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        # What shares memory without being tied, as after a resize, is written under each of its names.
        ready[name] = own.clone() if own.data_ptr() in written else own
        written.add(ready[name].data_ptr())
    with atomic_file(folder / filename) as temporary:
        save_file(ready, temporary, metadata={"format": "pt"})
    index = folder / INDEX
    if filename == WEIGHTS and index.is_file():
        try:
            shards = _shards(folder)
        except CheckpointError:
            shards = []
        index.unlink()
        for shard in shards:
            (folder / shard).unlink(missing_ok=True)


def dtype_named(name: str | torch.dtype) -> torch.dtype:
    """A floating precision by name.

    Raises:
        CheckpointError: there is no such precision.
    """
    found = name if isinstance(name, torch.dtype) else getattr(torch, name.removeprefix("torch."), None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise CheckpointError(f"dtype {name!r} is not a floating precision; use float32, bfloat16 or float16")
    return found
