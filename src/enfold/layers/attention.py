"""Multi-head attention over packed tokens (Vaswani et al., 2017, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.layers.packing import Layout

__all__ = ["Attention", "attention"]


def attention(
    q: Tensor, k: Tensor, v: Tensor, layout: Layout, *, bias: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """softmax(q kᵀ / √head_width + bias) v within each row of the layout.

    Args:
        q, k, v: (tokens, heads, head_width)
        layout: where each row lies.
        bias: (rows, 1 or heads, 1 or length, length), for rows of one length only.
        dropout: the share of weights dropped.
    """
    outs = []
    for row, (a, b, c) in enumerate(
        zip(q.split(layout.lengths), k.split(layout.lengths), v.split(layout.lengths), strict=True)
    ):
        mask = None if bias is None else bias[row : row + 1]
        out = F.scaled_dot_product_attention(
            a.transpose(0, 1)[None], b.transpose(0, 1)[None], c.transpose(0, 1)[None], attn_mask=mask, dropout_p=dropout
        )
        outs.append(out[0].transpose(0, 1))
    return torch.cat(outs)


class Attention(nn.Module):
    """Attention that is handed its projections at each call, so that any kind of linear may stand there."""

    def __init__(self, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.observers: list[Callable[[list[Tensor]], None]] = []

    def forward(
        self, hidden: Tensor, layout: Layout, bias: Tensor | None, query: nn.Module, key: nn.Module, value: nn.Module
    ) -> Tensor:
        """(tokens, width) to (tokens, width), before the output projection."""
        tokens = hidden.shape[0]
        q = query(hidden).view(tokens, self.heads, -1)
        k = key(hidden).view(tokens, self.heads, -1)
        v = value(hidden).view(tokens, self.heads, -1)
        out = attention(q, k, v, layout, bias=bias, dropout=self.dropout if self.training else 0.0)
        return out.reshape(tokens, -1)
