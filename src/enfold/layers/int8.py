"""Linear maps with int8 weights and int8 products.

Each output channel has one symmetric scale, and each token of the input one of its own, so that an answer never
depends on its neighbours in the batch. With w ≈ s_w q_w and x ≈ s_x q_x, the product is s_x (q_x · q_w) s_w + b, of
which the sum runs in integers (Jacob et al., 2018, section 2, without zero points).

Which operation computes the integer product is probed once: oneDNN's quantised linear (fastest where it exists), then
``torch._int_mm``, then exact integers in floating point, which is right everywhere.

A few inputs that are much larger than the others would leave these only a few of the 255 steps. Where it is known how
large each input gets, inputs are divided and weights multiplied by √(largest input / largest weight) of their place
(Xiao et al., 2023, section 4: SmoothQuant with a strength of one half).

Where it is known in which range all inputs lie, scale and zero point may be fixed beforehand (Jacob et al., 2018,
section 2.1). What is outside is clipped. Nothing has to be looked for in a token before it becomes bytes, and what
stands around a product can be done inside it (``enfold.layers.int8_blocks``).
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
from enfold.layers.mapped import let_go

__all__ = [
    "Int8Linear",
    "Int8Product",
    "int8_product",
    "prepared",
    "quantise_rows",
    "quantise_to_int8",
    "range_of",
    "smoothing",
    "together",
]

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
        copies: whether prepared weights are a second copy, after which the first is hardly read.
    """

    def __init__(
        self,
        name: str,
        prepare: Callable[[Tensor, Tensor], Any],
        multiply: Callable[[Tensor, Any], Tensor],
        *,
        copies: bool = False,
    ) -> None:
        self.name, self.prepare, self.multiply, self.copies = name, prepare, multiply, copies


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
    Int8Product("onednn", _onednn_prepare, _onednn_multiply, copies=True),
    Int8Product("int_mm", _int_mm_prepare, _int_mm_multiply),
    Int8Product("float", _float_prepare, _float_multiply),
)


@cache
def int8_product(device_type: str) -> Int8Product:
    """The first product that a kind of device computes rightly, the largest bytes included.

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
        scale = hidden.abs().amax(-1, keepdim=True).clamp_(min=1e-12).div_(_LARGEST)
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
        input_range: (2,) float32, the fixed scale and zero point of inputs; None where each token has its own scale.
    """

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None
    input_scale: Tensor | None
    input_range: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        weight_scale: Tensor,
        bias: Tensor | None,
        input_scale: Tensor | None = None,
        input_range: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("bias", bias)
        self.register_buffer("input_scale", input_scale)
        self.register_buffer("input_range", input_range)
        self._forget()

    def _forget(self) -> None:
        self._joint: Prepared | None = None
        self._fixed: tuple[float, int] | None = None
        self._to_bytes: tuple[Tensor, Tensor] | None = None

    def forward(self, hidden: Tensor) -> Tensor:
        """(tokens, inputs) to (tokens, outputs).

        Raises:
            InputError: the module is in training mode.
        """
        return _run(hidden, (self,))

    def check(self, hidden: Tensor) -> Tensor:
        """The input without its history.

        Raises:
            InputError: the module is in training mode.
        """
        if self.training:
            raise InputError("int8 weights cannot be trained; train the model in floating point, then quantise it")
        return hidden.detach()

    @property
    def fixed(self) -> tuple[float, int]:
        """The fixed scale and zero point of its input, as numbers; there must be some."""
        if self._fixed is None:
            assert self.input_range is not None
            scale, zero = self.input_range.tolist()
            self._fixed = scale, round(zero)
        return self._fixed

    def to_bytes(self, hidden: Tensor) -> Tensor:
        """(tokens, inputs) floats to bytes by the fixed scale; what it cannot hold is clipped."""
        if self._to_bytes is None:
            scale, zero = self.fixed
            factor = hidden.new_tensor(1 / scale) if self.input_scale is None else self.input_scale / scale
            # Half is added because the conversion cuts off what is behind the point.
            self._to_bytes = factor, torch.full_like(factor, zero + 0.5)
        factor, offset = self._to_bytes
        return torch.addcmul(offset, hidden, factor).clamp_(0, 255).to(torch.uint8)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Int8Linear:
        self._forget()
        super()._apply(fn, recurse)
        if self.weight_scale.dtype != torch.float32:
            kind = str(self.weight_scale.dtype).removeprefix("torch.")
            raise InputError(f"an int8 model computes in float32 around its products; {kind} is not possible")
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Prepared weights are opaque and belong to this process.
        return self.__dict__ | {"_joint": None, "_fixed": None, "_to_bytes": None}

    def extra_repr(self) -> str:
        """The sizes, as they print."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


@dataclass(frozen=True, eq=False)
class Prepared:
    """Maps of one input, ready to be multiplied as one.

    Attributes:
        maps: which they are.
        weight: what the product takes.
        bias: (outputs,), or None.
        moved_bias: the same for the products of this module with fixed ranges, whose middle is 128 and not the zero
            point; None without fixed ranges.
    """

    maps: tuple[Int8Linear, ...]
    weight: Any
    bias: Tensor | None
    moved_bias: Tensor | None


def together(maps: Sequence[Int8Linear]) -> Callable[[Tensor], Tensor]:
    """Several maps of one input as one product: (tokens, inputs) to (tokens, all outputs side by side)."""
    return lambda hidden: _run(hidden, tuple(maps))


def _run(hidden: Tensor, maps: tuple[Int8Linear, ...]) -> Tensor:
    first = maps[0]
    hidden, own = first.check(hidden), prepared(maps)
    product = int8_product(hidden.device.type)
    if first.input_range is not None:
        result = product.multiply(first.to_bytes(hidden), own.weight)
        return torch.add(own.moved_bias, result, alpha=first.fixed[0])  # type: ignore[arg-type]
    quantised, scale = quantise_rows(hidden if first.input_scale is None else hidden * first.input_scale)
    return _scaled(product.multiply(quantised, own.weight), scale, own.bias)


def prepared(maps: tuple[Int8Linear, ...]) -> Prepared:
    """The maps as one, prepared at the first call.

    Raises:
        InputError: they do not treat their one input alike.
    """
    joint = maps[0]._joint
    if joint is None or joint.maps != maps:
        joint = maps[0]._joint = _prepare(maps, int8_product(maps[0].weight.device.type))
    return joint


def _prepare(maps: tuple[Int8Linear, ...], product: Int8Product) -> Prepared:
    first = maps[0]
    for own in maps[1:]:
        if not (_alike(own.input_scale, first.input_scale) and _alike(own.input_range, first.input_range)):
            raise InputError("int8 maps of one input must scale it alike; quantise the model anew")
    weight = first.weight if len(maps) == 1 else torch.cat([own.weight for own in maps])
    scale = first.weight_scale if len(maps) == 1 else torch.cat([own.weight_scale for own in maps])
    bias = None
    if any(own.bias is not None for own in maps):
        bias = torch.cat(
            [own.weight_scale.new_zeros(own.out_features) if own.bias is None else own.bias for own in maps]
        )
    moved = None
    if first.input_range is not None:
        step, zero = first.fixed
        moved = weight.sum(1, dtype=torch.float32) * scale * (step * (_MIDDLE - zero))
        moved = moved if bias is None else moved + bias
    ready = Prepared(maps, product.prepare(weight, scale), bias, moved)
    if product.copies:
        for own in maps:
            let_go(own.weight)
    return ready


def _alike(first: Tensor | None, second: Tensor | None) -> bool:
    return first is second if first is None or second is None else torch.equal(first, second)


def range_of(lowest: Tensor, highest: Tensor, input_scale: Tensor | None = None) -> Tensor:
    """The (2,) scale and zero point by which inputs between these become bytes.

    Args:
        lowest, highest: (inputs,) what each input lay between.
        input_scale: (inputs,) what inputs are multiplied by first.
    """
    if input_scale is not None:
        lowest, highest = lowest * input_scale, highest * input_scale
    low, high = min(float(lowest.min()), 0.0), max(float(highest.max()), 0.0)
    scale = max(high - low, 1e-12) / 255
    return torch.tensor([scale, float(round(-low / scale))])


def smoothing(largest: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """What inputs are multiplied by, (inputs,).

    Args:
        largest: (inputs,) how large each gets.
        weights: (outputs, inputs) each, of the maps that share the input.
    """
    heaviest = torch.stack([weight.abs().amax(0) for weight in weights]).amax(0).float()
    return (heaviest.clamp(min=1e-5) / largest.float().clamp(min=1e-5)).sqrt().clamp(1e-4, 1e4)


@torch.no_grad()
def quantise_to_int8(
    weight: Tensor, bias: Tensor | None, input_scale: Tensor | None = None, input_range: Tensor | None = None
) -> Int8Linear:
    """The map of a floating (outputs, inputs) weight, with one scale for each output."""
    weight = weight.float() if input_scale is None else weight.float() / input_scale
    scale = weight.abs().amax(1).clamp_(min=1e-12).div_(_LARGEST)
    rounded = (weight / scale[:, None]).round_().clamp_(-_LARGEST, _LARGEST).to(torch.int8).contiguous()
    own_bias = None if bias is None else bias.detach().float().clone()
    return Int8Linear(rounded, scale, own_bias, input_scale, input_range)
