"""Norms over each token's vector."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.layers.specs import NormSpec

__all__ = ["RMSNorm", "norm"]


class RMSNorm(nn.Module):
    """x / √(mean(x²) + eps) · weight (Zhang and Sennrich, 2019), computed in float32.

    Args:
        width: of the vectors.
        eps: added to the mean square.
        stored_less: what the stored weight lacks: 1 for Gemma's, else 0.
    """

    def __init__(self, width: int, eps: float, stored_less: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.eps = eps
        self.stored_less = stored_less
        self.begin()

    def begin(self) -> None:
        """A new norm leaves lengths at 1."""
        nn.init.constant_(self.weight, 1.0 - self.stored_less)

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, width) to (…, width)."""
        if self.stored_less:
            # Gemma multiplies before it rounds to the precision of the vectors.
            wide = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
            scaled = F.rms_norm(wide, wide.shape[-1:], None, self.eps)
            return (scaled * (self.stored_less + self.weight.to(wide.dtype))).to(hidden.dtype)
        compiling = torch.compiler.is_compiling()
        if not compiling and not torch.is_grad_enabled() and hidden.dtype == torch.float32 and hidden.shape[0] <= 32:
            # The same in half as many operations, which is what a few rows cost.
            square = torch.linalg.vecdot(hidden, hidden).mul_(1 / hidden.shape[-1])
            return hidden.mul(square.add_(self.eps).rsqrt_()[..., None]).mul_(self.weight)
        if hidden.dtype in (torch.float32, torch.float64):
            return F.rms_norm(hidden, hidden.shape[-1:], self.weight, self.eps)
        scaled = F.rms_norm(hidden.float(), hidden.shape[-1:], None, self.eps)
        return self.weight * scaled.to(hidden.dtype)

    def extra_repr(self) -> str:
        """Width and epsilon, as they print."""
        return f"{self.weight.shape[0]}, eps={self.eps}"


def norm(spec: NormSpec, width: int) -> nn.Module:
    """The norm a spec asks for."""
    if spec.kind == "layer":
        return nn.LayerNorm(width, eps=spec.eps, elementwise_affine=spec.weight, bias=spec.bias)
    return RMSNorm(width, spec.eps, 1.0 if spec.kind == "rms+1" else 0.0)
