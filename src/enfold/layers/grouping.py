"""Which rows of a packed batch are computed together.

Attention is a batched product for each group of rows. Rows of one length form a group without padding; rows of nearly
one length are padded to the longest of them where that costs less than a group of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["Group", "Side", "groups_of"]

# One more group costs about as much as computing this many attention scores (measured on 2 cores, forward and
# backward: some ten operations of 5 to 10 microseconds against about 1.5 ns a score).
_SCORES_PER_GROUP = 40_000


@dataclass(frozen=True, eq=False)
class Side:
    """The tokens of a group, of queries or of keys.

    Attributes:
        length: of every row, padding included.
        start: the first token, where the rows lie one after another without padding; else -1.
        index: (rows * length,) the token at each place; padding repeats the row's first token. None with a start.
        real: (rows, length) of booleans, False at padding; None where there is none.
    """

    length: int
    start: int
    index: Tensor | None
    real: Tensor | None

    def take(self, packed: Tensor, rows: int) -> Tensor:
        """(tokens, heads, head_width) to (rows * heads, length, head_width); a view where that is possible."""
        heads, width = packed.shape[1:]
        if self.index is None:
            part = packed[self.start : self.start + rows * self.length]
            if rows == 1:
                return part.transpose(0, 1)
        else:
            part = packed.index_select(0, self.index)
        return part.view(rows, self.length, heads, width).transpose(1, 2).reshape(rows * heads, self.length, width)

    def put(self, packed: Tensor, values: Tensor, rows: int) -> None:
        """Write (rows * heads, length, head_width) into the places of (tokens, heads, head_width)."""
        heads, width = packed.shape[1:]
        ordered = values.view(rows, heads, self.length, width).transpose(1, 2)
        if self.index is None:
            packed[self.start : self.start + rows * self.length].view(rows, self.length, heads, width).copy_(ordered)
        elif self.real is None:
            packed.index_copy_(0, self.index, ordered.reshape(-1, heads, width))
        else:
            packed.index_copy_(0, self.index[self.real.flatten()], ordered[self.real])


@dataclass(frozen=True, eq=False)
class Group:
    """Rows computed together: their numbers, and their tokens on both sides."""

    rows: tuple[int, ...]
    queries: Side
    keys: Side


@lru_cache(maxsize=64)
def groups_of(q_lengths: tuple[int, ...], kv_lengths: tuple[int, ...], heads: int, device: torch.device) -> tuple[Group, ...]:
    """Divide rows into groups. Rows of no tokens are in none.

    Args:
        q_lengths: query tokens of each row.
        kv_lengths: key tokens of each row.
        heads: how many heads each row is computed for.
        device: where the indices go.
    """
    order = [row for row in range(len(q_lengths)) if q_lengths[row] > 0 and kv_lengths[row] > 0]
    order.sort(key=lambda row: (q_lengths[row], kv_lengths[row]), reverse=True)
    most = _SCORES_PER_GROUP // heads
    groups: list[list[int]] = []
    longest, waste = (0, 0), 0
    for row in order:
        size = (q_lengths[row], kv_lengths[row])
        if groups:
            more = longest[0] * longest[1] - size[0] * size[1] if size[1] <= longest[1] else most + 1
            if waste + more <= most:
                groups[-1].append(row)
                waste += more
                continue
        groups.append([row])
        longest, waste = size, 0
    own = q_lengths == kv_lengths
    made = []
    for rows in groups:
        rows.sort()
        queries = _side(rows, q_lengths, device)
        made.append(Group(tuple(rows), queries, queries if own else _side(rows, kv_lengths, device)))
    return tuple(made)


def _side(rows: Sequence[int], lengths: tuple[int, ...], device: torch.device) -> Side:
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    longest = max(lengths[row] for row in rows)
    even = all(lengths[row] == longest for row in rows)
    if even and all(starts[row] == starts[rows[0]] + place * longest for place, row in enumerate(rows)):
        return Side(longest, starts[rows[0]], None, None)
    own = torch.tensor([lengths[row] for row in rows])[:, None]
    first = torch.tensor([starts[row] for row in rows])[:, None]
    places = torch.arange(longest)
    real = places < own
    index = (first + torch.where(real, places, 0)).flatten()
    return Side(longest, -1, index.to(device), None if even else real.to(device))
