"""Blocks whose int8 maps have fixed input ranges, in as few passes over memory as there can be.

Around an int8 product, passes over memory cost as much as the product: finding each token's scale, undoing it, adding
the bias, the activation, the sum with what came before. With fixed ranges oneDNN's product does all of these while its
result is in registers: the activation and the way back to bytes between the two maps of a feed-forward, and the sum
behind attention and feed-forward. What is computed, and in which order, is the block's own (``enfold.layers.block``).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from enfold.layers.block import Block, ParallelBlock
from enfold.layers.context import Context
from enfold.layers.feed_forward import FeedForward
from enfold.layers.int8 import Int8Linear, Prepared, int8_product, prepared
from enfold.layers.linear import joined
from enfold.layers.stepping import can_step

__all__ = ["Int8Block", "fuses", "quickest"]

_NO_FUSION: tuple[str, list[Any], str] = ("none", [], "")


def quickest(block: nn.Module, hidden: Tensor) -> Any:
    """What computes a block without gradients: an ``Int8Block`` where that is possible, else the block itself."""
    if hidden.device.type != "cpu" or hidden.dtype != torch.float32 or not isinstance(block, Block):
        return block
    fixed = any(isinstance(own, Int8Linear) and own.input_range is not None for own in block.modules())
    if not fixed or isinstance(block, ParallelBlock) or not can_step(block) or not _has_fusion():
        return block
    return Int8Block(block)


def fuses(block: Block) -> bool:
    """Whether the activation between the maps of the block's feed-forward can be done inside the first product."""
    return type(block.part("feed_forward")) is FeedForward and _post_operation(block) is not None


def _post_operation(block: Block) -> tuple[str, str] | None:
    fed: Any = block.part("feed_forward")
    if type(fed.activation) is nn.GELU:
        return "gelu", fed.activation.approximate
    return ("relu", "") if type(fed.activation) is nn.ReLU else None


@cache
def _has_fusion() -> bool:
    """Whether the products with what is done inside them are there, and right."""
    if int8_product("cpu").name != "onednn":
        return False
    weight = torch.arange(-64, 64, dtype=torch.int8).repeat(8, 1)
    scale = torch.linspace(0.001, 0.002, 8)
    bias = torch.linspace(-1, 1, 8)
    own = Int8Linear(weight, scale, bias, None, torch.tensor([0.05, 100.0])).eval()
    quantised = torch.arange(0, 256, 2, dtype=torch.uint8).repeat(3, 1)
    quantised[1] = 255 - quantised[1]
    expected = (quantised.float() - 100) * 0.05 @ (weight.float() * scale[:, None]).t() + bias
    residual = torch.linspace(-2, 2, 24).view(3, 8)
    try:
        if not torch.allclose(_onto(quantised, own, residual.clone()), expected + residual, atol=1e-4):
            return False
        for name, algorithm, activation in (
            ("gelu", "none", nn.GELU()),
            ("gelu", "tanh", nn.GELU("tanh")),
            ("relu", "", nn.ReLU()),
        ):
            activated = activation(expected)
            found = _product(quantised, prepared((own,)), own, out=(0.02, 10), after=(name, algorithm)).float()
            if (found - (activated / 0.02 + 10).round().clamp(0, 255)).abs().max() > 1:
                return False
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    return True


def _product(
    quantised: Tensor,
    maps: Prepared,
    first: Int8Linear,
    *,
    out: tuple[float, int] | None = None,
    after: tuple[str, str] | None = None,
) -> Tensor:
    """Bytes through maps: to floats, or to bytes where ``out`` is a scale and a zero point; ``after`` is done first."""
    weight, scale, zeros = maps.weight
    name, algorithm = after or ("none", "")
    out_scale, out_zero = out or (1.0, 0)
    kind = torch.float32 if out is None else torch.uint8
    return torch.ops.onednn.qlinear_pointwise(
        quantised, *first.fixed, weight, scale, zeros, maps.bias, out_scale, out_zero, kind, name, [], algorithm
    )


def _onto(quantised: Tensor, own: Int8Linear, residual: Tensor) -> Tensor:
    """The product added to a residual, in whose memory it is done."""
    maps = prepared((own,))
    weight, scale, zeros = maps.weight
    return torch.ops.onednn.qlinear_pointwise.binary(
        quantised,
        *own.fixed,
        weight,
        scale,
        zeros,
        residual,
        maps.bias,
        1.0,
        0,
        torch.float32,
        1.0,
        0,
        "sum",
        1.0,
        *_NO_FUSION,
    )


def _fixed(own: nn.Module) -> bool:
    return isinstance(own, Int8Linear) and own.input_range is not None


class Int8Block:
    """A block, for one pass; its moves are those of ``enfold.layers.block.Moves``. Residuals are overwritten.

    Args:
        block: whose parts ``can_step``; any of its maps may have fixed ranges.
    """

    def __init__(self, block: Block) -> None:
        self._block = block
        self.crosses = block.crosses
        self.normed = block.normed

    def __call__(self, hidden: Tensor, context: Context) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        if context.cache is not None:
            return self._block(hidden, context)
        return self._block.order(self, hidden, context)

    def attended(self, hidden: Tensor, residual: Tensor, context: Context) -> Tensor:
        """Self-attention and the map of its result, added to the residual."""
        block = self._block
        maps: Any = block.parts_of("maps")
        if all(_fixed(own) for own in maps):
            mapped = _product(maps[0].to_bytes(hidden), prepared(tuple(maps)), maps[0])
        else:
            mapped = joined(maps)(hidden)
        attention: Any = block.part("attention")
        parts = mapped.split([own.out_features for own in maps], -1)
        found = attention.weigh(parts, context, block.parts_of("norms"), block.number)
        return self._added("attention_output", found, residual)

    def crossed(self, hidden: Tensor, residual: Tensor, context: Context) -> Tensor:
        """Cross-attention and the map of its result, added to the residual."""
        return self._block.crossed(hidden, residual, context)

    def fed(self, hidden: Tensor, residual: Tensor) -> Tensor:
        """Feed-forward, added to the residual."""
        block = self._block
        maps: Any = block.parts_of("feed")
        down: Any = block.part("down")
        up = maps[0]
        after = _post_operation(block) if type(block.part("feed_forward")) is FeedForward else None
        if len(maps) == 1 and after is not None and _fixed(up) and _fixed(down) and down.input_scale is None:
            inner = _product(up.to_bytes(hidden), prepared((up,)), up, out=down.fixed, after=after)
            return _onto(inner, down, residual)
        expanded = joined(maps)(hidden).split([own.out_features for own in maps], -1)
        fed: Any = block.part("feed_forward")
        return self._added("down", fed.dropout(fed.inner(expanded)), residual)

    def _added(self, role: str, hidden: Tensor, residual: Tensor) -> Tensor:
        own: Any = self._block.part(role)
        return _onto(own.to_bytes(hidden), own, residual) if _fixed(own) else own(hidden) + residual
