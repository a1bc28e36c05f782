"""The linear maps of a block and the activation between them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from enfold.layers.linear import project

__all__ = ["FeedForward", "GatedFeedForward", "StackedFeedForward"]


class FeedForward(nn.Module):
    """down(activation(up(x))) (Vaswani et al., 2017, section 3.3). It is handed its maps at each call."""

    def __init__(self, activation: nn.Module, dropout: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.dropout = dropout

    def forward(self, hidden: Tensor, maps: Sequence[nn.Module], down: nn.Module) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        return down(self.dropout(self.inner([own(hidden) for own in maps])))

    def inner(self, expanded: Sequence[Tensor]) -> Tensor:
        """What the maps gave, activated: (tokens, inner width)."""
        return self.activation(expanded[0])


class GatedFeedForward(FeedForward):
    """down(activation(gate(x)) · up(x)) (Shazeer, 2020)."""

    def forward(self, hidden: Tensor, maps: Sequence[nn.Module], down: nn.Module) -> Tensor:
        """(tokens, width) to (tokens, width); the maps are gate and up."""
        return down(self.dropout(self.inner(project(hidden, maps))))

    def inner(self, expanded: Sequence[Tensor]) -> Tensor:
        """The activated gate times the other."""
        gate, up = expanded
        return self.activation(gate) * up


class StackedFeedForward(FeedForward):
    """The same with gate and up in one map, the gate first."""

    def inner(self, expanded: Sequence[Tensor]) -> Tensor:
        """The activated first half times the second."""
        gate, up = expanded[0].chunk(2, dim=-1)
        return self.activation(gate) * up
