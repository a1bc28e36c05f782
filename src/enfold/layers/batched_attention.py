"""Attention as batched products over groups of rows, forward and backward.

The work is done in pieces small enough for a processor's cache. In training the weights of each piece are kept with
dropout in their sign (a weight is never negative, so a negative one says *dropped*): one buffer serves the products,
the softmax's backward and the dropout's.

    forward    W = softmax(scale Q Kᵀ + bias)      O = c keep(W) V              c = 1 / (1 - dropout)
    backward   dV = c keep(W)ᵀ dO                  dW = c keep(dO Vᵀ)
               dS = W (dW - rowsum(dW W))          dQ = scale dS K              dK = scale dSᵀ Q
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from enfold.layers.grouping import Group, groups_of
from enfold.layers.noise import Noise

__all__ = ["Problem", "backward", "forward"]

# Scores computed at a time: two or three buffers of this many floats fit the second-level caches of two cores.
_SCORES_AT_A_TIME = 1 << 19


@dataclass(frozen=True, eq=False)
class Problem:
    """What is computed, beside the tensors.

    Attributes:
        q_lengths, kv_lengths: tokens of each row.
        bias: (rows, 1 or heads, 1 or length, length) added to the scores, or None.
        scale: what the scores are multiplied by.
        causal, window: what a token sees, as in ``Layout``.
        dropout: the share of weights dropped.
        seed: of the dropout.
    """

    q_lengths: tuple[int, ...]
    kv_lengths: tuple[int, ...]
    bias: Tensor | None
    scale: float
    causal: bool
    window: int | None
    dropout: float
    seed: int

    def groups(self, q: Tensor) -> tuple[Group, ...]:
        """The groups of rows."""
        return groups_of(self.q_lengths, self.kv_lengths, q.shape[1], q.device)

    def noise(self, device: torch.device) -> Noise | None:
        """The dropout's choices from the beginning."""
        return Noise(self.seed, self.dropout, device) if self.dropout > 0 else None

    def group_bias(self, group: Group, heads: int, device: torch.device, dtype: torch.dtype) -> Tensor | None:
        """(1 or rows * heads, 1 or queries, keys) added to a group's scores; None where nothing is."""
        bias = None
        if self.bias is not None:
            own = self.bias.expand(len(self.q_lengths), *self.bias.shape[1:])
            bias = own[list(group.rows)].expand(-1, heads, -1, -1).flatten(0, 1)
        if group.keys.real is not None:
            hidden = torch.zeros(group.keys.real.shape, dtype=dtype, device=group.keys.real.device)
            hidden = hidden.masked_fill_(~group.keys.real, float("-inf"))[:, None, None, :]
            hidden = hidden.expand(-1, heads, -1, -1).flatten(0, 1)
            bias = hidden if bias is None else bias + hidden
        if self.causal or self.window is not None:
            unseen = self._unseen(group, heads, device)
            bias = unseen if bias is None else bias + unseen
        return bias

    def _unseen(self, group: Group, heads: int, device: torch.device) -> Tensor:
        """-inf where a query may not look, else 0. A row's last query stands at its last key."""
        ahead = [self.kv_lengths[row] - self.q_lengths[row] for row in group.rows]
        shifts = torch.tensor(ahead[:1] if len(set(ahead)) == 1 else ahead)
        q_at = torch.arange(group.queries.length)[None, :, None] + shifts[:, None, None]
        k_at = torch.arange(group.keys.length)[None, None, :]
        unseen = torch.zeros(torch.broadcast_shapes(q_at.shape, k_at.shape), dtype=torch.bool)
        if self.causal:
            unseen |= k_at > q_at
        if self.window is not None:
            unseen |= (k_at - q_at).abs() > self.window
        scores = torch.zeros(unseen.shape).masked_fill_(unseen, float("-inf")).to(device)
        return scores if len(shifts) == 1 else scores.repeat_interleave(heads, 0)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some (row, head) pairs of a group: what one step of the loop computes."""

    q: Tensor
    k: Tensor
    v: Tensor
    bias: Tensor | None
    units: slice


def _pieces(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Iterator[_Piece]:
    """Divide (units, length, head_width) along the units."""
    units = q.shape[0]
    step = max(1, _SCORES_AT_A_TIME // (q.shape[1] * k.shape[1]))
    for start in range(0, units, step):
        own = slice(start, min(start + step, units))
        own_bias = bias if bias is None or bias.shape[0] == 1 else bias[own]
        yield _Piece(q[own], k[own], v[own], own_bias, own)


def _weights(piece: _Piece, problem: Problem, noise: Noise | None) -> Tensor:
    """(units, queries, keys): the softmax of the scores, negative where dropout drops."""
    scores = torch.baddbmm(piece.q.new_empty(()), piece.q, piece.k.transpose(1, 2), beta=0, alpha=problem.scale)
    if piece.bias is not None:
        scores += piece.bias
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(scores.dtype)
    if problem.bias is not None:
        weights.nan_to_num_(0.0)  # a query that may look nowhere gets nothing
    return weights if noise is None else weights.copysign_(noise.draw(*weights.shape))


def forward(q: Tensor, k: Tensor, v: Tensor, problem: Problem, *, keep: bool) -> tuple[Tensor, list[Tensor]]:
    """The attention's output, and the weights of each piece for ``backward`` where they are to be kept.

    Args:
        q: (q_tokens, heads, head_width)
        k, v: (kv_tokens, heads, head_width)
        problem: the rest.
        keep: whether the weights are kept.
    """
    out = torch.zeros_like(q) if 0 in problem.kv_lengths else torch.empty_like(q, memory_format=torch.contiguous_format)
    noise = problem.noise(q.device)
    kept = []
    for group in problem.groups(q):
        rows = len(group.rows)
        queries = group.queries.take(q, rows)
        keys, values = group.keys.take(k, rows), group.keys.take(v, rows)
        result = queries.new_empty(queries.shape)
        for piece in _pieces(queries, keys, values, problem.group_bias(group, q.shape[1], q.device, q.dtype)):
            weights = _weights(piece, problem, noise)
            if keep:
                kept.append(weights)
            if noise is not None:
                weights = torch.relu(weights)
            torch.bmm(weights, piece.v, out=result[piece.units])
        if noise is not None:
            result *= 1 / (1 - problem.dropout)
        group.queries.put(out, result, rows)
    return out, kept


def backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, problem: Problem, kept: list[Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of q, k and v; weights that were not kept are computed again."""
    empty = 0 in problem.kv_lengths or 0 in problem.q_lengths
    make = torch.zeros_like if empty else torch.empty_like
    dq, dk, dv = (make(x, memory_format=torch.contiguous_format) for x in (q, k, v))
    noise = problem.noise(q.device)
    ready = None if kept is None else iter(kept)
    for group in problem.groups(q):
        rows = len(group.rows)
        queries, grads = group.queries.take(q, rows), group.queries.take(grad, rows)
        keys, values = group.keys.take(k, rows), group.keys.take(v, rows)
        if group.queries.real is not None:
            padding = ~group.queries.real.repeat_interleave(q.shape[1], 0)
            grads = grads.masked_fill(padding[:, :, None], 0)
        if noise is not None:
            grads = grads * (1 / (1 - problem.dropout))
        results = [x.new_empty(x.shape) for x in (queries, keys, values)]
        for piece in _pieces(queries, keys, values, problem.group_bias(group, q.shape[1], q.device, q.dtype)):
            signed = _weights(piece, problem, noise) if ready is None else next(ready)
            own = grads[piece.units]
            weights = signed if noise is None else torch.relu(signed)
            torch.bmm(weights.transpose(1, 2), own, out=results[2][piece.units])
            d_weights = torch.bmm(own, piece.v.transpose(1, 2))
            if noise is not None:
                d_weights = torch.ops.aten.threshold_backward(d_weights, signed, 0)
                weights = signed.abs()
            d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype).mul_(problem.scale)
            torch.bmm(d_scores, piece.k, out=results[0][piece.units])
            torch.bmm(d_scores.transpose(1, 2), piece.q, out=results[1][piece.units])
        group.queries.put(dq, results[0], rows)
        group.keys.put(dk, results[1], rows)
        group.keys.put(dv, results[2], rows)
    return dq, dk, dv
