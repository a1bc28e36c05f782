"""Fewer bits for each weight of a trained model."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from enfold.errors import InputError, near

if TYPE_CHECKING:
    from enfold.models import PreTrainedModel

__all__ = ["FORMATS", "quantise"]

Model = TypeVar("Model", bound="PreTrainedModel")

log = logging.getLogger("enfold.compression")

FORMATS = ("int8", "int4", "auto")
_CALIBRATION_TOKENS = 512  # of a text


def quantise(model: Model, format: str = "int8", *, texts: Sequence[str] = ()) -> Model:
    """A copy of a model with quantised weights, ready to predict and to save; the model itself stays as it is.

    ``int8`` keeps the weights of all blocks as bytes with one scale for each output channel. Activations become
    bytes as they come, with one scale for each token, or with scales fixed by the texts: an answer never depends on the
    other texts of a batch. Embeddings and head keep their precision. It runs on any machine, and is faster where the
    processor has an int8 product; :func:`~enfold.compression.decide` measures whether it is. It cannot be trained
    further.

    ``int4`` keeps groups of 32 weights in four bits each with a scale and a middle, and multiplies in bfloat16. It is
    for models that write token by token, which read every weight for each. In both formats the map to the vocabulary of
    such a model is int8.

    ``auto`` takes what is fastest here for the kind of model: int4 for one that writes, int8 for one that reads, and
    bfloat16 or float32 where the processor has no product for those. The log of ``enfold.compression`` says what was
    taken and what stayed in float32.

    Args:
        model: a trained model.
        format: the weight format.
        texts: some of the kind the model will read, 30 to 100, for int8: inputs of which a few are much larger than the
            others are evened out (Xiao et al., 2023), where whole texts are read the ranges of inputs are fixed, which
            is up to a third quicker, and the maps that int8 costs most stay in float32. Finding out takes some
            seconds. ``auto`` needs texts.

    Raises:
        InputError: there is no such format, the model is quantised already or has no tokenizer to read the texts with,
            ``auto`` has no texts, or a weight is not finite (named).
    """
    from enfold.models.quantised import quantise_model

    if format not in FORMATS:
        raise InputError(f"no weight format {format!r}; there are: {', '.join(FORMATS)}{near(format, FORMATS)}")
    if format == "auto":
        if not texts:
            raise InputError("format='auto' needs texts=[…], some 30 of the kind the model will read")
        format = _fastest(model)
        if format not in FORMATS:
            log.info("auto: %s, as this processor has no product of bytes", format)
            return _floating(model, format)
    rows = []
    if texts:
        tokenizer = model.tokenizer
        longest = min(_CALIBRATION_TOKENS, model.context_length or _CALIBRATION_TOKENS)
        rows = [list(one.ids)[:longest] for one in tokenizer.encode_batch(list(texts))]
    quantised = quantise_model(model, format, [row for row in rows if row])
    if texts:
        _tell(quantised, format)
    return quantised


def _fastest(model: PreTrainedModel) -> str:
    """The format that this machine computes fastest for the kind of model."""
    import torch

    from enfold.layers.int4 import has_int4_product
    from enfold.layers.int8 import int8_product

    if model.scores_path is not None and has_int4_product():
        return "int4"
    if int8_product("cpu").name != "float":
        return "int8"
    return "bfloat16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "float32"


def _floating(model: Model, format: str) -> Model:
    import torch

    return copy.deepcopy(model).to(getattr(torch, format)).eval()


def _tell(model: PreTrainedModel, format: str) -> None:
    """Say how many maps became what."""
    from enfold.layers.int8 import Int8Linear
    from enfold.models.quantised import maps_kept

    maps = [module for module in model.modules() if isinstance(module, Int8Linear)]
    fixed = sum(module.input_range is not None for module in maps)
    kept = maps_kept(model)
    log.info(
        "%s: %d int8 maps, %d of them with fixed ranges; in float32: %s",
        format,
        len(maps),
        fixed,
        ", ".join(kept) or "none",
    )
