"""Linear maps with int8 weights and int8 products.

Each output channel has one symmetric scale, and each token of the input one of its own, so that an answer never
depends on its neighbours in the batch. With w ≈ s_w q_w and x ≈ s_x q_x, the product is s_x (q_x · q_w) s_w + b, of
which the sum runs in integers (Jacob et al., 2018, section 2, without zero points).

Which operation computes the integer product is probed once: oneDNN's quantised linear (fastest where it exists), then
``torch._int_mm``, then exact integers in floating point, which is right everywhere.

A few inputs that are much larger than the others would leave these only a few of the 255 steps. Where it is known how
large each input gets, inputs are divided and weights multiplied by √(largest input / largest weight) of their place
(Xiao et al., 2023, section 4: SmoothQuant with a strength of one half).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.errors import InputError

__all__ = ["Int8Linear", "Int8Product", "int8_product", "quantise_rows", "quantise_to_int8", "smoothing", "together"]

log = logging.getLogger("enfold.layers")

_LARGEST = 127
_MIDDLE = 128  # activations are kept as unsigned bytes around this point, as oneDNN's kernels want them
_FEW = 32


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


def quantise_rows(hidden: Tensor) -> tuple[Tensor, Tensor]:
    """(tokens, width) floats to bytes around 128 and (tokens, 1) scales."""
    if hidden.shape[0] <= _FEW:  # few operations count there, passes over memory do not
        scale = torch.linalg.vector_norm(hidden, torch.inf, -1, keepdim=True).clamp_(min=1e-12).div_(_LARGEST)
    else:
        # Two reductions are faster than one of absolute values, which go through memory.
        largest = torch.maximum(hidden.amax(-1, keepdim=True), hidden.amin(-1, keepdim=True).neg_())
        scale = largest.clamp_(min=1e-12).div_(_LARGEST)
    # Half is added because the conversion cuts off what is behind the point.
    return torch.mul(hidden, scale.reciprocal()).add_(_MIDDLE + 0.5).to(torch.uint8), scale


def _scaled(result: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    return result.mul_(scale) if bias is None else torch.addcmul(bias, result, scale)


class Int8Linear(nn.Module):
    """A linear map with int8 weights, for inference only.

    Prepared weights are a second copy, made at the first call; maps that are always called together (``together``) are
    prepared as one.

    Attributes:
        weight: (outputs, inputs) int8.
        weight_scale: (outputs,) float32.
        bias: (outputs,) float32, or None.
        input_scale: (inputs,) float32, what inputs are multiplied by before they become bytes; None for nothing.
    """

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None
    input_scale: Tensor | None

    def __init__(
        self, weight: Tensor, weight_scale: Tensor, bias: Tensor | None, input_scale: Tensor | None = None
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("bias", bias)
        self.register_buffer("input_scale", input_scale)
        self._prepared: Any = None
        self._joint: _Joint | None = None

    def forward(self, hidden: Tensor) -> Tensor:
        """(tokens, inputs) to (tokens, outputs).

        Raises:
            InputError: the module is in training mode.
        """
        quantised, scale = quantise_rows(self.check(hidden))
        product = int8_product(quantised.device.type)
        if self._prepared is None:
            self._prepared = product.prepare(self.weight, self.weight_scale)
        return _scaled(product.multiply(quantised, self._prepared), scale, self.bias)

    def check(self, hidden: Tensor) -> Tensor:
        """The input without its history, scaled.

        Raises:
            InputError: the module is in training mode.
        """
        if self.training:
            raise InputError("int8 weights cannot be trained; train the model in floating point, then quantise it")
        hidden = hidden.detach()
        return hidden if self.input_scale is None else hidden * self.input_scale

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Int8Linear:
        self._prepared = self._joint = None
        super()._apply(fn, recurse)
        if self.weight_scale.dtype != torch.float32:
            kind = str(self.weight_scale.dtype).removeprefix("torch.")
            raise InputError(f"an int8 model computes in float32 around its products; {kind} is not possible")
        return self

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {
            "_prepared": None,
            "_joint": None,
        }  # prepared weights are opaque and belong to this process

    def extra_repr(self) -> str:
        """The sizes, as they print."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


@dataclass(frozen=True, eq=False)
class _Joint:
    """Several maps prepared as one."""

    maps: tuple[Int8Linear, ...]
    prepared: Any
    bias: Tensor | None


def together(maps: Sequence[Int8Linear]) -> Callable[[Tensor], Tensor]:
    """Several maps of one input as one product: (tokens, inputs) to (tokens, all outputs side by side)."""

    def run(hidden: Tensor) -> Tensor:
        quantised, scale = quantise_rows(maps[0].check(hidden))
        product = int8_product(quantised.device.type)
        joint = maps[0]._joint
        if joint is None or joint.maps != tuple(maps):
            joint = maps[0]._joint = _joint(maps, product)
        return _scaled(product.multiply(quantised, joint.prepared), scale, joint.bias)

    return run


def _joint(maps: Sequence[Int8Linear], product: Int8Product) -> _Joint:
    for own in maps[1:]:
        mine, first = own.input_scale, maps[0].input_scale
        alike = mine is first if mine is None or first is None else torch.equal(mine, first)
        if not alike:
            raise InputError("int8 maps of one input must scale it alike; quantise the model anew")
    weight = torch.cat([own.weight for own in maps])
    scale = torch.cat([own.weight_scale for own in maps])
    bias = None
    if any(own.bias is not None for own in maps):
        bias = torch.cat([scale.new_zeros(own.out_features) if own.bias is None else own.bias for own in maps])
    return _Joint(tuple(maps), product.prepare(weight, scale), bias)


def smoothing(largest: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """What inputs are multiplied by, (inputs,).

    Args:
        largest: (inputs,) how large each gets.
        weights: (outputs, inputs) each, of the maps that share the input.
    """
    heaviest = torch.stack([weight.abs().amax(0) for weight in weights]).amax(0).float()
    return (heaviest.clamp(min=1e-5) / largest.float().clamp(min=1e-5)).sqrt().clamp(1e-4, 1e4)


@torch.no_grad()
def quantise_to_int8(weight: Tensor, bias: Tensor | None, input_scale: Tensor | None = None) -> Int8Linear:
    """The map of a floating (outputs, inputs) weight, with one scale for each output."""
    weight = weight.float() if input_scale is None else weight.float() / input_scale
    scale = weight.abs().amax(1).clamp_(min=1e-12).div_(_LARGEST)
    rounded = (weight / scale[:, None]).round_().clamp_(-_LARGEST, _LARGEST).to(torch.int8).contiguous()
    return Int8Linear(rounded, scale, None if bias is None else bias.detach().float().clone(), input_scale)
