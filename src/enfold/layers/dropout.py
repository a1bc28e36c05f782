"""Dropout (Srivastava et al., 2014), with the cheap noise of ``enfold.layers.noise`` on the CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.layers.noise import Noise, new_seed, rounded

__all__ = ["Dropout"]


class _CheapDropout(torch.autograd.Function):
    """dropout(hidden), or residual + dropout(hidden), in few passes over memory."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, residual: Tensor | None, share: float) -> Tensor:
        noise = Noise(int(new_seed()), share, hidden.device).draw(*hidden.shape).to(hidden.dtype)
        ctx.save_for_backward(noise)
        ctx.scale = 1 / (1 - share)
        # threshold_backward(x, n, t) is x where n > t and 0 elsewhere: a vectorised choice.
        kept = torch.ops.aten.threshold_backward(hidden, noise, -0.5)
        return kept.mul_(ctx.scale) if residual is None else torch.add(residual, kept, alpha=ctx.scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:  # type: ignore[override]
        (noise,) = ctx.saved_tensors
        own = torch.ops.aten.threshold_backward(grad.to(noise.dtype), noise, -0.5).mul_(ctx.scale)
        return own, grad if ctx.needs_input_grad[1] else None, None


class Dropout(nn.Module):
    """Drops a share of the values in training and scales up the rest; can add a residual in the same passes."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, hidden: Tensor, residual: Tensor | None = None) -> Tensor:
        """dropout(hidden), or dropout(hidden) + residual."""
        if not self.training or self.p == 0:
            return hidden if residual is None else hidden + residual
        if hidden.device.type == "cpu" and self.p < 1 and not torch.compiler.is_compiling():
            return _CheapDropout.apply(hidden, residual, rounded(self.p))
        dropped = F.dropout(hidden, self.p)
        return dropped if residual is None else dropped + residual

    def extra_repr(self) -> str:
        """The share, as it prints."""
        return f"p={self.p}"
