"""Shared checks of model folders and configs: what one library writes, the other reads, and the other way round."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from checkers import EXACT, Inputs, Pair, assert_same_names, assert_same_outputs
from safetensors import safe_open
from safetensors.torch import load_file, save_file

# What transformers writes about itself rather than about the model.
_OWN_NEWS = ("transformers_version", "_name_or_path")

WEIGHTS = "model.safetensors"


def assert_reads_theirs(our_class: type, pair: Pair, inputs: Inputs, folder: Path, *, exact: float = EXACT) -> None:
    """A folder that ``transformers`` wrote gives the same model: nothing new, nothing left over, the same outputs."""
    pair.theirs.save_pretrained(folder)
    read = our_class.from_pretrained(folder)
    report = read.loading_report
    for what in ("initialised", "mismatched", "unused"):
        assert not getattr(report, what), f"{what}: {', '.join(getattr(report, what))}"
    assert not read.training, "a model that was read must be in evaluation mode"
    assert_same_outputs(Pair(read, pair.theirs), inputs, exact=exact, only_float64=True)


def assert_reads_ours(their_class: type, pair: Pair, inputs: Inputs, folder: Path, *, exact: float = EXACT) -> None:
    """A folder that we wrote gives ``transformers`` the same model: no key missing or unexpected, the same outputs."""
    pair.ours.save_pretrained(folder)
    read, report = their_class.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        assert not report[what], f"{what}: {sorted(map(str, report[what]))}"
    learns = {name: parameter.requires_grad for name, parameter in pair.theirs.named_parameters()}
    for name, parameter in read.named_parameters():
        parameter.requires_grad_(learns[name])  # theirs forgets which tables are fixed
    assert_same_outputs(Pair(pair.ours, read.eval()), inputs, exact=exact, only_float64=True)


def assert_same_files(pair: Pair, folder: Path) -> None:
    """Both write the same tensors under the same names, bit for bit, and the same metadata."""
    tensors: list[dict[str, torch.Tensor]] = []
    metadata = []
    for side, model in (("ours", pair.ours), ("theirs", pair.theirs)):
        model.save_pretrained(folder / side)
        with safe_open(folder / side / WEIGHTS, framework="pt") as opened:
            names = opened.keys()
            tensors.append({name: opened.get_tensor(name) for name in names})
            metadata.append(opened.metadata())
    ours, theirs = tensors
    assert_same_names(WEIGHTS, ours, theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype, f"{name} is written as {ours[name].dtype}, theirs as {tensor.dtype}"
        assert torch.equal(ours[name], tensor), f"{name} is written with other values"
    assert metadata[0] == metadata[1], f"metadata {metadata[0]}, theirs {metadata[1]}"


def assert_same_config_defaults(our_config: type, their_config: type) -> None:
    """A config made of nothing has the same keys and values."""
    assert_same_values(our_config().to_dict(), _told(their_config().to_dict()))


def assert_config_round_trip(our_config: type, their_config: type, settings: Mapping[str, Any], folder: Path) -> None:
    """``config.json`` goes from either library through the other and comes back with every value, unknown keys too."""
    theirs = their_config(**settings)
    theirs.save_pretrained(folder / "theirs")
    read = our_config.from_pretrained(folder / "theirs")
    assert_same_values(read.to_dict(), _told(theirs.to_dict()))
    read.save_pretrained(folder / "through-ours")
    assert_same_values(_told(their_config.from_pretrained(folder / "through-ours").to_dict()), _told(theirs.to_dict()))
    written, model = (json.loads((folder / side / "config.json").read_text()) for side in ("through-ours", "theirs"))
    assert_same_values({key: written.get(key, "no such key") for key in _told(model)}, _told(model))

    ours = our_config(**settings)
    ours.save_pretrained(folder / "ours")
    their_config.from_pretrained(folder / "ours").save_pretrained(folder / "through-theirs")
    back = our_config.from_pretrained(folder / "through-theirs")
    assert_same_values(_told(back.to_dict()), _told(ours.to_dict()))


def assert_same_values(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Both configs have the same keys with the same values."""
    lacking, more = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs) - set(_OWN_NEWS))
    assert not lacking and not more, f"the config lacks {lacking} and has besides {more}"
    differing = [f"{key}: {ours[key]!r}, theirs {theirs[key]!r}" for key in theirs if ours[key] != theirs[key]]
    assert not differing, "; ".join(differing)


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _OWN_NEWS}


def assert_reads_older(
    our_class: type, pair: Pair, inputs: Inputs, folder: Path, renamed: Mapping[str, str], stored: Mapping[str, Any]
) -> None:
    """A folder as older versions of ``transformers`` wrote it gives the same model.

    Args:
        our_class: what reads it.
        pair: the models.
        inputs: what they are compared on.
        folder: where it is written.
        renamed: present parts of tensor names to older ones; each occurs.
        stored: further tensors that were kept, though they are computed.
    """
    pair.theirs.save_pretrained(folder)
    path = folder / WEIGHTS
    tensors = load_file(path)
    for now, then in renamed.items():
        assert any(now in name for name in tensors), f"no tensor has {now} in its name"
        tensors = {name.replace(now, then): tensor for name, tensor in tensors.items()}
    save_file(tensors | stored, path, metadata={"format": "pt"})
    read = our_class.from_pretrained(folder)
    report = read.loading_report
    assert not report.initialised and not report.unused, f"{report.initialised} new, {report.unused} left over"
    assert_same_outputs(Pair(read, pair.theirs), inputs)
