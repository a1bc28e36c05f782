"""Attention whose scores get a bias that is computed from queries, keys and distances, and learns.

The bias differs from group to group of rows, so it is plain tensor operations under autograd.
"""

from __future__ import annotations

import torch
from torch import Tensor

from enfold.layers.batched_attention import Problem
from enfold.layers.context import ScoreBias
from enfold.layers.dropout import Dropout
from enfold.layers.grouping import Plan, Side
from enfold.layers.packing import Layout

__all__ = ["biased_attention"]


def biased_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    layout: Layout,
    score_bias: ScoreBias,
    *,
    bias: Tensor | None,
    scale: float,
    dropout: float,
) -> Tensor:
    """softmax(scale q kᵀ + score_bias(q, k, positions) + bias) v within each row: (tokens, heads, head_width).

    For the arguments see ``enfold.layers.attention.attention``; queries and keys are those of the same rows.
    """
    own, other = tuple(layout.q_lengths.tolist()), tuple(layout.kv_lengths.tolist())
    problem = Problem(own, other, bias, scale, layout.causal, layout.window, dropout, 0)
    plan = problem.plan(q, aligned=not torch.is_grad_enabled())
    queries, keys, values = plan.queries.spread(q), plan.keys.spread(k), plan.keys.spread(v)
    places = _places(plan.queries, layout.positions, q.shape[1])
    drop = Dropout(dropout).train()
    results = []
    for number, group in enumerate(plan.groups):
        own_q, own_k = queries[number], keys[number]
        scores = own_q @ own_k.transpose(2, 3) * scale
        scores = scores + score_bias(own_q, own_k, places[number], places[number])
        added = problem.group_bias(group, q.shape[1], q.device, scores.dtype)
        if added is not None:
            rows = 1 if added.shape[0] == 1 else len(group.rows)
            scores = scores + added.view(rows, -1, *added.shape[1:])
        weights = torch.softmax(scores, -1)
        if problem.may_hide_all:
            weights = weights.nan_to_num(0.0)
        results.append(drop(weights) @ values[number])
    return _collected(plan, results, q)


def _places(side: Side, positions: Tensor, heads: int) -> list[Tensor]:
    """The position of each place of each group, (rows, length)."""
    spread = side.spread(positions[:, None, None].expand(-1, heads, 1))
    return [own[:, 0, :, 0] for own in spread]


def _collected(plan: Plan, results: list[Tensor], like: Tensor) -> Tensor:
    """Groups' results, (rows, heads, length, head_width), to (tokens, heads, head_width)."""
    if not results:
        return like.new_zeros(like.shape)
    if plan.queries.inverse is None:
        order = sorted(range(len(results)), key=lambda number: plan.queries.starts[number])
        return torch.cat([results[number].transpose(1, 2).flatten(0, 1) for number in order])
    whole = torch.cat([own.reshape(-1, own.shape[-1]) for own in results])
    return plan.queries.collect(whole, like.shape[1])
