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
import torch.nn.functional as F
from torch import Tensor

from enfold.layers.grouping import FUSED_FROM, Group, Plan, plan_for
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

    @property
    def may_hide_all(self) -> bool:
        """Whether some query, of padding perhaps, may look at no key: the softmax of its scores is not a number."""
        shorter = self.causal and any(k < q for q, k in zip(self.q_lengths, self.kv_lengths, strict=True))
        return self.bias is not None or self.window is not None or shorter

    @property
    def kept_scale(self) -> float:
        """What makes up for the weights that are dropped; 0 where all are."""
        return 0.0 if self.dropout >= 1 else 1 / (1 - self.dropout)

    def plan(self, q: Tensor, *, aligned: bool = False) -> Plan:
        """The groups of rows; ``aligned`` where a row must not depend on the others, to the last bit.

        A bias that was handed in is as long as its rows, which are therefore not padded.
        """
        return plan_for(self.q_lengths, self.kv_lengths, q.shape[1], q.device, aligned and self.bias is None)

    def noise(self, device: torch.device) -> Noise | None:
        """The dropout's choices from the beginning."""
        return Noise(self.seed, self.dropout, device) if self.dropout > 0 else None

    def group_bias(self, group: Group, heads: int, device: torch.device, dtype: torch.dtype) -> Tensor | None:
        """(1 or rows * heads, 1 or queries, keys) added to a group's scores; None where nothing is."""
        bias = None
        if self.bias is not None:
            own = self.bias.expand(len(self.q_lengths), *self.bias.shape[1:])
            bias = own[list(group.rows)].expand(-1, heads, -1, -1).flatten(0, 1)
        if group.padding is not None:
            padding = group.padding.to(dtype)
            bias = padding if bias is None else bias + padding
        if self.causal or self.window is not None:
            unseen = self._unseen(group, heads, device, dtype)
            bias = unseen if bias is None else bias + unseen
        return bias

    def _unseen(self, group: Group, heads: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        """-inf where a query may not look, else 0. A row's last query stands at its last key."""
        ahead = [self.kv_lengths[row] - self.q_lengths[row] for row in group.rows]
        shifts = torch.tensor(ahead[:1] if len(set(ahead)) == 1 else ahead)
        q_at = torch.arange(group.q_length)[None, :, None] + shifts[:, None, None]
        k_at = torch.arange(group.kv_length)[None, None, :]
        unseen = torch.zeros(torch.broadcast_shapes(q_at.shape, k_at.shape), dtype=torch.bool)
        if self.causal:
            unseen |= k_at > q_at
        if self.window is not None:
            unseen |= (k_at - q_at).abs() > self.window
        scores = torch.zeros(unseen.shape, dtype=dtype).masked_fill_(unseen, float("-inf")).to(device)
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
    pieces = -(-units * q.shape[1] * k.shape[1] // _SCORES_AT_A_TIME)
    step = -(-units // pieces)
    for start in range(0, units, step):
        own = slice(start, min(start + step, units))
        own_bias = bias if bias is None or bias.shape[0] == 1 else bias[own]
        yield _Piece(q[own], k[own], v[own], own_bias, own)


def _weights(piece: _Piece, problem: Problem, noise: Noise | None) -> Tensor:
    """(units, queries, keys): the softmax of the scores, negative where dropout drops."""
    scores = torch.bmm(piece.q, piece.k.transpose(1, 2))
    if piece.bias is not None:
        scores += piece.bias
    weights = torch.softmax(scores, -1)
    if problem.may_hide_all:
        weights.nan_to_num_(0.0)  # a query that may look nowhere gets nothing
    return weights if noise is None else weights.copysign_(noise.draw(*weights.shape))


def _flat(part: Tensor) -> Tensor:
    """(rows, heads, length, head_width) to (rows * heads, length, head_width), copied where its rows lie apart."""
    return part[0] if part.shape[0] == 1 else part.flatten(0, 1)


def _results(part: Tensor) -> Tensor:
    """Where a group's products go: its part itself, or memory to be copied there."""
    units = part.shape[0] * part.shape[1]
    return part.flatten(0, 1) if part.is_contiguous() else part.new_empty(units, *part.shape[2:])


def _settle(part: Tensor, results: Tensor) -> None:
    if not part.is_contiguous():
        part.copy_(results.view(part.shape))


def forward(q: Tensor, k: Tensor, v: Tensor, problem: Problem, *, keep: bool) -> tuple[Tensor, list[Tensor]]:
    """The attention's output, and the weights of each piece for ``backward`` where they are to be kept.

    Args:
        q: (q_tokens, heads, head_width)
        k, v: (kv_tokens, heads, head_width)
        problem: the rest.
        keep: whether the weights are kept.
    """
    noise = problem.noise(q.device)
    plan = problem.plan(q, aligned=not keep and noise is None)
    queries, keys, values = plan.queries.spread(q), plan.keys.spread(k), plan.keys.spread(v)
    whole, parts = plan.queries.room(q)
    kept = []
    for group, own_q, own_k, own_v, part in zip(plan.groups, queries, keys, values, parts, strict=True):
        bias = problem.group_bias(group, q.shape[1], q.device, q.dtype)
        if not keep and noise is None and group.q_length >= FUSED_FROM and not problem.may_hide_all:
            mask = None if bias is None else bias.view(-1, q.shape[1] if bias.shape[0] > 1 else 1, *bias.shape[1:])
            part.copy_(F.scaled_dot_product_attention(own_q, own_k, own_v, attn_mask=mask, scale=problem.scale))
            continue
        results = _results(part)
        for piece in _pieces(_flat(own_q) * problem.scale, _flat(own_k), _flat(own_v), bias):
            weights = _weights(piece, problem, noise)
            if keep:
                kept.append(weights)
            torch.bmm(weights if noise is None else torch.relu(weights), piece.v, out=results[piece.units])
        _settle(part, results)
    if noise is not None:
        whole *= problem.kept_scale
    return plan.queries.collect(whole, q.shape[1]), kept


def backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, problem: Problem, kept: list[Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of q, k and v; weights that were not kept are computed again."""
    plan, noise = problem.plan(q), problem.noise(q.device)
    grads = plan.queries.spread(grad if noise is None else grad * problem.kept_scale, blank_padding=True)
    inputs = (plan.queries.spread(q), plan.keys.spread(k), plan.keys.spread(v))
    (whole_q, dqs), (whole_k, dks), (whole_v, dvs) = plan.queries.room(q), plan.keys.room(k), plan.keys.room(v)
    ready = None if kept is None else iter(kept)
    for number, group in enumerate(plan.groups):
        own_q, own_k, own_v = (_flat(parts[number]) for parts in inputs)
        own_q, own_grads = own_q * problem.scale, _flat(grads[number])
        dq, dk, dv = (_results(parts[number]) for parts in (dqs, dks, dvs))
        for piece in _pieces(own_q, own_k, own_v, problem.group_bias(group, q.shape[1], q.device, q.dtype)):
            signed = _weights(piece, problem, noise) if ready is None else next(ready)
            own = own_grads[piece.units]
            weights = signed if noise is None else torch.relu(signed)
            torch.bmm(weights.transpose(1, 2), own, out=dv[piece.units])
            d_weights = torch.bmm(own, piece.v.transpose(1, 2))
            if noise is not None:
                # threshold_backward(x, w, 0) is x where w > 0 and 0 elsewhere: a vectorised choice.
                torch.ops.aten.threshold_backward.grad_input(d_weights, signed, 0, grad_input=d_weights)
                torch.abs(signed, out=weights)
            d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype)
            torch.bmm(d_scores, piece.k, out=dq[piece.units])
            torch.bmm(d_scores.transpose(1, 2), piece.q, out=dk[piece.units])
        for parts, results in ((dqs, dq), (dks, dk), (dvs, dv)):
            _settle(parts[number], results)
    heads = q.shape[1]
    dq = plan.queries.collect(whole_q.mul_(problem.scale), heads)
    return dq, plan.keys.collect(whole_k, heads), plan.keys.collect(whole_v, heads)
