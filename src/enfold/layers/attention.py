"""Multi-head attention over packed tokens (Vaswani et al., 2017, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from enfold.layers import batched_attention
from enfold.layers.batched_attention import Problem
from enfold.layers.biased_attention import biased_attention
from enfold.layers.context import Context, ScoreBias
from enfold.layers.linear import project
from enfold.layers.noise import new_seed, rounded
from enfold.layers.packing import Layout
from enfold.layers.positions import turn
from enfold.layers.specs import AttentionSpec

__all__ = ["Attention", "CrossAttention", "attention", "attention_weights"]


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    layout: Layout,
    *,
    bias: Tensor | None = None,
    score_bias: ScoreBias | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """softmax(scale q kᵀ + bias) v within each row of the layout.

    Eager code keeps the attention weights for backward. Compiled code sees one opaque operation, which computes them
    again there. On CUDA, half precision without bias and dropout goes to the variable-length kernel of PyTorch.

    Args:
        q: (q_tokens, heads, head_width)
        k, v: (kv_tokens, heads or a divisor, head_width); each key head serves as many query heads.
        layout: where each row lies, and what its tokens see.
        bias: (rows or 1, heads or 1, length or 1, length), for rows of one length only; it gets no gradient.
        score_bias: a further bias computed from queries, keys and positions; gradients reach what it is made of.
        scale: 1 / √head_width where None.
        dropout: the share of weights dropped.

    Returns:
        (q_tokens, heads, head_width)
    """
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    if k.shape[1] != q.shape[1]:
        k, v = (own.repeat_interleave(q.shape[1] // own.shape[1], 1) for own in (k, v))
    if score_bias is not None:
        return biased_attention(q, k, v, layout, score_bias, bias=bias, scale=scale, dropout=dropout)
    if _fits_varlen(q, bias, dropout):
        return _varlen(q, k, v, layout, scale)
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


def _varlen(q: Tensor, k: Tensor, v: Tensor, layout: Layout, scale: float) -> Tensor:
    side = -1 if layout.window is None else layout.window
    result = _varlen_attn()(  # type: ignore[misc]
        q * (scale * q.shape[-1] ** 0.5),
        k,
        v,
        layout.q_offsets.int(),
        layout.kv_offsets.int(),
        int(layout.q_lengths.max()),
        int(layout.kv_lengths.max()),
        window_size=(side, 0 if layout.causal else side),
    )
    return result if isinstance(result, Tensor) else result[0]


def attention_weights(
    q: Tensor,
    k: Tensor,
    layout: Layout,
    bias: Tensor | None = None,
    *,
    score_bias: ScoreBias | None = None,
    scale: float | None = None,
) -> list[Tensor]:
    """The weights of each row, (heads, queries, keys), without dropout: what ``output_attentions`` shows."""
    weights = []
    if k.shape[1] != q.shape[1]:
        k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
    lengths = layout.q_lengths.tolist()
    q_rows, k_rows = q.split(lengths), k.split(layout.kv_lengths.tolist())
    for row, (queries, keys) in enumerate(zip(q_rows, k_rows, strict=True)):
        problem = Problem(
            (queries.shape[0],),
            (keys.shape[0],),
            None if bias is None else bias[min(row, bias.shape[0] - 1)][None],
            q.shape[-1] ** -0.5 if scale is None else scale,
            layout.causal,
            layout.window,
            0.0,
            0,
        )
        queries, keys = queries.transpose(0, 1), keys.transpose(0, 1)
        scores = queries @ keys.transpose(1, 2) * problem.scale
        groups = problem.plan(queries.transpose(0, 1)).groups  # none for a row without tokens
        own = problem.group_bias(groups[0], q.shape[1], q.device, q.dtype) if groups else None
        scores = scores if own is None else scores + own
        if score_bias is not None and groups:
            at = layout.positions.split(lengths)[row][None]
            scores = scores + score_bias(queries[None], keys[None], at, at)[0]
        weights.append(torch.softmax(scores, -1).nan_to_num(0.0))
    return weights


Split = Callable[[Sequence[Tensor], int, int], tuple[Tensor, Tensor, Tensor]]


def _separate(mapped: Sequence[Tensor], heads: int, kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = mapped
    return q.unflatten(-1, (heads, -1)), k.unflatten(-1, (kv_heads, -1)), v.unflatten(-1, (kv_heads, -1))


def _stacked(mapped: Sequence[Tensor], heads: int, kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    width = mapped[0].shape[-1] // (heads + 2 * kv_heads)
    q, k, v = mapped[0].unflatten(-1, (-1, width)).split([heads, kv_heads, kv_heads], 1)
    return q, k, v


def _per_head(mapped: Sequence[Tensor], heads: int, kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = mapped[0].unflatten(-1, (heads, -1)).chunk(3, -1)
    return q, k, v


_SPLITS: dict[str, Split] = {"separate": _separate, "stacked": _stacked, "per head": _per_head}


class _Observed(nn.Module):
    """Attention that shows its weights to those who ask.

    Attributes:
        observers: called with the weights of each row, (heads, queries, keys), when there are any.
    """

    def __init__(self, spec: AttentionSpec) -> None:
        super().__init__()
        self.heads = spec.heads
        self.kv_heads = spec.kv_heads or spec.heads
        self.scale = spec.scale
        self.dropout = spec.dropout
        self.observers: list[Callable[[list[Tensor]], None]] = []

    def show(self, q: Tensor, k: Tensor, layout: Layout, **biases: Any) -> None:
        """Compute the weights for the observers, if there are any."""
        if self.observers:
            weights = attention_weights(q, k, layout, scale=self.scale, **biases)
            for observe in self.observers:
                observe(weights)

    def extra_repr(self) -> str:
        """The heads and the dropout, as they print."""
        return f"heads={self.heads}, dropout={self.dropout}"


class Attention(_Observed):
    """Self-attention that is handed its maps at each call, so that any kind of linear may stand there.

    Args:
        spec: heads, scale, window, how the maps are kept.
        rotation: which of the context's rotations turns queries and keys, if one does.

    Attributes:
        per_head: whether one map holds the queries, keys and values of each head side by side.
    """

    def __init__(self, spec: AttentionSpec, rotation: int | None = None) -> None:
        super().__init__(spec)
        self.window = spec.window
        self.rotation = rotation
        self.per_head = spec.maps == "per head"
        self._split = _SPLITS[spec.maps]

    def forward(
        self, hidden: Tensor, context: Context, maps: Sequence[nn.Module], norms: Sequence[nn.Module], number: int
    ) -> Tensor:
        """(tokens, width) to (tokens, heads · head_width), before the output map.

        Args:
            hidden: (tokens, width)
            context: what the pass shares.
            maps: to queries, keys and values, separate or as one.
            norms: of each head's queries and keys, or none.
            number: which of the caches is this block's.
        """
        return self.weigh(project(hidden, maps), context, norms, number)

    def weigh(self, mapped: Sequence[Tensor], context: Context, norms: Sequence[nn.Module], number: int) -> Tensor:
        """The same of what the maps gave."""
        q, k, v = self._split(mapped, self.heads, self.kv_heads)
        if norms:
            q, k = norms[0](q), norms[1](k)
        if self.rotation is not None:
            q, k = turn(q, context.rotations[self.rotation]), turn(k, context.rotations[self.rotation])
        q, k = q.to(v.dtype), k.to(v.dtype)  # autocast leaves norms in float32
        layout = context.layout.seeing(causal=context.layout.causal, window=self.window)
        if context.cache is not None:
            found = context.cache.attend(number, q, k, v, layout, self, context)
            if found is not None:
                return found.flatten(1)
        biases: dict[str, Any] = {"bias": context.bias, "score_bias": context.score_bias}
        self.show(q, k, layout, **biases)
        dropout = self.dropout if self.training else 0.0
        return attention(q, k, v, layout, **biases, scale=self.scale, dropout=dropout).flatten(1)


class CrossAttention(_Observed):
    """Attention of one stack's tokens to another's states."""

    def forward(self, hidden: Tensor, context: Context, maps: Sequence[nn.Module], number: int) -> Tensor:
        """(tokens, width) to (tokens, heads · head_width), before the output map; the maps are separate."""
        memory = context.memory
        assert memory is not None
        q = maps[0](hidden).unflatten(-1, (self.heads, -1))
        if memory.hidden is None:
            return context.cache.cross(number, q, self).flatten(1)
        k, v = (own.unflatten(-1, (self.kv_heads, -1)) for own in project(memory.hidden, maps[1:]))
        if context.cache is not None:
            context.cache.keep_cross(number, k, v, memory.layout)
        self.show(q, k, memory.layout, bias=memory.bias)
        dropout = self.dropout if self.training else 0.0
        return attention(q, k, v, memory.layout, bias=memory.bias, scale=self.scale, dropout=dropout).flatten(1)
