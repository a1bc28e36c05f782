"""One more token for each row, in as few operations as there can be.

At a row or a few a step, reading the weights takes little longer than starting the operations around them. A block's
step therefore holds its parts directly, works on one token a row, and does nothing that a row of many tokens would
need. What is computed, and in which order, is the block's own (``enfold.layers.block``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from enfold.layers.attention import Attention, CrossAttention
from enfold.layers.block import BLOCKS, Block
from enfold.layers.cache import Cache
from enfold.layers.context import ScoreBias
from enfold.layers.dropout import Dropout
from enfold.layers.feed_forward import FeedForward, GatedFeedForward, StackedFeedForward
from enfold.layers.linear import joined

__all__ = ["BlockStep", "Step", "can_step"]

_KNOWN: tuple[type[nn.Module], ...] = (FeedForward, GatedFeedForward, StackedFeedForward)


def can_step(block: nn.Module) -> bool:
    """Whether a block consists of parts that a step knows, with nobody watching them."""
    if type(block) not in BLOCKS.values():
        return False
    assert isinstance(block, Block)
    own, fed = block.part("attention"), block.part("feed_forward")
    if type(own) is not Attention or type(fed) not in _KNOWN:
        return False
    watched: list[Any] = [own]
    if block.crosses:
        crossing = block.part("cross_attention")
        if type(crossing) is not CrossAttention:
            return False
        watched.append(crossing)
    sums = ("attention_dropout", "output_dropout", *(("cross_dropout",) if block.crosses else ()))
    dropouts = [block.part(role) for role in sums]
    if any(type(dropout) is not Dropout for dropout in dropouts) or any(one.observers for one in watched):
        return False
    return not any(module._forward_hooks or module._forward_pre_hooks or module.training for module in block.reached())


class Step:
    """What the blocks share while each row gets one more token.

    Args:
        cache: of all rows.
        rotations: cosines and sines, (rows or 1, rotated width) each, as ``enfold.layers.rotary`` gives them.
        score_bias: added to the scores, if anything is; it looks at places alone, so that it is computed once.
    """

    def __init__(
        self,
        cache: Cache,
        rotations: Sequence[tuple[Tensor, Tensor]],
        score_bias: ScoreBias | None,
        device: torch.device,
    ) -> None:
        self.cache = cache
        self.memory = cache if cache.has_memory else None
        self.rotations = [(own[0][:, None], _signed(own[1])[:, None]) for own in rotations]
        self._score_bias = score_bias
        self._device = device
        self._trunks, self._branches = len(cache.used), cache.branches
        self.longest = max(cache.used) + cache.branches
        self._slot = cache.used[0] if min(cache.used) == max(cache.used) else None
        if self._slot is None or self._branches > 1:
            first = torch.tensor(cache.used, device=device)
            self._slots = (first[:, None] + torch.arange(self._branches, device=device)).flatten()
            self._trunk_of = torch.arange(self._trunks, device=device).repeat_interleave(self._branches)
        if self._branches > 1:
            self._grow_family()
        self._added: dict[tuple[int | None, int], Tensor | None] = {}
        self._cross: tuple[int, Tensor | None, Tensor | None] | None = None

    def _grow_family(self) -> None:
        """Each row sees its new token."""
        cache = self.cache
        assert cache.seen is not None and cache.places is not None
        short = self.longest - cache.seen.shape[1]
        if short > 0:
            cache.seen = torch.nn.functional.pad(cache.seen, (0, max(short, 64)))
            cache.places = torch.nn.functional.pad(cache.places, (0, max(short, 64)))
        rows = torch.arange(cache.rows, device=self._device)
        cache.seen[rows, self._slots] = True
        cache.places[self._trunk_of, self._slots] = torch.tensor(cache.lengths, device=self._device)

    def close(self) -> None:
        """Count the new tokens as read."""
        cache = self.cache
        lengths = [length + 1 for length in cache.lengths]
        cache.used = lengths if self._branches == 1 else [used + self._branches for used in cache.used]
        cache.lengths = lengths

    # ---- self-attention -------------------------------------------------------------------------------------------

    def attend(self, number: int, q: Tensor, k: Tensor, v: Tensor, attention: Attention) -> Tensor:
        """Keep the new keys and values, (rows, kv_heads, head_width) each, and attend to all: (rows, heads · width)."""
        kept = self.cache.kept(number, k, self.longest)
        keys, values = kept.keys, kept.values
        if self._slot is None:
            keys[self._trunk_of, :, self._slots] = k
            values[self._trunk_of, :, self._slots] = v
        elif self._branches == 1:
            keys.select(2, self._slot).copy_(k)
            values.select(2, self._slot).copy_(v)
        else:
            shape = (self._trunks, self._branches, *k.shape[1:])
            keys.narrow(2, self._slot, self._branches).copy_(k.view(shape).transpose(1, 2))
            values.narrow(2, self._slot, self._branches).copy_(v.view(shape).transpose(1, 2))
        keys, values = keys.flatten(0, 1).narrow(1, 0, self.longest), values.flatten(0, 1).narrow(1, 0, self.longest)
        added = self._to_add(attention, q)
        return self._weighed(q, keys, values, added, self._trunks, attention)

    def _weighed(
        self, q: Tensor, keys: Tensor, values: Tensor, added: Tensor | None, trunks: int, attention: Any
    ) -> Tensor:
        """softmax(scale q kᵀ + added) v; keys and values are (trunks · kv_heads, length, head_width)."""
        rows, heads, width = q.shape
        kv_heads = attention.kv_heads
        branches, shared = rows // trunks, heads // kv_heads
        scale = width**-0.5 if attention.scale is None else attention.scale
        q = q if scale == 1.0 else q * scale
        if branches == 1:
            q = q.reshape(trunks * kv_heads, shared, width)
        else:
            grouped = q.reshape(trunks, branches, kv_heads, shared, width)
            q = grouped.transpose(1, 2).reshape(trunks * kv_heads, branches * shared, width)
        keys = keys.transpose(1, 2)
        scores = torch.bmm(q, keys) if added is None else torch.baddbmm(added, q, keys)
        out = torch.bmm(scores.softmax(-1), values)
        if branches > 1:
            out = out.view(trunks, kv_heads, branches, shared * width).transpose(1, 2)
        return out.reshape(rows, heads * width)

    def _to_add(self, attention: Attention, q: Tensor) -> Tensor | None:
        """(trunks · kv_heads, branches · shared, longest): the bias, and -inf where a row may not look."""
        key = (attention.window, attention.kv_heads)
        if key not in self._added:
            self._added[key] = self._computed(attention, q)
        return self._added[key]

    def _computed(self, attention: Attention, q: Tensor) -> Tensor | None:
        cache, device = self.cache, self._device
        trunks, branches, kv_heads = self._trunks, self._branches, attention.kv_heads
        own = torch.tensor(cache.lengths, device=device).view(trunks, branches)
        if cache.places is None or cache.seen is None:
            at = torch.arange(self.longest, device=device).expand(trunks, -1)
            hidden = None if self._slot is not None else (at > own)[:, None]
        else:
            at = cache.places[:, : self.longest]
            hidden = ~cache.seen[:, : self.longest].view(trunks, branches, -1)
        if attention.window is not None and max(cache.lengths) > attention.window:
            far = own[:, :, None] - at[:, None] > attention.window
            hidden = far if hidden is None else hidden | far
        added = None
        if hidden is not None:
            added = torch.zeros(hidden.shape, dtype=q.dtype, device=device).masked_fill_(hidden, -torch.inf)[:, None]
        if self._score_bias is not None:
            queries = q.view(trunks, branches, *q.shape[1:]).transpose(1, 2)
            keys = q.new_empty(1, 1, self.longest, 1)
            bias = self._score_bias(queries, keys, own, at).to(q.dtype)
            added = bias if added is None else added + bias
        if added is None:
            return None
        shared = attention.heads // kv_heads
        if added.shape[1] == 1:  # for all heads
            grouped = added[:, :, :, None].expand(trunks, kv_heads, branches, shared, -1)
        else:
            grouped = added.expand(trunks, -1, -1, -1).reshape(trunks, kv_heads, shared, branches, -1).transpose(2, 3)
        return grouped.reshape(trunks * kv_heads, branches * shared, -1)

    # ---- cross-attention ------------------------------------------------------------------------------------------

    def cross(self, number: int, q: Tensor, attention: CrossAttention) -> Tensor:
        """Attend to the encoder's keys and values: (rows, heads · width)."""
        keys, values, lengths, source = self.cache.looked_at(number)
        if self._cross is None:
            self._cross = self._sources(lengths, source, keys, q)
        trunks, index, hidden = self._cross
        if index is not None:
            keys, values = keys.index_select(0, index), values.index_select(0, index)
        return self._weighed(q, keys.flatten(0, 1), values.flatten(0, 1), hidden, trunks, attention)

    def _sources(
        self, lengths: list[int], source: list[int], keys: Tensor, q: Tensor
    ) -> tuple[int, Tensor | None, Tensor | None]:
        """How many of the encoder's rows are looked at, which, and (…, 1, longest): -inf at their padding."""
        runs = [(row, len(list(same))) for row, same in groupby(source)]
        even = len({count for _, count in runs}) == 1
        chosen = [row for row, _ in runs] if even else source
        index = None
        if chosen != list(range(keys.shape[0])):
            index = torch.tensor(chosen, dtype=torch.long, device=self._device)
        hidden, longest = None, keys.shape[2]
        if min(lengths) < longest:
            own = torch.tensor([lengths[row] for row in chosen], device=self._device)
            beyond = torch.arange(longest, device=self._device) >= own[:, None]
            added = torch.zeros(beyond.shape, dtype=q.dtype, device=self._device).masked_fill_(beyond, -torch.inf)
            hidden = added.repeat_interleave(keys.shape[1], 0)[:, None]
        return len(chosen), index, hidden


def _signed(sines: Tensor) -> Tensor:
    """Sines with the sign that turning by a roll needs."""
    half = sines.shape[-1] // 2
    return torch.cat([-sines[..., :half], sines[..., half:]], -1)


def _turned(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """As ``enfold.layers.positions.turn``, of (rows, heads, head_width)."""
    cosines, sines = rotation
    width = cosines.shape[-1]
    if width == x.shape[-1]:
        return torch.addcmul(x * cosines, x.roll(width // 2, -1), sines)
    own = x[..., :width]
    return torch.cat([torch.addcmul(own * cosines, own.roll(width // 2, -1), sines), x[..., width:]], -1)


class BlockStep:
    """A block, for one token a row; its moves are those of ``enfold.layers.block.Moves``.

    Args:
        block: one that ``can_step``; its parts are those that stand there now.
    """

    def __init__(self, block: Block) -> None:
        part = block.part
        self._order = block.order
        self._number = block.number
        self.crosses = block.crosses
        roles = ("attention_norm", "output_norm", *(("cross_norm",) if self.crosses else ()))
        self._norms = {role: part(role).forward for role in roles}
        attention: Any = part("attention")
        self._attention = attention
        self._mapped = joined(block.parts_of("maps"))
        self._per_head = attention.per_head
        self._head_norms = [norm.forward for norm in block.parts_of("norms")]
        self._attention_output = part("attention_output").forward
        fed: Any = part("feed_forward")
        self._inner: Callable[[Sequence[Tensor]], Tensor] = fed.inner
        self._expanded, self._maps_in = joined(block.parts_of("feed")), len(block.parts_of("feed"))
        self._dropout = None if isinstance(fed.dropout, (Dropout, nn.Identity)) else fed.dropout.forward
        self._down = part("down").forward
        if self.crosses:
            self._cross_attention: Any = part("cross_attention")
            self._cross_query, self._cross_output = part("cross_query").forward, part("cross_output").forward

    def __call__(self, hidden: Tensor, step: Step) -> Tensor:
        """(rows, width) to (rows, width)."""
        return self._order(self, hidden, step)

    def normed(self, role: str, hidden: Tensor) -> Tensor:
        """The norm of that role."""
        return self._norms[role](hidden)

    def attended(self, hidden: Tensor, residual: Tensor, step: Step) -> Tensor:
        """Self-attention and the map of its result, added to the residual."""
        own = self._attention
        heads, kv_heads = own.heads, own.kv_heads
        whole, rows = self._mapped(hidden), hidden.shape[0]
        if self._per_head:
            q, k, v = whole.view(rows, heads, 3, -1).unbind(2)
            turning, v = torch.cat([q, k], 1), v
        else:
            whole = whole.view(rows, heads + 2 * kv_heads, -1)
            turning, v = whole[:, : heads + kv_heads], whole[:, heads + kv_heads :]
        if self._head_norms:
            q, k = self._head_norms[0](turning[:, :heads]), self._head_norms[1](turning[:, heads:])
            turning = torch.cat([q, k], 1)
        if own.rotation is not None:
            turning = _turned(turning, step.rotations[own.rotation])
        found = step.attend(self._number, turning[:, :heads], turning[:, heads:], v, own)
        return self._attention_output(found) + residual

    def crossed(self, hidden: Tensor, residual: Tensor, step: Step) -> Tensor:
        """Cross-attention and the map of its result, added to the residual."""
        own = self._cross_attention
        q = self._cross_query(hidden).view(hidden.shape[0], own.heads, -1)
        return self._cross_output(step.cross(self._number, q, own)) + residual

    def fed(self, hidden: Tensor, residual: Tensor) -> Tensor:
        """Feed-forward, added to the residual."""
        expanded = self._expanded(hidden)
        inner = self._inner(expanded.chunk(self._maps_in, -1))
        return self._down(inner if self._dropout is None else self._dropout(inner)) + residual
