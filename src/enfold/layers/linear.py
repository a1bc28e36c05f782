"""Linear maps in whatever format their weights are kept: floating point here, int8 and int4 in their own modules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.errors import InputError, near
from enfold.layers import int4, int8
from enfold.layers.int4 import Int4Linear
from enfold.layers.int8 import Int8Linear

__all__ = [
    "FORMATS",
    "Linear",
    "QuantisedLinear",
    "TransposedLinear",
    "joined",
    "linear",
    "multiply",
    "project",
    "quantise_linear",
]

# ---- floating point -----------------------------------------------------------------------------------------------

_FEWEST, _MOST = 4, 24  # rows
_LARGE = 1 << 20  # numbers of a matrix
_NO_FUSION: tuple[str, list[Any], str] = ("none", [], "")


@cache
def _has_onednn_product() -> bool:
    """Whether oneDNN's product of plain float32 tensors is there, and right."""
    hidden, weight = torch.randn(5, 64), torch.randn(32, 64)
    try:
        found = torch.ops.mkldnn._linear_pointwise(hidden, weight, None, *_NO_FUSION)
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    return torch.allclose(found, hidden @ weight.t(), atol=1e-4)


def multiply(hidden: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """hidden weightᵀ + bias: (…, inputs) and (outputs, inputs) to (…, outputs).

    A few rows against a large float32 matrix, as in every step of decoding a batch, take oneDNN's kernel where no
    gradient is wanted: there it is up to twice as fast as the usual one.
    """
    if torch.compiler.is_compiling() or torch.is_grad_enabled() or not _is_few_by_many(hidden, weight):
        return F.linear(hidden, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(hidden, weight, bias, *_NO_FUSION)


def _is_few_by_many(hidden: Tensor, weight: Tensor) -> bool:
    return (
        hidden.dim() == 2
        and _FEWEST <= hidden.shape[0] <= _MOST
        and weight.numel() >= _LARGE
        and hidden.dtype == weight.dtype == torch.float32
        and hidden.device.type == "cpu"
        and weight.is_contiguous()
        and not torch.is_autocast_enabled("cpu")
        and _has_onednn_product()
    )


class Linear(nn.Linear):
    """A linear map whose product is chosen by its sizes."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, inputs) to (…, outputs)."""
        return multiply(hidden, self.weight, self.bias)


class TransposedLinear(nn.Module):
    """A linear map whose weight is kept as (inputs, outputs), as GPT-2's checkpoints have it.

    Attributes:
        weight: (inputs, outputs).
        bias: (outputs,), or None.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, inputs) to (…, outputs)."""
        return F.linear(hidden, self.weight.t(), self.bias)

    def extra_repr(self) -> str:
        """The sizes, as they print."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


# ---- any format ---------------------------------------------------------------------------------------------------


def linear(in_features: int, out_features: int, *, bias: bool = True, transposed: bool = False) -> nn.Module:
    """A new map of either kind."""
    return (TransposedLinear if transposed else Linear)(in_features, out_features, bias=bias)


def project(hidden: Tensor, maps: Sequence[nn.Module]) -> list[Tensor]:
    """Several linear maps of one input; quantised ones are computed as one."""
    if len(maps) > 1:
        for kind, as_one in _QUANTISED:
            if all(isinstance(own, kind) for own in maps):
                return list(as_one(maps)(hidden).split([own.out_features for own in maps], -1))  # type: ignore[arg-type, misc]
    return [own(hidden) for own in maps]


_joining = threading.Lock()


def joined(maps: Sequence[nn.Module]) -> Callable[[Tensor], Tensor]:
    """Several maps of one input as one: (tokens, inputs) to (tokens, all outputs side by side).

    For inference. Weights in floating point are laid beside each other in memory, once, and each parameter stays what
    it was: a view of its part. One product then does what several did.
    """
    if len(maps) == 1:
        return maps[0].forward
    if all(type(own) in (Linear, nn.Linear) for own in maps):
        with _joining:
            weight, bias = _adjacent(maps)
        if weight is not None:
            return lambda hidden: multiply(hidden, weight, bias)
    for kind, as_one in _QUANTISED:
        if all(isinstance(own, kind) for own in maps):
            return as_one(maps)  # type: ignore[arg-type]
    return lambda hidden: torch.cat(project(hidden, maps), -1)


@torch.inference_mode(False)
@torch.no_grad()
def _adjacent(maps: Sequence[Any]) -> tuple[Tensor | None, Tensor | None]:
    """The weights of all as one matrix, and their biases."""
    weights = [own.weight for own in maps]
    first = weights[0]
    if any((own.dtype, own.device, own.shape[1]) != (first.dtype, first.device, first.shape[1]) for own in weights):
        return None, None
    ends = list(accumulate(own.shape[0] for own in weights))
    if not _are_adjacent(weights):
        whole = first.new_empty(ends[-1], first.shape[1])
        for own, end in zip(weights, ends, strict=True):
            part = whole[end - own.shape[0] : end]
            part.copy_(own)
            own.data = part
    biases = [own.bias for own in maps]
    if all(bias is None for bias in biases):
        bias = None
    else:
        sizes = [own.shape[0] for own in weights]
        bias = torch.cat([first.new_zeros(n) if own is None else own for own, n in zip(biases, sizes, strict=True)])
    return first.detach().as_strided((ends[-1], first.shape[1]), (first.shape[1], 1)), bias


def _are_adjacent(weights: Sequence[Tensor]) -> bool:
    first, at = weights[0], weights[0].data_ptr()
    for own in weights:
        if own.data_ptr() != at or own.untyped_storage().data_ptr() != first.untyped_storage().data_ptr():
            return False
        if not own.is_contiguous():
            return False
        at += own.numel() * own.element_size()
    return True


QuantisedLinear = Int8Linear | Int4Linear
"""The kinds of linear map that are for inference only."""

_QUANTISED: tuple[tuple[type[nn.Module], Callable[..., Callable[[Tensor], Tensor]]], ...] = (
    (Int8Linear, int8.together),
    (Int4Linear, int4.together),
)
FORMATS: dict[str, Callable[[Tensor, Tensor | None], QuantisedLinear]] = {
    "int8": int8.quantise_to_int8,
    "int4": int4.quantise_to_int4,
}


def quantise_linear(
    module: nn.Linear | TransposedLinear,
    format: str = "int8",
    *,
    input_scale: Tensor | None = None,
    input_range: Tensor | None = None,
) -> QuantisedLinear:
    """The same map with weights in another format.

    Args:
        module: any ``torch.nn.Linear`` or transposed one.
        format: ``int8``, or ``int4`` for models that write token by token.
        input_scale: (inputs,) what int8 multiplies inputs by first, see ``enfold.layers.int8.smoothing``.
        input_range: the fixed range of int8's inputs, see ``enfold.layers.int8.range_of``.

    Raises:
        InputError: the format is another one, the weight's shape does not allow it, or a weight is infinite or not a
            number.
    """
    if format not in FORMATS:
        raise InputError(f"no weight format {format!r}; there are: {', '.join(FORMATS)}{near(format, list(FORMATS))}")
    weight = module.weight.t() if isinstance(module, TransposedLinear) else module.weight
    if not bool(weight.isfinite().all()):
        raise InputError("the weights are not all finite, so they cannot be quantised")
    if format == "int8":
        return int8.quantise_to_int8(weight.detach(), module.bias, input_scale, input_range).train(module.training)
    return FORMATS[format](weight.detach(), module.bias).train(module.training)
