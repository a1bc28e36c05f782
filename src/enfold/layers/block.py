"""One layer of a stack: attention, perhaps cross-attention, and feed-forward, each added to its input.

Parts: ``attention`` with its maps (``query``, ``key``, ``value``, or one ``qkv``), perhaps ``query_norm`` and
``key_norm``, and ``attention_output``; ``cross_attention`` likewise, its roles begin with ``cross_``; ``feed_forward``
with its maps (``up``, or ``gate`` and ``up``) and ``down``. Before each sum comes a dropout (``attention_dropout``,
``cross_dropout``, ``output_dropout``); where the norms (``attention_norm``, ``cross_norm``, ``output_norm``) stand is
the only thing in which the kinds of block differ.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from enfold.layers.context import Context
from enfold.layers.places import Assembly

__all__ = ["BLOCKS", "Block", "ParallelBlock", "PreNormBlock"]

_SELF = ("query", "key", "value", "qkv")
_NORMS = ("query_norm", "key_norm")
_FEED = ("gate", "up")


class Block(Assembly):
    """Post-norm (Vaswani et al., 2017, section 3.1): norm(x + attention(x)), then norm(x + feed_forward(x)).

    Args:
        parts: by role.
        names: where a checkpoint keeps each.
        number: which of the stack's caches is its own.
    """

    def __init__(self, parts: Mapping[str, nn.Module], names: Mapping[str, str], number: int = 0) -> None:
        super().__init__(parts, names)
        self.number = number
        self.crosses = "cross_attention" in parts
        self._maps = tuple(role for role in _SELF if role in parts)
        self._norms = tuple(role for role in _NORMS if role in parts)
        self._feed = tuple(role for role in _FEED if role in parts)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        part = self.part
        hidden = part("attention_norm")(part("attention_dropout")(self.attended(hidden, context), hidden))
        if self.crosses and context.memory is not None:
            hidden = part("cross_norm")(part("cross_dropout")(self.crossed(hidden, context), hidden))
        return part("output_norm")(part("output_dropout")(self.fed(hidden), hidden))

    def attended(self, hidden: Tensor, context: Context) -> Tensor:
        """Self-attention and the map of its result."""
        part = self.part
        maps, norms = [part(role) for role in self._maps], [part(role) for role in self._norms]
        return part("attention_output")(part("attention")(hidden, context, maps, norms, self.number))

    def crossed(self, hidden: Tensor, context: Context) -> Tensor:
        """Cross-attention and the map of its result."""
        part = self.part
        maps = [part("cross_query"), part("cross_key"), part("cross_value")]
        return part("cross_output")(part("cross_attention")(hidden, context, maps, self.number))

    def fed(self, hidden: Tensor) -> Tensor:
        """Feed-forward."""
        part = self.part
        return part("feed_forward")(hidden, [part(role) for role in self._feed], part("down"))


class PreNormBlock(Block):
    """Pre-norm (Xiong et al., 2020): x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        part = self.part
        hidden = part("attention_dropout")(self.attended(part("attention_norm")(hidden), context), hidden)
        if self.crosses and context.memory is not None:
            hidden = part("cross_dropout")(self.crossed(part("cross_norm")(hidden), context), hidden)
        return part("output_dropout")(self.fed(part("output_norm")(hidden)), hidden)


class ParallelBlock(Block):
    """Both parts see the same input (Wang and Komatsuzaki, 2021): x + attention(norm(x)) + feed_forward(norm'(x))."""

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        part = self.part
        fed = self.fed(part("output_norm")(hidden))
        hidden = part("attention_dropout")(self.attended(part("attention_norm")(hidden), context), hidden)
        return part("output_dropout")(fed, hidden)


BLOCKS: dict[str, type[Block]] = {"post": Block, "pre": PreNormBlock, "parallel": ParallelBlock}
