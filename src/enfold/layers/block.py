"""One layer of a stack: attention and feed-forward, each added to its input and normalised."""

from __future__ import annotations

from torch import Tensor

from enfold.layers.packing import Layout
from enfold.layers.places import Assembly

__all__ = ["Block"]


class Block(Assembly):
    """Post-norm layer (Vaswani et al., 2017, section 3.1): norm(x + attention(x)), then norm(x + feed_forward(x)).

    Parts: ``attention`` and its projections ``query``, ``key``, ``value`` and ``attention_output``; ``feed_forward``
    and its maps ``up`` and ``down``; ``attention_dropout`` and ``output_dropout`` before each sum, ``attention_norm``
    and ``output_norm`` after it.
    """

    def forward(self, hidden: Tensor, layout: Layout, bias: Tensor | None = None) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        part = self.part
        attended = part("attention")(hidden, layout, bias, part("query"), part("key"), part("value"))
        attended = part("attention_dropout")(part("attention_output")(attended), hidden)
        hidden = part("attention_norm")(attended)
        expanded = part("feed_forward")(hidden, part("up"), part("down"))
        return part("output_norm")(part("output_dropout")(expanded, hidden))
