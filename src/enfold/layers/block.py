"""One layer of a stack: attention, perhaps cross-attention, and feed-forward, each added to its input.

Parts: ``attention`` with its maps (``query``, ``key``, ``value``, or one ``qkv``), perhaps ``query_norm`` and
``key_norm``, and ``attention_output``; ``cross_attention`` likewise, its roles begin with ``cross_``; ``feed_forward``
with its maps (``up``, or ``gate`` and ``up``) and ``down``. Before each sum comes a dropout (``attention_dropout``,
``cross_dropout``, ``output_dropout``); where the norms (``attention_norm``, ``cross_norm``, ``output_norm``) stand is
the only thing in which the kinds of block differ, so that each is a short function of what is done in which order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from enfold.layers.context import Context
from enfold.layers.places import Assembly

__all__ = ["BLOCKS", "Block", "Moves", "ParallelBlock", "PreNormBlock"]

_SELF = ("query", "key", "value", "qkv")
_NORMS = ("query_norm", "key_norm")
_FEED = ("gate", "up")


class Moves(Protocol):
    """What a block is made of, for the order in which it is done."""

    crosses: bool

    def normed(self, role: str, hidden: Tensor) -> Tensor:
        """The norm of that role."""
        ...

    def attended(self, hidden: Tensor, residual: Tensor, context: Any) -> Tensor:
        """Self-attention and the map of its result, added to the residual."""
        ...

    def crossed(self, hidden: Tensor, residual: Tensor, context: Any) -> Tensor:
        """Cross-attention and the map of its result, added to the residual."""
        ...

    def fed(self, hidden: Tensor, residual: Tensor) -> Tensor:
        """Feed-forward, added to the residual."""
        ...


def post_norm(do: Moves, hidden: Tensor, context: Any) -> Tensor:
    """norm(x + attention(x)), then norm(x + feed_forward(x)) (Vaswani et al., 2017, section 3.1)."""
    hidden = do.normed("attention_norm", do.attended(hidden, hidden, context))
    if do.crosses and context.memory is not None:
        hidden = do.normed("cross_norm", do.crossed(hidden, hidden, context))
    return do.normed("output_norm", do.fed(hidden, hidden))


def pre_norm(do: Moves, hidden: Tensor, context: Any) -> Tensor:
    """x + attention(norm(x)), then x + feed_forward(norm(x)) (Xiong et al., 2020)."""
    hidden = do.attended(do.normed("attention_norm", hidden), hidden, context)
    if do.crosses and context.memory is not None:
        hidden = do.crossed(do.normed("cross_norm", hidden), hidden, context)
    return do.fed(do.normed("output_norm", hidden), hidden)


def parallel(do: Moves, hidden: Tensor, context: Any) -> Tensor:
    """x + attention(norm(x)) + feed_forward(norm'(x)): both see the same input (Wang and Komatsuzaki, 2021)."""
    attended = do.attended(do.normed("attention_norm", hidden), hidden, context)
    return do.fed(do.normed("output_norm", hidden), attended)


class Block(Assembly):
    """One layer, post-norm.

    Args:
        parts: by role.
        names: where a checkpoint keeps each.
        number: which of the stack's caches is its own.
    """

    order = staticmethod(post_norm)

    def __init__(self, parts: Mapping[str, nn.Module], names: Mapping[str, str], number: int = 0) -> None:
        super().__init__(parts, names)
        self.number = number
        self.crosses = "cross_attention" in parts
        self.roles = {
            kind: tuple(role for role in roles if role in parts)
            for kind, roles in {"maps": _SELF, "norms": _NORMS, "feed": _FEED}.items()
        }

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        return self.order(self, hidden, context)

    def parts_of(self, kind: str) -> list[nn.Module]:
        """The ``maps`` or ``norms`` of its attention, or the maps into its feed-forward."""
        return [self.part(role) for role in self.roles[kind]]

    def normed(self, role: str, hidden: Tensor) -> Tensor:
        """The norm of that role."""
        return self.part(role)(hidden)

    def attended(self, hidden: Tensor, residual: Tensor, context: Context) -> Tensor:
        """Self-attention and the map of its result, added to the residual."""
        part = self.part
        maps, norms = self.parts_of("maps"), self.parts_of("norms")
        result = part("attention_output")(part("attention")(hidden, context, maps, norms, self.number))
        return part("attention_dropout")(result, residual)

    def crossed(self, hidden: Tensor, residual: Tensor, context: Context) -> Tensor:
        """Cross-attention and the map of its result, added to the residual."""
        part = self.part
        maps = [part("cross_query"), part("cross_key"), part("cross_value")]
        result = part("cross_output")(part("cross_attention")(hidden, context, maps, self.number))
        return part("cross_dropout")(result, residual)

    def fed(self, hidden: Tensor, residual: Tensor) -> Tensor:
        """Feed-forward, added to the residual."""
        part = self.part
        result = part("feed_forward")(hidden, self.parts_of("feed"), part("down"))
        return part("output_dropout")(result, residual)


class PreNormBlock(Block):
    """One layer, pre-norm."""

    order = staticmethod(pre_norm)


class ParallelBlock(Block):
    """One layer whose two parts see the same input."""

    order = staticmethod(parallel)


BLOCKS: dict[str, type[Block]] = {"post": Block, "pre": PreNormBlock, "parallel": ParallelBlock}
