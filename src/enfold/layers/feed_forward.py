"""The two linear maps of a block and the activation between them."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["FeedForward"]


class FeedForward(nn.Module):
    """down(activation(up(x))) (Vaswani et al., 2017, section 3.3). It is handed its maps at each call."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, hidden: Tensor, up: nn.Module, down: nn.Module) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        return down(self.activation(up(hidden)))
