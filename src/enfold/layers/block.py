"""One layer of a stack: attention and feed-forward, each added to its input and normalised."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from enfold.layers.attention import Attention
from enfold.layers.places import Assembly

__all__ = ["Block"]


class Block(Assembly):
    """Post-norm layer (Vaswani et al., 2017, section 3.1): norm(x + attention(x)), then norm(x + feed_forward(x)).

    Parts: ``attention``, its projections ``query``, ``key``, ``value`` and ``attention_output``,
    ``attention_norm``, ``up``, ``activation``, ``down``, ``output_norm``, and a dropout before each sum.
    """

    def forward(self, hidden: Tensor, layout: Layout, bias: Tensor | None = None) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        part = self.part
        attended = part("attention")(hidden, layout, bias, part("query"), part("key"), part("value"))
        attended = part("attention_dropout")(part("attention_output")(attended))
        hidden = part("attention_norm")(attended + hidden)
        expanded = part("activation")(part("up")(hidden))
        expanded = part("output_dropout")(part("down")(expanded))
        return part("output_norm")(expanded + hidden)
