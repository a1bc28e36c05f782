"""Models with int8 weights, and the folders they are kept in.

Such a folder holds ``model.int8.safetensors`` (plain bytes and scales) and a ``config.json`` of a model type of its
own, with the original inside. Other libraries therefore refuse it rather than load noise.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from enfold.errors import CheckpointError, InputError
from enfold.layers.linear import Int8Linear, TransposedLinear, quantise_linear
from enfold.models.weights import INDEX, WEIGHTS

if TYPE_CHECKING:
    from enfold.models.pretrained import PreTrainedModel

__all__ = ["INT8_WEIGHTS", "MODEL_TYPE", "is_quantised", "original_config", "quantise_model"]

MODEL_TYPE = "enfold-quantised"
INT8_WEIGHTS = "model.int8.safetensors"

Model = TypeVar("Model", bound="PreTrainedModel")


def quantise_model(model: Model, format: str = "int8") -> Model:
    """A copy of a model, in evaluation mode, whose blocks have int8 weights. Embeddings and head are in float32.

    Args:
        model: any model; it is not changed.
        format: ``int8``, the only one there is.

    Raises:
        InputError: the model is quantised already, or a weight is infinite or not a number; the message names it.
    """
    if is_quantised(model):
        raise InputError("the model is quantised already")
    # What will be replaced is not copied first.
    linears = dict(_linears(model))
    memo: dict[int, Any] = {id(module): module for module in linears.values()}
    quantised = copy.deepcopy(model, memo)
    for name, module in linears.items():
        try:
            _replace(quantised, name, quantise_linear(module, format))
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
    return quantised.float().eval()


def is_quantised(model: nn.Module) -> bool:
    """Whether any weights of the model are int8."""
    return any(isinstance(module, Int8Linear) for module in model.modules())


def original_config(values: dict[str, Any]) -> dict[str, Any]:
    """The config of the model inside, for a folder of quantised weights; else the config itself.

    Raises:
        CheckpointError: the folder has a weight format that this version does not read.
    """
    if values.get("model_type") != MODEL_TYPE:
        return values
    if values.get("format") != "int8" or not isinstance(values.get("original"), dict):
        raise CheckpointError(f"config.json: weight format {values.get('format')!r} is not one of: int8")
    return values["original"]


def config_to_write(original: dict[str, Any]) -> dict[str, Any]:
    """The ``config.json`` of a folder of quantised weights."""
    return {"model_type": MODEL_TYPE, "format": "int8", "original": original}


def make_room(model: PreTrainedModel) -> None:
    """Put empty int8 maps where a model on the meta device has floating ones."""
    for name, module in list(_linears(model)):
        shape = (module.out_features, module.in_features)
        weight = torch.empty(shape, dtype=torch.int8, device="meta")
        scale = torch.empty(module.out_features, device="meta")
        _replace(model, name, Int8Linear(weight, scale, module.bias))


def check_target(folder: Path) -> None:
    """Refuse a folder that holds floating weights, which other libraries would go on loading.

    Raises:
        InputError: it does.
    """
    for name in (WEIGHTS, INDEX):
        if (folder / name).exists():
            raise InputError(f"{folder} holds floating-point weights ({name}); save the quantised model elsewhere")


def _linears(model: PreTrainedModel) -> list[tuple[str, nn.Linear | TransposedLinear]]:
    blocks = {module for block in model.base_model.blocks for module in block.reached()}  # type: ignore[operator, union-attr]
    kinds = (nn.Linear, TransposedLinear)
    return [(name, module) for name, module in model.named_modules() if module in blocks and isinstance(module, kinds)]


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, leaf = name.rpartition(".")
    model.get_submodule(owner).add_module(leaf, module)
