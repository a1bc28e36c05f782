"""Linear maps with int4 weights and bfloat16 products, for models that write token by token.

Writing one token reads every weight once, so that their size is what counts. Each group of inputs of each output has a
scale and a middle: w ≈ scale · (q - 8) + middle, with q from 0 to 15, fitted to the group's smallest and largest weight
(Dettmers and Zettlemoyer, 2023, section 2, of weights alone). Inputs are rounded to bfloat16 and sums are kept in
float32; no number depends on more than one token.

PyTorch's own operation multiplies packed weights; where it is not there, or wrong, weights are unpacked at each call.
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

__all__ = ["GROUP", "Int4Linear", "has_int4_product", "quantise_to_int4", "together"]

log = logging.getLogger("enfold.layers")

GROUP = 32
"""Inputs that share a scale: as in the four-bit kinds of GGUF files, whose weights are taken over as they are."""
_MIDDLE, _LARGEST = 8, 15
_OUTPUTS = 64  # the packed form comes in blocks of so many outputs


@cache
def has_int4_product() -> bool:
    """Whether this machine multiplies packed weights, and rightly."""
    generator = torch.Generator().manual_seed(0)
    q = torch.randint(0, 16, (_OUTPUTS, 2 * GROUP), generator=generator, dtype=torch.uint8)
    scale = torch.rand(_OUTPUTS, 2, generator=generator).bfloat16().float()
    hidden = torch.randn(3, 2 * GROUP, generator=generator).bfloat16()
    wanted = hidden.float() @ _unpacked(q, scale, -scale).t()
    try:
        right = torch.allclose(_multiply(hidden, _prepare(q, scale, -scale)).float(), wanted, rtol=0.02, atol=0.2)
    except (RuntimeError, AttributeError, NotImplementedError):
        right = False
    if not right:
        log.warning("this machine has no int4 product; int4 models run, but not faster than float32 ones")
    return right


def _prepare(q: Tensor, scale: Tensor, middle: Tensor) -> tuple[Tensor, Tensor]:
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(q.int(), 1)
    return packed, torch.stack([scale, middle], -1).transpose(0, 1).contiguous().bfloat16()


def _multiply(hidden: Tensor, prepared: tuple[Tensor, Tensor]) -> Tensor:
    return torch.ops.aten._weight_int4pack_mm_for_cpu(hidden, prepared[0], GROUP, prepared[1])


def _unpacked(q: Tensor, scale: Tensor, middle: Tensor) -> Tensor:
    """(outputs, inputs) floats of whole numbers, and of scales and middles (outputs, groups)."""
    grouped = q.unflatten(1, (-1, GROUP)).float() - _MIDDLE
    return (grouped * scale.float()[..., None] + middle.float()[..., None]).flatten(1)


class Int4Linear(nn.Module):
    """A linear map with int4 weights, for inference only.

    Attributes:
        weight: (outputs, inputs / 2) bytes; the lower half of a byte is the even input.
        weight_scale, weight_middle: (outputs, inputs / 32) bfloat16.
        bias: (outputs,) float32, or None.
    """

    weight: Tensor
    weight_scale: Tensor
    weight_middle: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, weight_scale: Tensor, weight_middle: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape[0], 2 * weight.shape[1]
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("weight_middle", weight_middle)
        self.register_buffer("bias", bias)
        self._joint: _Joint | None = None

    def forward(self, hidden: Tensor) -> Tensor:
        """(tokens, inputs) to (tokens, outputs).

        Raises:
            InputError: the module is in training mode.
        """
        return together([self])(hidden)

    def numbers(self) -> Tensor:
        """(outputs, inputs) whole numbers from 0 to 15."""
        return torch.stack([self.weight & _LARGEST, self.weight >> 4], -1).flatten(1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Int4Linear:
        self._joint = None
        # Scales stay as they are: the model around them may be float32.
        kept = {name: getattr(self, name).dtype for name in ("weight_scale", "weight_middle")}
        super()._apply(fn, recurse)
        for name, dtype in kept.items():
            setattr(self, name, getattr(self, name).to(dtype))
        return self

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_joint": None}  # packed weights belong to this process

    def extra_repr(self) -> str:
        """The sizes, as they print."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


@dataclass(frozen=True, eq=False)
class _Joint:
    """Several maps prepared as one; unused outputs fill up the last block."""

    maps: tuple[Int4Linear, ...]
    prepared: tuple[Tensor, Tensor] | None
    outputs: int
    bias: Tensor | None


def together(maps: Sequence[Int4Linear]) -> Callable[[Tensor], Tensor]:
    """Several maps of one input as one product: (tokens, inputs) to (tokens, all outputs side by side)."""

    def run(hidden: Tensor) -> Tensor:
        if maps[0].training:
            raise InputError("int4 weights cannot be trained; train the model in floating point, then quantise it")
        joint = maps[0]._joint
        if joint is None or joint.maps != tuple(maps):
            joint = maps[0]._joint = _joint(maps, hidden.device)
        hidden = hidden.detach()
        rounded = hidden.bfloat16()
        if joint.prepared is None:
            weights = [_unpacked(own.numbers(), own.weight_scale, own.weight_middle) for own in maps]
            result = F.linear(rounded.float(), torch.cat(weights)).to(hidden.dtype)
        else:
            result = _multiply(rounded, joint.prepared)[:, : joint.outputs].to(hidden.dtype)
        return result if joint.bias is None else result.add_(joint.bias)

    return run


def _joint(maps: Sequence[Int4Linear], device: torch.device) -> _Joint:
    outputs = sum(own.out_features for own in maps)
    bias = None
    if any(own.bias is not None for own in maps):
        zeros = [torch.zeros(own.out_features, device=device) for own in maps]
        bias = torch.cat([zero if own.bias is None else own.bias for own, zero in zip(maps, zeros, strict=True)])
    if device.type != "cpu" or not has_int4_product():
        return _Joint(tuple(maps), None, outputs, bias)
    spare = -outputs % _OUTPUTS
    q, scale, middle = (
        F.pad(torch.cat(own), (0, 0, 0, spare))
        for own in (
            [own.numbers() for own in maps],
            [own.weight_scale for own in maps],
            [own.weight_middle for own in maps],
        )
    )
    prepared = _prepare(q, scale, middle)
    for own in maps:
        let_go(own.weight)
    return _Joint(tuple(maps), prepared, outputs, bias)


@torch.no_grad()
def quantise_to_int4(weight: Tensor, bias: Tensor | None) -> Int4Linear:
    """The map of a floating (outputs, inputs) weight.

    Raises:
        InputError: the number of inputs is no multiple of a group.
    """
    if weight.shape[1] % GROUP:
        raise InputError(f"int4 needs a multiple of {GROUP} inputs; this map has {weight.shape[1]}")
    grouped = weight.float().unflatten(1, (-1, GROUP))
    low, high = grouped.amin(-1), grouped.amax(-1)
    scale = ((high - low) / _LARGEST).clamp_(min=1e-12).bfloat16()
    middle = (low + _MIDDLE * scale.float()).bfloat16()
    q = ((grouped - middle.float()[..., None]) / scale.float()[..., None]).round_().add_(_MIDDLE).clamp_(0, _LARGEST)
    return of_numbers(q.flatten(1).to(torch.uint8), scale, middle, bias)


def of_numbers(q: Tensor, scale: Tensor, middle: Tensor, bias: Tensor | None) -> Int4Linear:
    """The map of whole numbers from 0 to 15, (outputs, inputs), with scales and middles, (outputs, groups)."""
    packed = (q[:, ::2] | (q[:, 1::2] << 4)).contiguous()
    own = None if bias is None else bias.detach().float().clone()
    return Int4Linear(packed, scale.bfloat16(), middle.bfloat16(), own)
