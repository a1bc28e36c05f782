"""Checkpoints that a run goes on from exactly, whenever it was killed.

A checkpoint is a folder ``checkpoint-STEP`` beside the others in ``output_dir``:

    config.json, model.safetensors, tokenizer files   the model, as any other model folder
    optimizer.safetensors                             moments by parameter number; groups in its metadata
    random.safetensors                                Python's, NumPy's and torch's generators
    trainer_state.json                                as in `transformers`
    resume.json                                       place in the data, schedule, running sums, settings

It is written under a hidden name and takes its own name when it is complete, so that a kill or a full disk leaves the
earlier ones as they were. There is no pickle in it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn

from enfold.errors import CheckpointError, EnfoldError
from enfold.files import atomic_folder, read_json
from enfold.training.randomness import load_random_states, save_random_states
from enfold.training.state import TrainerState

_NAME = re.compile(r"checkpoint-(\d+)")
_LEFT_OVER = re.compile(r"\.(checkpoint-\d+)\.[0-9a-f]+\.(tmp|old)")


class Position(NamedTuple):
    """Where in the data the next step begins."""

    epoch: int = 0
    step: int = 0
    """Optimiser steps already done in this epoch."""


def step_of(folder: Path) -> int:
    """The step in a checkpoint's name; -1 where it is none."""
    found = _NAME.fullmatch(folder.name)
    return int(found[1]) if found else -1


def checkpoints_in(output_dir: str | Path) -> list[Path]:
    """All complete checkpoints, earliest first."""
    root = Path(output_dir)
    found = [folder for folder in root.iterdir() if step_of(folder) >= 0] if root.is_dir() else []
    return sorted((folder for folder in found if folder.is_dir()), key=step_of)


def get_last_checkpoint(output_dir: str | Path) -> str | None:
    """The latest complete checkpoint, or ``None``."""
    found = checkpoints_in(output_dir)
    return str(found[-1]) if found else None


def clear_left_overs(output_dir: str | Path) -> None:
    """Put right what a kill in the middle of a save left: take half-written folders away, put replaced ones back."""
    root = Path(output_dir)
    for folder in list(root.iterdir()) if root.is_dir() else []:
        if found := _LEFT_OVER.fullmatch(folder.name):
            target = root / found[1]
            if found[2] == "old" and not target.exists():
                folder.replace(target)
            else:
                shutil.rmtree(folder, ignore_errors=True)


def save_checkpoint(
    folder: Path,
    *,
    model: nn.Module,
    processing_class: Any,
    state: TrainerState,
    optimiser: torch.optim.Optimizer | None = None,
    resume: dict[str, Any] | None = None,
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        folder: ``checkpoint-STEP``.
        model: one with ``save_pretrained``, or any module.
        processing_class: a tokenizer, or ``None``.
        state: what ``trainer_state.json`` will hold.
        optimiser: left out for a checkpoint of the model only.
        resume: what ``resume.json`` will hold; must be plain JSON.

    Raises:
        EnfoldError: the disk is full; earlier checkpoints are untouched.
    """
    with _said_clearly(folder), atomic_folder(folder) as partial:
        save_weights(model, partial)
        if processing_class is not None and hasattr(processing_class, "save_pretrained"):
            processing_class.save_pretrained(partial)
        state.save_to_json(partial / "trainer_state.json")
        if optimiser is not None:
            _save_optimiser(optimiser, partial / "optimizer.safetensors")
            save_random_states(partial / "random.safetensors")
            (partial / "resume.json").write_text(_plain(resume or {}, "schedule"), encoding="utf-8")


def save_weights(model: nn.Module, folder: Path) -> None:
    """Write a model into a folder."""
    write = getattr(model, "save_pretrained", None)
    if write is not None:
        write(folder)
    else:
        save_model(model, str(folder / "model.safetensors"))


def load_weights(model: nn.Module, folder: Path) -> None:
    """Read weights into a model that is already there.

    Raises:
        CheckpointError: the file is missing or cut short, or its tensors are not the model's.
    """
    path = folder / "model.safetensors"
    try:
        written = getattr(model, "tensors_to_write", None)
        if written is not None:
            _fill(written(), load_file(path))
        else:
            load_model(model, path, strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit the model: {str(error).strip()}") from error


@torch.no_grad()
def _fill(wanted: dict[str, Tensor], stored: dict[str, Tensor]) -> None:
    """Copy what a model wrote back into it: under the names of its file, and without what that leaves out."""
    faults = [f"missing: {name}" for name in wanted if name not in stored]
    faults += [f"unknown: {name}" for name in stored if name not in wanted]
    faults += [
        f"{name} is {list(tensor.shape)}, the model's is {list(wanted[name].shape)}"
        for name, tensor in stored.items()
        if name in wanted and tensor.shape != wanted[name].shape
    ]
    if faults:
        raise RuntimeError("; ".join(faults[:8]) + ("; …" if len(faults) > 8 else ""))
    for name, tensor in wanted.items():
        tensor.copy_(stored[name])


def read_resume(folder: Path) -> dict[str, Any]:
    """What ``resume.json`` holds.

    Raises:
        CheckpointError: the folder is no checkpoint to resume from.
    """
    if not (folder / "resume.json").is_file():
        what = "it holds a model only" if (folder / "trainer_state.json").is_file() else "it is no checkpoint"
        raise CheckpointError(f"cannot resume from {folder}: {what}; there is no resume.json")
    resume: dict[str, Any] = read_json(folder / "resume.json")
    return resume


def restore_randomness(folder: Path) -> None:
    """Set every random generator as it was when the checkpoint was written."""
    load_random_states(folder / "random.safetensors")


def drop_old_checkpoints(output_dir: str | Path, *, keep: int, best: str | None) -> None:
    """Delete the earliest checkpoints above ``keep``, never the best nor the latest.

    Args:
        output_dir: where they are.
        keep: how many may stay, the best one counted.
        best: the best one's path, if known.
    """
    found = checkpoints_in(output_dir)
    spared = {found[-1].name, *([Path(best).name] if best else [])} if found else set()
    surplus = max(0, len(found) - max(keep, len(spared)))
    for folder in [folder for folder in found if folder.name not in spared][:surplus]:
        delete_checkpoint(folder)


def delete_checkpoint(folder: Path) -> None:
    """Delete a checkpoint; a kill halfway leaves no folder that looks like one."""
    doomed = folder.with_name(f".{folder.name}.0.tmp")
    folder.replace(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _save_optimiser(optimiser: torch.optim.Optimizer, path: Path) -> None:
    kept = optimiser.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, values in kept["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value.contiguous()
            else:
                numbers.setdefault(str(index), {})[name] = value
    plain = _plain({"groups": kept["param_groups"], "numbers": numbers}, type(optimiser).__name__)
    save_file(tensors, path, metadata={"plain": plain})


def _plain(value: dict[str, Any], what: str) -> str:
    try:
        return json.dumps(value, indent=2)
    except TypeError as error:
        raise CheckpointError(
            f"the state of {what} cannot be written without pickle ({error}); "
            "save_only_model=True keeps checkpoints of the model alone"
        ) from error


def load_optimiser(optimiser: torch.optim.Optimizer, folder: Path) -> None:
    """Read the state of an optimiser back.

    Raises:
        CheckpointError: the file is missing, cut short, or of another optimiser.
    """
    path = folder / "optimizer.safetensors"
    try:
        state: dict[int, dict[str, Any]] = {}
        with safe_open(path, framework="pt") as file:
            plain = json.loads(file.metadata()["plain"])
            for key in file.keys():  # noqa: SIM118  (it is no mapping)
                index, name = key.split(".", 1)
                state.setdefault(int(index), {})[name] = file.get_tensor(key)
        for index, values in plain["numbers"].items():
            state.setdefault(int(index), {}).update(values)
        optimiser.load_state_dict({"state": state, "param_groups": plain["groups"]})
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} does not fit {type(optimiser).__name__}: {error}") from error


@contextmanager
def _said_clearly(folder: Path) -> Iterator[None]:
    """One clear error for a write that failed, in safetensors too."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        found = re.search(r"os error (\d+)", str(error))
        code = error.errno if isinstance(error, OSError) else int(found[1]) if found else None
        reason = os.strerror(code) if code else str(error)
        full = code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space, then go on with resume_from_checkpoint=True" if full else "look at that folder"
        raise EnfoldError(
            f"{folder} was not written: {reason.lower()}; earlier checkpoints are as they were; {advice}"
        ) from error
