"""Multi-head attention over packed tokens (Vaswani et al., 2017, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from enfold.layers import batched_attention
from enfold.layers.batched_attention import Problem
from enfold.layers.linear import project
from enfold.layers.noise import new_seed, rounded
from enfold.layers.packing import Layout

__all__ = ["Attention", "attention", "attention_weights"]


def attention(
    q: Tensor, k: Tensor, v: Tensor, layout: Layout, *, bias: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """softmax(q kᵀ / √head_width + bias) v within each row of the layout.

    Eager code keeps the attention weights for backward. Compiled code sees one opaque operation, which computes them
    again there. On CUDA, half precision without bias and dropout goes to the variable-length kernel of PyTorch.

    Args:
        q: (q_tokens, heads, head_width)
        k, v: (kv_tokens, heads, head_width)
        layout: where each row lies, and what its tokens see.
        bias: (rows or 1, heads or 1, length or 1, length), for rows of one length only; it gets no gradient.
        dropout: the share of weights dropped.

    Returns:
        (q_tokens, heads, head_width)
    """
    if _fits_varlen(q, bias, dropout):
        return _varlen(q, k, v, layout)
    scale = q.shape[-1] ** -0.5
    seed = new_seed() if dropout > 0 else None
    window = -1 if layout.window is None else layout.window
    settings = (scale, layout.causal, window, rounded(dropout))
    tensors = (q, k, v, layout.q_lengths, layout.kv_lengths, bias, seed)
    if torch.compiler.is_compiling():
        return torch.ops.enfold.attention(*tensors, *settings)
    return _Eager.apply(*tensors, *settings)


def _problem(
    q_lengths: Tensor,
    kv_lengths: Tensor,
    bias: Tensor | None,
    seed: Tensor | None,
    scale: float,
    causal: bool,
    window: int,
    dropout: float,
) -> Problem:
    own = tuple(q_lengths.tolist())
    other = own if kv_lengths is q_lengths else tuple(kv_lengths.tolist())
    number = 0 if seed is None else int(seed)
    return Problem(own, other, bias, scale, causal, None if window < 0 else window, dropout, number)


class _Eager(torch.autograd.Function):
    """Keeps the weights of the forward pass."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> Tensor:
        problem = _problem(*rest)
        keep = any(ctx.needs_input_grad[:3])
        with torch.autocast(q.device.type, enabled=False):
            out, kept = batched_attention.forward(q, k, v, problem, keep=keep)
        ctx.problem = problem
        ctx.save_for_backward(q, k, v, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        q, k, v, *kept = ctx.saved_tensors
        return *batched_attention.backward(grad, q, k, v, ctx.problem, kept), *([None] * 8)


@torch.library.custom_op("enfold::attention", mutates_args=())
def _attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    q_lengths: Tensor,
    kv_lengths: Tensor,
    bias: Tensor | None,
    seed: Tensor | None,
    scale: float,
    causal: bool,
    window: int,
    dropout: float,
) -> Tensor:
    problem = _problem(q_lengths, kv_lengths, bias, seed, scale, causal, window, dropout)
    return batched_attention.forward(q, k, v, problem, keep=False)[0]


@_attention.register_fake
def _(q: Tensor, *rest: Any) -> Tensor:
    return torch.empty_like(q, memory_format=torch.contiguous_format)


@torch.library.custom_op("enfold::attention_backward", mutates_args=())
def _attention_backward(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    q_lengths: Tensor,
    kv_lengths: Tensor,
    bias: Tensor | None,
    seed: Tensor | None,
    scale: float,
    causal: bool,
    window: int,
    dropout: float,
) -> tuple[Tensor, Tensor, Tensor]:
    problem = _problem(q_lengths, kv_lengths, bias, seed, scale, causal, window, dropout)
    return batched_attention.backward(grad, q, k, v, problem, None)


@_attention_backward.register_fake
def _(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    dq, dk, dv = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v))
    return dq, dk, dv


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    tensors, ctx.settings = inputs[:7], inputs[7:]
    ctx.save_for_backward(*tensors)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    grads = torch.ops.enfold.attention_backward(grad, *ctx.saved_tensors, *ctx.settings)
    return *grads, *([None] * 8)


_attention.register_autograd(_differentiate, setup_context=_keep_inputs)


def _fits_varlen(q: Tensor, bias: Tensor | None, dropout: float) -> bool:
    half = q.dtype in (torch.float16, torch.bfloat16)
    return q.is_cuda and half and bias is None and dropout == 0.0 and _varlen_attn() is not None


def _varlen_attn() -> Callable[..., Any] | None:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn


def _varlen(q: Tensor, k: Tensor, v: Tensor, layout: Layout) -> Tensor:
    side = -1 if layout.window is None else layout.window
    result = _varlen_attn()(  # type: ignore[misc]
        q,
        k,
        v,
        layout.q_offsets.int(),
        layout.kv_offsets.int(),
        int(layout.q_lengths.max()),
        int(layout.kv_lengths.max()),
        window_size=(side, 0 if layout.causal else side),
    )
    return result if isinstance(result, Tensor) else result[0]


def attention_weights(q: Tensor, k: Tensor, layout: Layout, bias: Tensor | None = None) -> list[Tensor]:
    """The weights of each row, (heads, queries, keys), without dropout: what ``output_attentions`` shows."""
    weights = []
    q_rows, k_rows = q.split(layout.q_lengths.tolist()), k.split(layout.kv_lengths.tolist())
    for row, (queries, keys) in enumerate(zip(q_rows, k_rows, strict=True)):
        problem = Problem(
            (queries.shape[0],),
            (keys.shape[0],),
            None if bias is None else bias[min(row, bias.shape[0] - 1)][None],
            q.shape[-1] ** -0.5,
            layout.causal,
            layout.window,
            0.0,
            0,
        )
        scores = queries.transpose(0, 1) @ keys.permute(1, 2, 0) * problem.scale
        groups = problem.plan(queries).groups  # none for a row without tokens
        own = problem.group_bias(groups[0], q.shape[1], q.device, q.dtype) if groups else None
        scores = scores if own is None else scores + own
        weights.append(torch.softmax(scores, -1).nan_to_num(0.0))
    return weights


class Attention(nn.Module):
    """Attention that is handed its projections at each call, so that any kind of linear may stand there.

    Attributes:
        observers: called with the weights of each row, (heads, queries, keys), when there are any.
    """

    def __init__(self, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.observers: list[Callable[[list[Tensor]], None]] = []

    def forward(
        self, hidden: Tensor, layout: Layout, bias: Tensor | None, query: nn.Module, key: nn.Module, value: nn.Module
    ) -> Tensor:
        """(tokens, width) to (tokens, width), before the output projection."""
        q, k, v = (own.unflatten(-1, (self.heads, -1)) for own in project(hidden, (query, key, value)))
        if self.observers:
            weights = attention_weights(q, k, layout, bias)
            for observe in self.observers:
                observe(weights)
        return attention(q, k, v, layout, bias=bias, dropout=self.dropout if self.training else 0.0).flatten(1)

    def extra_repr(self) -> str:
        """The heads and the dropout, as they print."""
        return f"heads={self.heads}, dropout={self.dropout}"
