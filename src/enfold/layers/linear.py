"""The formats in which linear maps keep their weights: floating point, and int8.

int8: each output channel has one symmetric scale, and each token of the input one of its own, so that an answer
never depends on its neighbours in the batch. With w ≈ s_w q_w and x ≈ s_x q_x, the product is s_x (q_x · q_w) s_w + b,
of which the sum runs in integers (Jacob et al., 2018, section 2, without zero points).

Which operation computes the integer product is probed once: oneDNN's quantised linear (fastest where it exists), then
``torch._int_mm``, then exact integers in floating point, which is right everywhere.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.errors import InputError

__all__ = [
    "Int8Linear",
    "Int8Product",
    "Linear",
    "TransposedLinear",
    "int8_product",
    "joined",
    "linear",
    "multiply",
    "project",
    "quantise_linear",
]

log = logging.getLogger("enfold.layers")

_LARGEST = 127
_MIDDLE = 128  # activations are kept as unsigned bytes around this point, as oneDNN's kernels want them


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


# ---- int8 ---------------------------------------------------------------------------------------------------------


class Int8Product:
    """One way to multiply bytes: how weights are prepared, and the product itself.

    Attributes:
        name: what it is called in reports.
        prepare: (outputs, inputs) int8 weights and (outputs,) float scales to whatever ``multiply`` takes.
        multiply: (tokens, inputs) bytes around 128 and prepared weights to (tokens, outputs) floats, scaled by the
            weights' scales.
    """

    def __init__(
        self, name: str, prepare: Callable[[Tensor, Tensor], Any], multiply: Callable[[Tensor, Any], Tensor]
    ) -> None:
        self.name, self.prepare, self.multiply = name, prepare, multiply


def _onednn_prepare(weight: Tensor, scale: Tensor) -> Any:
    zero_points = torch.zeros(weight.shape[0], dtype=torch.long)
    return torch.ops.onednn.qlinear_prepack(weight, None), scale, zero_points


def _onednn_multiply(quantised: Tensor, prepared: Any) -> Tensor:
    weight, scale, zero_points = prepared
    return torch.ops.onednn.qlinear_pointwise(
        quantised, 1.0, _MIDDLE, weight, scale, zero_points, None, 1.0, 0, torch.float32, "none", [], ""
    )


def _int_mm_prepare(weight: Tensor, scale: Tensor) -> Any:
    return weight.t(), scale


def _int_mm_multiply(quantised: Tensor, prepared: Any) -> Tensor:
    weight, scale = prepared
    centred = quantised.bitwise_xor(_MIDDLE).view(torch.int8)  # x - 128 as a signed byte
    return torch._int_mm(centred, weight) * scale


def _float_prepare(weight: Tensor, scale: Tensor) -> Any:
    return weight, scale


def _float_multiply(quantised: Tensor, prepared: Any) -> Tensor:
    weight, scale = prepared
    return F.linear(quantised.float() - _MIDDLE, weight.float()) * scale


PRODUCTS = (
    Int8Product("onednn", _onednn_prepare, _onednn_multiply),
    Int8Product("int_mm", _int_mm_prepare, _int_mm_multiply),
    Int8Product("float", _float_prepare, _float_multiply),
)


@cache
def int8_product(device_type: str = "cpu") -> Int8Product:
    """The first product that this machine computes rightly, the largest bytes included.

    Some processors without the dot-product instructions saturate there, which the probe finds.
    """
    candidates = PRODUCTS if device_type == "cpu" else PRODUCTS[1:]
    for product in candidates[:-1]:
        if _is_right(product, device_type):
            return product
    log.warning("this machine has no int8 product; int8 models run, but not faster than float32 ones")
    return candidates[-1]


def _is_right(product: Int8Product, device_type: str) -> bool:
    weight = torch.full((32, 64), _LARGEST, dtype=torch.int8, device=device_type)
    weight[::2] = -_LARGEST
    weight[:, ::5] = 3
    scale = torch.linspace(0.5, 2.0, 32, device=device_type)
    for rows in (1, 33):
        quantised = torch.full((rows, 64), 255, dtype=torch.uint8, device=device_type)
        quantised[:, ::3] = 1
        expected = (quantised.double() - _MIDDLE) @ weight.double().t() * scale.double()
        try:
            found = product.multiply(quantised, product.prepare(weight, scale))
        except (RuntimeError, AttributeError, NotImplementedError):
            return False
        if not torch.allclose(found.double(), expected, rtol=1e-5):
            return False
    return True


def _quantise_rows(hidden: Tensor) -> tuple[Tensor, Tensor]:
    """(tokens, width) floats to bytes around 128 and (tokens, 1) scales."""
    # Two reductions are faster than one of absolute values, which go through memory.
    largest = torch.maximum(hidden.amax(-1, keepdim=True), hidden.amin(-1, keepdim=True).neg_())
    scale = largest.clamp_(min=1e-12).div_(_LARGEST)
    # Half is added because the conversion cuts off what is behind the point.
    return torch.mul(hidden, scale.reciprocal()).add_(_MIDDLE + 0.5).to(torch.uint8), scale


class Int8Linear(nn.Module):
    """A linear map with int8 weights, for inference only.

    Attributes:
        weight: (outputs, inputs) int8.
        weight_scale: (outputs,) float32.
        bias: (outputs,) float32, or None.
    """

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, weight_scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("bias", bias)
        self._prepared: Any = None

    def forward(self, hidden: Tensor) -> Tensor:
        """(tokens, inputs) to (tokens, outputs).

        Raises:
            InputError: the module is in training mode.
        """
        return self.apply_to(*_quantise_rows(self.check(hidden)))

    def check(self, hidden: Tensor) -> Tensor:
        """The input without its history.

        Raises:
            InputError: the module is in training mode.
        """
        if self.training:
            raise InputError("int8 weights cannot be trained; train the model in floating point, then quantise it")
        return hidden.detach()

    def apply_to(self, quantised: Tensor, scale: Tensor) -> Tensor:
        """The map of an input that is bytes already."""
        product = int8_product(quantised.device.type)
        if self._prepared is None:
            self._prepared = product.prepare(self.weight, self.weight_scale)
        result = product.multiply(quantised, self._prepared)
        return result.mul_(scale) if self.bias is None else torch.addcmul(self.bias, result, scale)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Int8Linear:
        self._prepared = None
        super()._apply(fn, recurse)
        if self.weight_scale.dtype != torch.float32:
            kind = str(self.weight_scale.dtype).removeprefix("torch.")
            raise InputError(f"an int8 model computes in float32 around its products; {kind} is not possible")
        return self

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_prepared": None}  # prepared weights are opaque and belong to this process

    def extra_repr(self) -> str:
        """The sizes, as they print."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def linear(in_features: int, out_features: int, *, bias: bool = True, transposed: bool = False) -> nn.Module:
    """A new map of either kind."""
    return (TransposedLinear if transposed else Linear)(in_features, out_features, bias=bias)


def project(hidden: Tensor, maps: Sequence[nn.Module]) -> list[Tensor]:
    """Several linear maps of one input; int8 ones share its bytes."""
    if all(isinstance(own, Int8Linear) for own in maps):
        quantised, scale = _quantise_rows(maps[0].check(hidden))  # type: ignore[operator]
        return [own.apply_to(quantised, scale) for own in maps]  # type: ignore[operator]
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


@torch.no_grad()
def quantise_linear(module: nn.Linear | TransposedLinear, format: str = "int8") -> Int8Linear:
    """The same map with int8 weights.

    Args:
        module: any ``torch.nn.Linear`` or transposed one.
        format: ``int8``, the only one there is.

    Raises:
        InputError: the format is another one, or a weight is infinite or not a number.
    """
    if format != "int8":
        raise InputError(f"no weight format {format!r}; there is: int8")
    weight = (module.weight.t() if isinstance(module, TransposedLinear) else module.weight).float()
    if not bool(weight.isfinite().all()):
        raise InputError("the weights are not all finite, so they cannot be quantised")
    scale = weight.abs().amax(1).clamp_(min=1e-12).div_(_LARGEST)
    rounded = (weight / scale[:, None]).round_().clamp_(-_LARGEST, _LARGEST).to(torch.int8).contiguous()
    bias = None if module.bias is None else module.bias.detach().float().clone()
    return Int8Linear(rounded, scale, bias).train(module.training)
