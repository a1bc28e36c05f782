"""Keys and values of what was read, so that one more token costs one token's work.

Storage is (rows, key heads, capacity, head_width) a block, with a length for each row: rows of any lengths stand side
by side, nothing is padded in between, and taking tokens back is a smaller number. Cross-attention's keys and values are
kept once for each row of the encoder, however many beams read them. What is kept carries no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.context import Context, ScoreBias
from enfold.layers.packing import Layout

__all__ = ["Cache", "Pass"]

_STEP = 64
_MOST_BRANCHES = 8  # of one trunk: each reads the keys of all


@dataclass(eq=False)
class _Kept:
    """Of one block: (trunks, heads, capacity, head_width) each."""

    keys: Tensor
    values: Tensor


class Cache:
    """The keys and values of every block, for rows that grow.

    Rows that go on from one beginning (beams) are *branches* of one trunk: they share its storage, each sees the slots
    of its own ancestors, and reordering them moves no keys. A row that is alone is its own trunk.

    Args:
        rows: how many there are.
        room: tokens a row may come to hold; where more come, it grows in steps.

    Attributes:
        lengths: tokens of each row so far.
        used: slots of each trunk so far.
        branches: rows of each trunk, which stand side by side.
        seen: (rows, capacity) of booleans, the slots that each row sees; None where rows are trunks.
        places: (trunks, capacity) the place in its row of the token in each slot; None where rows are trunks.
    """

    def __init__(self, rows: int, room: int = 0) -> None:
        self.lengths = [0] * rows
        self.used = self.lengths
        self.branches = 1
        self.seen: Tensor | None = None
        self.places: Tensor | None = None
        self.capacity = room
        self._own: dict[int, _Kept] = {}
        self._cross: dict[int, _Kept] = {}
        self._source: list[int] = list(range(rows))  # the encoder's row that each row looks at
        self._source_lengths: list[int] = []

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.lengths)

    def get_seq_length(self) -> int:
        """Tokens of the longest row, under the name that scripts for ``transformers`` know."""
        return max(self.lengths, default=0)

    @property
    def has_memory(self) -> bool:
        """Whether keys and values of an encoder are here."""
        return bool(self._cross)

    def open(self, layout: Layout) -> Pass:
        """A pass that adds the tokens of ``layout`` to the rows.

        Raises:
            InputError: the batch has another number of rows.
        """
        if layout.rows != self.rows:
            raise InputError(f"the batch has {layout.rows} rows, past_key_values {self.rows}; there must be as many")
        self.separate()
        return Pass(self, layout)

    # ---- rows -----------------------------------------------------------------------------------------------------

    def select(self, rows: Tensor | Sequence[int]) -> None:
        """Keep, reorder or repeat rows.

        Raises:
            InputError: there is no such row.
        """
        chosen = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        if chosen == list(range(self.rows)):
            return
        strange = [row for row in chosen if not 0 <= row < self.rows]
        if strange:
            raise InputError(f"there is no row {strange[0]}; the cache has {self.rows}")
        branches = self._branches_of(chosen)
        if branches == 1:
            self.separate()
            self._move(chosen)
            self.used = self.lengths = [self.lengths[row] for row in chosen]
        else:
            self._branch(chosen, branches)
            self.lengths = [self.lengths[row] for row in chosen]
        self._source = [self._source[row] for row in chosen]
        self._drop_sources()

    def forget(self, counts: Sequence[int]) -> None:
        """Take back the last tokens of each row.

        Raises:
            InputError: a row has fewer.
        """
        for row, (length, count) in enumerate(zip(self.lengths, counts, strict=True)):
            if not 0 <= count <= length:
                raise InputError(f"row {row} has {length} tokens; {count} cannot be taken back")
        self.separate()
        self.used = self.lengths = [length - count for length, count in zip(self.lengths, counts, strict=True)]

    def separate(self) -> None:
        """Give each row a storage of its own."""
        if self.branches == 1:
            return
        assert self.seen is not None
        used, longest = max(self.used), self.get_seq_length()
        # The slots that a row sees come first, in order; where it is shorter, others follow, which nobody reads.
        order = (~self.seen[:, :used]).byte().argsort(dim=1, stable=True)[:, :longest]
        trunk = torch.arange(self.rows, device=order.device) // self.branches
        self.capacity = max(self.capacity, longest)
        for kept in self._own.values():
            for name in ("keys", "values"):
                own = getattr(kept, name)
                moved = own.new_zeros(self.rows, own.shape[1], self.capacity, own.shape[3])
                at = order[:, None, :, None].expand(-1, own.shape[1], -1, own.shape[3])
                moved[:, :, :longest] = own[trunk].gather(2, at)
                setattr(kept, name, moved)
        self.branches, self.seen, self.places, self.used = 1, None, None, self.lengths

    def _branches_of(self, chosen: list[int]) -> int:
        """How many branches each trunk has among the chosen rows, if all have as many; else 1."""
        trunks = [row // self.branches for row in chosen]
        runs = [(trunk, len(list(same))) for trunk, same in groupby(trunks)]
        count = runs[0][1] if runs else 1
        even = all(own == count for _, own in runs) and len({trunk for trunk, _ in runs}) == len(runs)
        fits = 1 < count <= _MOST_BRANCHES and self._own and self._own[min(self._own)].keys.device.type == "cpu"
        return count if even and fits else 1

    def _branch(self, chosen: list[int], branches: int) -> None:
        trunks = [row // self.branches for row in chosen[::branches]]
        device = self._own[min(self._own)].keys.device
        if self.seen is None or self.places is None:
            at = torch.arange(self.capacity, device=device)
            self.seen = at < torch.tensor(self.lengths, device=device)[:, None]
            self.places = at.repeat(self.rows, 1)
        if trunks != list(range(len(self.used))):
            self._move(trunks)
            self.places = self.places[torch.tensor(trunks, device=device)]
        self.used = [self.used[trunk] for trunk in trunks]
        self.seen = self.seen[torch.tensor(chosen, device=device)]
        self.branches = branches

    def _move(self, trunks: list[int]) -> None:
        used = max(self.used, default=0)
        for kept in self._own.values():
            index = torch.tensor(trunks, dtype=torch.long, device=kept.keys.device)
            kept.keys, kept.values = (_moved(own, index, used) for own in (kept.keys, kept.values))

    def _drop_sources(self) -> None:
        """Leave only the encoder's rows that are still looked at."""
        looked_at = sorted(set(self._source))
        if not self._cross or len(looked_at) == len(self._source_lengths):
            return
        for kept in self._cross.values():
            index = torch.tensor(looked_at, dtype=torch.long, device=kept.keys.device)
            kept.keys, kept.values = kept.keys.index_select(0, index), kept.values.index_select(0, index)
        self._source_lengths = [self._source_lengths[row] for row in looked_at]
        self._source = [looked_at.index(row) for row in self._source]

    # ---- storage --------------------------------------------------------------------------------------------------

    def kept(self, number: int, like: Tensor, needed: int) -> _Kept:
        """The storage of a block, grown to hold ``needed`` tokens a trunk; ``like`` is (tokens, heads, head_width)."""
        self.capacity = max(self.capacity, -(-needed // _STEP) * _STEP if needed > self.capacity else 0)
        shape = (len(self.used), like.shape[1], self.capacity, like.shape[2])
        kept = self._own.get(number)
        if kept is None:
            kept = self._own[number] = _Kept(like.new_zeros(shape), like.new_zeros(shape))
        elif kept.keys.shape[2] < needed:
            self.capacity = max(self.capacity, -(-(needed * 3 // 2) // _STEP) * _STEP)
            shape = (*shape[:2], self.capacity, shape[3])
            used = max(self.used)
            for name in ("keys", "values"):
                grown = like.new_zeros(shape)
                grown[:, :, :used] = getattr(kept, name)[:, :, :used]
                setattr(kept, name, grown)
        return kept

    def looked_at(self, number: int) -> tuple[Tensor, Tensor, list[int], list[int]]:
        """Of a block's cross-attention: keys and values, (sources, heads, longest, head_width), the length of each
        source, and the source of each row.
        """
        kept = self._cross[number]
        return kept.keys, kept.values, self._source_lengths, self._source


def _moved(own: Tensor, index: Tensor, used: int) -> Tensor:
    moved = own.new_zeros(index.shape[0], *own.shape[1:])
    moved[:, :, :used] = own[:, :, :used].index_select(0, index)
    return moved


class Pass:
    """One pass over a cache: new tokens of each row, after those that are there."""

    def __init__(self, cache: Cache, layout: Layout) -> None:
        self._cache = cache
        self._counts = layout.q_lengths.tolist()
        self._starts = list(cache.lengths)
        self._totals = [start + count for start, count in zip(self._starts, self._counts, strict=True)]
        self._longest = max(self._totals, default=0)
        device = layout.positions.device
        self._row_of = layout.row_of
        self._within = torch.arange(layout.positions.shape[0], device=device) - layout.first[self._row_of]
        self._slots = torch.tensor(self._starts, device=device)[self._row_of] + self._within
        self._masks: dict[tuple[bool, int | None], Tensor | None] = {}
        self._cross_masks: dict[tuple[int, ...], Tensor | None] = {}
        offsets = torch.tensor([0, *self._totals]).cumsum(0).to(device)
        totals = torch.tensor(self._totals)
        self.layout = Layout(
            layout.q_offsets, offsets, self._slots, layout.q_lengths, totals, layout.causal, layout.window
        )

    @property
    def cache(self) -> Cache:
        """What is written to."""
        return self._cache

    @property
    def begins(self) -> bool:
        """Whether nothing was read before, so that the new tokens see only each other."""
        return not any(self._starts)

    def close(self) -> None:
        """Count the new tokens as read."""
        self._cache.used = self._cache.lengths = self._totals

    # ---- self-attention -------------------------------------------------------------------------------------------

    def attend(
        self, number: int, q: Tensor, k: Tensor, v: Tensor, layout: Layout, attention: Any, context: Context
    ) -> Tensor | None:
        """Keep the new keys and values, and attend to all; None where the new tokens are all there is.

        Args:
            number: of the block.
            q: (tokens, heads, head_width)
            k, v: (tokens, kv_heads, head_width)
            layout: what a token sees.
            attention: the module, for its scale and observers.
            context: for its score bias.
        """
        kept = self._cache.kept(number, k, self._longest)
        kept.keys[self._row_of, :, self._slots] = k.detach()
        kept.values[self._row_of, :, self._slots] = v.detach()
        if self.begins:
            return None
        keys, values = kept.keys[:, :, : self._longest], kept.values[:, :, : self._longest]
        mask = self._mask(layout, q)
        return self._rows(q, keys, values, mask, attention, self._counts, self._totals, context.score_bias)

    def _mask(self, layout: Layout, q: Tensor) -> Tensor | None:
        """(rows, 1, new tokens, longest): -inf where a token may not look; None where each sees all."""
        key = (layout.causal, layout.window)
        if key not in self._masks:
            starts = torch.tensor(self._starts)[:, None, None]
            q_at = starts + torch.arange(max(self._counts, default=0))[None, :, None]
            k_at = torch.arange(self._longest)[None, None, :]
            hidden = k_at >= torch.tensor(self._totals)[:, None, None]
            if layout.causal:
                hidden = hidden | (k_at > q_at)
            if layout.window is not None:
                hidden = hidden | ((k_at - q_at).abs() > layout.window)
            mask = None
            if bool(hidden.any()):
                mask = torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None].to(q.device, q.dtype)
            self._masks[key] = mask
        return self._masks[key]

    def _rows(
        self,
        q: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        attention: Any,
        counts: Sequence[int],
        lengths: Sequence[int],
        score_bias: ScoreBias | None = None,
    ) -> Tensor:
        """Batched attention of (tokens, heads, head_width) queries to (rows, kv_heads, length, head_width) keys; rows
        have so many queries (``counts``) and keys (``lengths``).
        """
        rows, kv_heads, length, width = keys.shape
        heads, count = q.shape[1], max(counts, default=0)
        even = min(counts, default=0) == count
        if even:
            padded = q.view(rows, count, heads, width)
        else:
            padded = q.new_zeros(rows, count, heads, width)
            padded[self._row_of, self._within] = q
        padded = padded.transpose(1, 2)  # (rows, heads, count, width)
        scale = width**-0.5 if attention.scale is None else attention.scale
        shared = heads // kv_heads
        grouped = (padded * scale).reshape(rows, kv_heads, shared * count, width)
        scores = (grouped @ keys.transpose(2, 3)).view(rows, heads, count, length)
        if score_bias is not None:
            q_at = torch.tensor(self._starts, device=q.device)[:, None] + torch.arange(count, device=q.device)
            k_at = torch.arange(length, device=q.device)[None].expand(rows, -1)
            scores = scores + score_bias(padded, keys.repeat_interleave(shared, 1), q_at, k_at)
        if mask is not None:
            scores = scores + mask
        weights = torch.softmax(scores, -1)
        if mask is not None and not even:
            weights = weights.nan_to_num(0.0)
        for observe in attention.observers:
            sizes = enumerate(zip(counts, lengths, strict=True))
            observe([weights[row, :, :own, :total] for row, (own, total) in sizes])
        out = (weights.view(rows, kv_heads, shared * count, length) @ values).view(rows, heads, count, width)
        out = out.transpose(1, 2)
        return out.reshape(-1, heads, width) if even else out[self._row_of, self._within]

    # ---- cross-attention ------------------------------------------------------------------------------------------

    def keep_cross(self, number: int, k: Tensor, v: Tensor, layout: Layout) -> None:
        """Keep the encoder's keys and values, (kv_tokens, heads, head_width) each, for the passes to come."""
        lengths = layout.kv_lengths.tolist()
        self._cache._source_lengths = lengths
        rows, longest = len(lengths), max(lengths, default=0)
        counts = layout.kv_lengths.to(k.device)
        row_of = torch.repeat_interleave(torch.arange(rows, device=k.device), counts, output_size=k.shape[0])
        within = torch.arange(k.shape[0], device=k.device) - layout.kv_offsets[:-1][row_of]
        kept = []
        for own in (k, v):
            padded = own.new_zeros(rows, own.shape[1], longest, own.shape[2])
            padded[row_of, :, within] = own.detach()
            kept.append(padded)
        self._cache._cross[number] = _Kept(*kept)

    def cross(self, number: int, q: Tensor, attention: Any) -> Tensor:
        """Attend to the encoder's keys and values: (tokens, heads, head_width).

        Rows side by side that look at the same encoder's row, as beams do, are computed as one row with all their
        queries, so that keys and values are read where they are.
        """
        kept, alike = self._cache._cross[number], 1
        if not attention.observers and len(set(self._counts)) == 1:
            alike = math.gcd(*(len(list(same)) for _, same in groupby(self._cache._source)))
        source = self._cache._source[::alike]
        counts = [count * alike for count in self._counts[::alike]]
        lengths = [self._cache._source_lengths[row] for row in source]
        keys, values = kept.keys, kept.values
        if source != list(range(keys.shape[0])):
            index = torch.tensor(source, dtype=torch.long, device=q.device)
            keys, values = keys.index_select(0, index), values.index_select(0, index)
        return self._rows(q, keys, values, self._cross_mask(lengths, q, keys.shape[2]), attention, counts, lengths)

    def _cross_mask(self, lengths: Sequence[int], q: Tensor, longest: int) -> Tensor | None:
        """(rows, 1, 1, longest): -inf at the encoder's padding; None where there is none."""
        key = tuple(lengths)
        if key not in self._cross_masks:
            mask = None
            if min(lengths, default=longest) < longest:
                hidden = torch.arange(longest)[None] >= torch.tensor(lengths)[:, None]
                mask = torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None, None].to(q.device, q.dtype)
            self._cross_masks[key] = mask
        return self._cross_masks[key]
