"""Dropout (Srivastava et al., 2014), with the cheap noise of ``enfold.layers.noise`` on the CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.layers.noise import Noise, new_seed, rounded

__all__ = ["Dropout"]


class _DropoutAdd(torch.autograd.Function):
    """residual + dropout(hidden), in three passes over memory."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, residual: Tensor, share: float) -> Tensor:
        noise = Noise(int(new_seed()), share, hidden.device).draw(*hidden.shape)
        ctx.save_for_backward(noise)
        ctx.scale = 1 / (1 - share)
        # threshold_backward(x, n, t) is x where n > t and 0 elsewhere: a vectorised choice.
        kept = torch.ops.aten.threshold_backward(hidden, noise, -0.5)
        return torch.add(residual, kept, alpha=ctx.scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        (noise,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad, noise, -0.5).mul_(ctx.scale), grad, None


class Dropout(nn.Module):
    """Drops a share of the values in training and scales up the rest; can add a residual in the same passes."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, hidden: Tensor, residual: Tensor | None = None) -> Tensor:
        """dropout(hidden), or dropout(hidden) + residual."""
        dropped = hidden
        if self.training and self.p > 0:
            if residual is not None and self._is_cheap(hidden, residual):
                return _DropoutAdd.apply(hidden, residual, rounded(self.p))
            dropped = F.dropout(hidden, self.p)
        return dropped if residual is None else dropped + residual

    def _is_cheap(self, hidden: Tensor, residual: Tensor) -> bool:
        return hidden.device.type == "cpu" and hidden.dtype == residual.dtype and not torch.compiler.is_compiling()

    def extra_repr(self) -> str:
        """The share, as it prints."""
        return f"p={self.p}"
