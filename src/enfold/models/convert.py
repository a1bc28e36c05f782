"""From pickled weights to safetensors, once and on purpose.

A pickle can run any code when it is read. Here it is read by torch's own unpickler for weights alone, which knows
tensors and containers and refuses everything else; models themselves are never read from pickles.
"""

from __future__ import annotations

import pickle
import re
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from enfold.errors import CheckpointError, InputError
from enfold.files import atomic_folder, read_json, write_json

__all__ = ["Converted", "convert_pickles"]

_SINGLE = "pytorch_model.bin"
_SHARDED = "pytorch_model.bin.index.json"
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_BESIDE = {".json", ".txt", ".model", ".spm", ".jinja", ".vocab", ".bpe", ".md"}
"""Files that go along: configs, vocabularies, chat templates, the model card."""
_TEMPLATES = "additional_chat_templates"
_GLOBAL = re.compile(r"GLOBAL (\S+)")


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote.

    Attributes:
        folder: the new folder.
        weights: the names of the files of weights in it.
        tensors: how many tensors they hold.
        shared: tensors that were another one under a second name, and are written once: their name to the other's.
    """

    folder: Path
    weights: tuple[str, ...]
    tensors: int
    shared: Mapping[str, str]


def convert_pickles(folder: str | Path, out: str | Path) -> Converted:
    """Write a model folder whose weights are pickled anew, with safetensors; values and precision stay the same.

    The new folder appears whole or not at all.

    Args:
        folder: holds ``pytorch_model.bin``, or the parts that ``pytorch_model.bin.index.json`` names.
        out: the folder to make.

    Raises:
        CheckpointError: there are no such weights, they are cut short, or they hold anything but tensors.
        InputError: ``out`` is there already.
    """
    source, target = Path(folder), Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is there already; name a new folder")
    parts = _parts(source)
    where: dict[str, str] = {}
    shared: dict[str, str] = {}
    size = 0
    with atomic_folder(target) as temporary:
        for number, part in enumerate(parts, start=1):
            tensors = _read(part)
            twice = _seconds(tensors)
            shared |= twice
            name = _WEIGHTS if len(parts) == 1 else f"model-{number:05d}-of-{len(parts):05d}.safetensors"
            kept = _ready({key: tensor for key, tensor in tensors.items() if key not in twice})
            double = sorted(set(kept) & set(where))
            if double:
                raise CheckpointError(f"{part.name} holds {double[0]!r}, which {where[double[0]]} holds too")
            save_file(kept, temporary / name, metadata={"format": "pt"})
            where |= dict.fromkeys(kept, name)
            size += sum(tensor.nbytes for tensor in kept.values())
        if len(parts) > 1:
            write_json(
                temporary / _INDEX, {"metadata": {"total_size": size}, "weight_map": dict(sorted(where.items()))}
            )
        _copy_the_rest(source, temporary)
    return Converted(target, tuple(dict.fromkeys(where.values())), len(where), shared)


def _parts(folder: Path) -> list[Path]:
    """The pickled files of a folder, in order."""
    if not folder.is_dir():
        raise CheckpointError(f"no folder {folder}")
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    if not (folder / _SHARDED).is_file():
        there = ", ".join(sorted(item.name for item in folder.iterdir())[:20]) or "nothing"
        raise CheckpointError(f"no pickled weights in {folder}: looked for {_SINGLE} and {_SHARDED}; it has: {there}")
    try:
        names = sorted(set(read_json(folder / _SHARDED)["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{folder / _SHARDED} is not an index of weights: {error!r}") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise CheckpointError(f"{folder / _SHARDED} names a file that is not of its folder: {name!r}")
        if not (folder / name).is_file():
            raise CheckpointError(f"{name} is named by {_SHARDED} but is not in {folder}")
    return [folder / name for name in names]


def _read(file: Path) -> dict[str, Tensor]:
    """The tensors of a pickled file, mapped into memory where its format allows it."""
    try:
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file) or None)
    except pickle.UnpicklingError as error:
        named = _GLOBAL.search(str(error))
        what = f"it calls for {named[1]}" if named else "it holds more than tensors"
        raise CheckpointError(f"{file} is refused: {what}, and reading that would run code") from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{file} is damaged or cut short ({file.stat().st_size} bytes): {reason}; fetch it again"
        ) from error
    if not isinstance(found, Mapping):
        raise CheckpointError(f"{file} holds a {type(found).__name__}, not tensors by name")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{file} holds a {type(value).__name__} under {name!r}; weights are tensors by name, so this is "
                "another kind of file, such as a training state"
            )
    return {name: value.detach() for name, value in found.items()}


def _seconds(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Tensors that are an earlier one under a second name. The stack's comes first, so that is the name that stays."""
    first: dict[tuple[Any, ...], str] = {}
    seconds: dict[str, str] = {}
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided:
            raise CheckpointError(f"tensor {name!r} is {tensor.layout}, and safetensors holds dense ones only")
        place = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        if tensor.numel() and place in first:
            seconds[name] = first[place]
        else:
            first[place] = name
    return seconds


def _ready(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that safetensors can write: dense, in order, and none of them a part of another's memory."""
    ready: dict[str, Tensor] = {}
    stores: set[int] = set()
    for name, tensor in tensors.items():
        store = tensor.untyped_storage().data_ptr()
        ready[name] = tensor.clone(memory_format=torch.contiguous_format) if store in stores else tensor.contiguous()
        stores.add(store)
    return ready


def _copy_the_rest(source: Path, target: Path) -> None:
    for file in sorted(source.iterdir()):
        if (
            file.is_file()
            and (file.suffix in _BESIDE or file.name == "LICENSE")
            and file.name not in (_SHARDED, _INDEX)
        ):
            shutil.copyfile(file, target / file.name)
    templates = source / _TEMPLATES
    if templates.is_dir():
        (target / _TEMPLATES).mkdir()
        for file in sorted(templates.glob("*.jinja")):
            shutil.copyfile(file, target / _TEMPLATES / file.name)
