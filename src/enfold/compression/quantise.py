"""Fewer bits for each weight of a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from enfold.errors import InputError, near

if TYPE_CHECKING:
    from enfold.models import PreTrainedModel

__all__ = ["FORMATS", "quantise"]

Model = TypeVar("Model", bound="PreTrainedModel")

FORMATS = ("int8", "int4")
_CALIBRATION_TOKENS = 512  # of a text


def quantise(model: Model, format: str = "int8", *, texts: Sequence[str] = ()) -> Model:
    """A copy of a model with quantised weights, ready to predict and to save; the model itself stays as it is.

    ``int8`` keeps the weights of all blocks as bytes with one scale for each output channel. Activations become
    bytes as they come, with one scale for each token: an answer never depends on the other texts of a batch.
    Embeddings and head keep their precision. It runs on any machine, and is faster where the processor has an int8
    product; :func:`~enfold.compression.decide` measures whether it is. It cannot be trained further.

    ``int4`` keeps groups of 32 weights in four bits each with a scale and a middle, and multiplies in bfloat16. It is
    for models that write token by token, which read every weight for each. In both formats the map to the vocabulary of
    such a model is int8.

    Args:
        model: a trained model.
        format: the weight format.
        texts: a few of the kind the model will read, for int8: inputs of which a few are much larger than the others
            are evened out (Xiao et al., 2023), and the maps that int8 costs most stay in float32, which takes some
            seconds to find out. Models that write need it most.

    Raises:
        InputError: there is no such format, the model is quantised already or has no tokenizer to read the texts with,
            or a weight is not finite (named).
    """
    from enfold.models.quantised import quantise_model

    if format not in FORMATS:
        raise InputError(f"no weight format {format!r}; there are: {', '.join(FORMATS)}{near(format, FORMATS)}")
    rows = []
    if texts:
        tokenizer = model.tokenizer
        longest = min(_CALIBRATION_TOKENS, model.context_length or _CALIBRATION_TOKENS)
        rows = [list(one.ids)[:longest] for one in tokenizer.encode_batch(list(texts))]
    return quantise_model(model, format, [row for row in rows if row])
