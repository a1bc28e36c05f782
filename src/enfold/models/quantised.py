"""Models with int8 or int4 weights, and the folders they are kept in.

Such a folder holds ``model.int8.safetensors`` or ``model.int4.safetensors`` (plain bytes and scales) and a
``config.json`` of a model type of its own, with the original inside. Other libraries therefore refuse it rather than
load noise.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from enfold.errors import CheckpointError, InputError
from enfold.layers.int4 import GROUP, Int4Linear
from enfold.layers.int8 import Int8Linear
from enfold.layers.linear import FORMATS, QuantisedLinear, TransposedLinear, quantise_linear
from enfold.layers.mapped import let_go
from enfold.models.weights import INDEX, WEIGHTS

if TYPE_CHECKING:
    from enfold.models.pretrained import PreTrainedModel

__all__ = [
    "MODEL_TYPE",
    "format_of",
    "is_quantised",
    "maps_kept",
    "original_config",
    "put_in_format",
    "quantise_model",
    "weights_file",
]

MODEL_TYPE = "enfold-quantised"

Model = TypeVar("Model", bound="PreTrainedModel")


def weights_file(format: str | None) -> str:
    """What the weights of a format are kept in."""
    return WEIGHTS if format is None else f"model.{format}.safetensors"


def quantise_model(model: Model, format: str = "int8", calibration: Sequence[Sequence[int]] = ()) -> Model:
    """A copy of a model, in evaluation mode, with quantised weights. What stands around the products is in float32.

    The linear maps of all blocks are quantised; of a model that writes, also the map to the vocabulary, which is read
    whole for every token. That map is int8 in either format: its errors meet no later layer that would even them out.
    Embeddings and other heads keep their precision.

    Args:
        model: any model; it is not changed.
        format: ``int8``, or ``int4`` for models that write token by token.
        calibration: token ids of a few texts. With them int8 evens out inputs of which a few are much larger than the
            others, fixes the ranges of inputs where whole texts are read, and leaves the maps that it costs most in
            float32 (``enfold.models.calibration``).

    Raises:
        InputError: the model is quantised already, the format does not fit its sizes, or a weight is infinite or not a
            number; the message names it.
    """
    if is_quantised(model):
        raise InputError("the model is quantised already")
    # What will be replaced is not copied first.
    memo: dict[int, Any] = {id(module): module for _, module in _linears(model)}
    return put_in_format(copy.deepcopy(model, memo).eval(), format, calibration)


def put_in_format(model: Model, format: str, calibration: Sequence[Sequence[int]] = ()) -> Model:
    """Quantise a model in place, map by map, so that no more than one is there twice.

    Raises:
        InputError: as of ``quantise_model``.
    """
    linears = dict(_linears(model))
    learned = None
    if calibration:
        from enfold.models.calibration import calibrate

        learned = calibrate(model, linears, calibration)
    kept = learned.kept if learned is not None and format == "int8" else set()
    for name, module in linears.items():
        if name in kept:
            continue
        own: dict[str, Any] = {}
        if learned is not None:
            own = {"input_scale": learned.input_scales.get(name), "input_range": learned.input_ranges.get(name)}
        try:
            _replace(model, name, quantise_linear(module, _format_at(model, name, format), **own))
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        let_go(module.weight)
    return model.float().eval()


def format_of(model: nn.Module) -> str | None:
    """``int8`` or ``int4``; None for a model in floating point."""
    kinds = {type(module) for module in model.modules()}
    return "int4" if Int4Linear in kinds else ("int8" if Int8Linear in kinds else None)


def is_quantised(model: nn.Module) -> bool:
    """Whether any weights of the model are int8 or int4."""
    return format_of(model) is not None


def maps_kept(model: PreTrainedModel) -> list[str]:
    """The maps of a quantised model that stayed in floating point."""
    return [name for name, _ in _linears(model)]


def original_config(values: dict[str, Any]) -> dict[str, Any]:
    """The config of the model inside, for a folder of quantised weights; else the config itself.

    Raises:
        CheckpointError: the folder has a weight format that this version does not read.
    """
    if values.get("model_type") != MODEL_TYPE:
        return values
    if values.get("format") not in FORMATS or not isinstance(values.get("original"), dict):
        known = ", ".join(FORMATS)
        raise CheckpointError(f"config.json: weight format {values.get('format')!r} is not one of: {known}")
    return values["original"]


def config_to_write(model: PreTrainedModel, original: dict[str, Any]) -> dict[str, Any]:
    """The ``config.json`` of a folder of quantised weights."""
    maps = {name: module for name, module in model.named_modules() if isinstance(module, Int8Linear)}
    return {
        "model_type": MODEL_TYPE,
        "format": format_of(model),
        "kept": maps_kept(model),
        "scaled_inputs": [name for name, own in maps.items() if own.input_scale is not None],
        "fixed_ranges": [name for name, own in maps.items() if own.input_range is not None],
        "original": original,
    }


def make_room(model: PreTrainedModel, stored: dict[str, Any]) -> None:
    """Put empty quantised maps where a model on the meta device has floating ones, as a folder's config says."""
    format, kept = stored["format"], stored.get("kept", ())
    for name, module in list(_linears(model)):
        if name in kept:
            continue
        outputs, inputs = module.out_features, module.in_features
        room: QuantisedLinear
        if _format_at(model, name, format) == "int4":
            weight = torch.empty((outputs, inputs // 2), dtype=torch.uint8, device="meta")
            scale = torch.empty((outputs, inputs // GROUP), dtype=torch.bfloat16, device="meta")
            room = Int4Linear(weight, scale, torch.empty_like(scale), module.bias)
        else:
            weight = torch.empty((outputs, inputs), dtype=torch.int8, device="meta")
            scaled = torch.empty(inputs, device="meta") if name in stored.get("scaled_inputs", ()) else None
            fixed = torch.empty(2, device="meta") if name in stored.get("fixed_ranges", ()) else None
            room = Int8Linear(weight, torch.empty(outputs, device="meta"), module.bias, scaled, fixed)
        _replace(model, name, room)


def check_target(folder: Path) -> None:
    """Refuse a folder that holds floating weights, which other libraries would go on loading.

    Raises:
        InputError: it does.
    """
    for name in (WEIGHTS, INDEX):
        if (folder / name).exists():
            raise InputError(f"{folder} holds floating-point weights ({name}); save the quantised model elsewhere")


def _linears(model: PreTrainedModel) -> list[tuple[str, nn.Linear | TransposedLinear]]:
    found = {module for block in model.base_model.blocks for module in block.reached()}  # type: ignore[operator, union-attr]
    scores = model.scores_path
    if scores is not None:
        found.add(model.get_submodule(scores))
    kinds = (nn.Linear, TransposedLinear)
    return [(name, module) for name, module in model.named_modules() if module in found and isinstance(module, kinds)]


def _format_at(model: PreTrainedModel, name: str, format: str) -> str:
    return "int8" if format == "int4" and name == model.scores_path else format


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, leaf = name.rpartition(".")
    model.get_submodule(owner).add_module(leaf, module)
