"""Which rows of a packed batch are computed together, and how their tokens are brought together.

Attention is a batched product for each group of rows. Rows of one length form a group without padding; rows of nearly
one length are padded to the longest of them where that costs less than a group of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from enfold.errors import InputError

__all__ = ["Group", "Plan", "Side", "plan_for"]

# One more group costs about as much as this many attention scores, over all heads (measured on 2 cores: some 60
# microseconds of small operations against 2 to 9 nanoseconds a score, without and with backward).
_SCORES_PER_GROUP = 12_000
# Rows with at least this many scores are groups of their own, and are used where they are, uncopied.
_SCORES_OF_A_LONG_ROW = 1 << 18


@dataclass(frozen=True, eq=False)
class Group:
    """Rows computed together.

    Attributes:
        rows: their numbers.
        q_length: query places of each row, padding included.
        kv_length: key places of each row, padding included.
        padding: (rows * heads, 1, kv_length) added to the scores: -inf at padding, else 0; None where there is none.
    """

    rows: tuple[int, ...]
    q_length: int
    kv_length: int
    padding: Tensor | None


@dataclass(frozen=True, eq=False)
class Side:
    """How the queries, or the keys, of all groups are brought together and back.

    Attributes:
        shapes: rows and length of each group.
        starts: the first token of each group where its rows lie one after another without padding; empty otherwise.
        index: for each group, row, head and place the number of the (token, head) pair; padding repeats its row's
            first token. None with ``starts``.
        inverse: for each (token, head) pair the entry of ``index`` it is found at.
        padding: the entries of ``index`` that are padding; None where there are none.
    """

    shapes: tuple[tuple[int, int], ...]
    starts: tuple[int, ...] = ()
    index: Tensor | None = None
    inverse: Tensor | None = None
    padding: Tensor | None = None

    def spread(self, packed: Tensor, *, blank_padding: bool = False) -> list[Tensor]:
        """(tokens, heads, head_width) to each group's (rows * heads, length, head_width), views of long rows."""
        heads, width = packed.shape[1:]
        if self.index is None:
            parts = []
            for (rows, length), start in zip(self.shapes, self.starts, strict=True):
                part = packed[start : start + rows * length].view(rows, length, heads, width).transpose(1, 2)
                parts.append(part[0] if rows == 1 else part.reshape(-1, length, width))
            return parts
        gathered = packed.reshape(-1, width).index_select(0, self.index)
        if blank_padding and self.padding is not None:
            gathered.index_fill_(0, self.padding, 0)
        return self._parts(gathered, heads)

    def blank(self, packed: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Memory for each group's results, whole and in parts shaped as ``spread`` gives them."""
        heads, width = packed.shape[1:]
        whole = packed.new_empty(sum(rows * length for rows, length in self.shapes) * heads, width)
        return whole, self._parts(whole, heads)

    def _parts(self, whole: Tensor, heads: int) -> list[Tensor]:
        sizes = [rows * heads * length for rows, length in self.shapes]
        pairs = zip(whole.split(sizes), self.shapes, strict=True)
        return [part.view(-1, length, whole.shape[-1]) for part, (_, length) in pairs]

    def collect(self, whole: Tensor, heads: int) -> Tensor:
        """All groups' results to (tokens, heads, head_width)."""
        width = whole.shape[-1]
        if self.inverse is not None:
            return whole.index_select(0, self.inverse).view(-1, heads, width)
        packed = whole.new_empty(whole.shape[0] // heads, heads, width)
        for part, (rows, length), start in zip(self._parts(whole, heads), self.shapes, self.starts, strict=True):
            own = packed[start : start + rows * length].view(rows, length, heads, width)
            own.copy_(part.view(rows, heads, length, width).transpose(1, 2))
        return packed


@dataclass(frozen=True, eq=False)
class Plan:
    """The groups of a batch, and both sides of them."""

    groups: tuple[Group, ...]
    queries: Side
    keys: Side


@lru_cache(maxsize=16)
def plan_for(q_lengths: tuple[int, ...], kv_lengths: tuple[int, ...], heads: int, device: torch.device) -> Plan:
    """Divide rows into groups. Rows of no tokens are in none.

    Args:
        q_lengths: query tokens of each row.
        kv_lengths: key tokens of each row.
        heads: how many heads each row is computed for.
        device: where the indices go.

    Raises:
        InputError: a row has queries but no keys, or keys but no queries.
    """
    sizes = list(zip(q_lengths, kv_lengths, strict=True))
    for row, size in enumerate(sizes):
        if 0 in size and size != (0, 0):
            raise InputError(f"row {row} has {size[0]} queries and {size[1]} keys; attention needs both or neither")
    rows = [row for row in range(len(sizes)) if sizes[row] != (0, 0)]
    long = all(q * k * heads >= _SCORES_OF_A_LONG_ROW for q, k in sizes)
    in_place = long or len(set(sizes)) == 1 or not rows
    if in_place:
        groups = [[row] for row in rows] if long or not rows else [rows]
    else:
        groups = _grouped(rows, sizes, heads)
    queries = _side(groups, q_lengths, heads, device, in_place)
    keys = queries if q_lengths == kv_lengths else _side(groups, kv_lengths, heads, device, in_place)
    made = []
    for group, (_, q_length), (_, kv_length) in zip(groups, queries.shapes, keys.shapes, strict=True):
        own = torch.tensor([kv_lengths[row] for row in group])
        padding = None
        if int(own.min()) < kv_length:
            hidden = torch.zeros(len(group), kv_length).masked_fill_(
                torch.arange(kv_length) >= own[:, None], -torch.inf
            )
            padding = hidden.repeat_interleave(heads, 0)[:, None].to(device)
        made.append(Group(tuple(group), q_length, kv_length, padding))
    return Plan(tuple(made), queries, keys)


def _grouped(rows: list[int], sizes: list[tuple[int, int]], heads: int) -> list[list[int]]:
    """From the longest down, a row joins the last group while the padding so far costs less than another group."""
    groups: list[list[int]] = []
    queries, keys, waste = 0, 0, 0
    for row in sorted(rows, key=lambda row: (sizes[row], row), reverse=True):
        own_queries, own_keys = sizes[row]
        more = (queries * keys - own_queries * own_keys) * heads
        if groups and own_keys <= keys and waste + more <= _SCORES_PER_GROUP:
            groups[-1].append(row)
            waste += more
        else:
            groups.append([row])
            queries, keys, waste = own_queries, own_keys, 0
    return [sorted(group) for group in groups]


def _side(groups: list[list[int]], lengths: tuple[int, ...], heads: int, device: torch.device, in_place: bool) -> Side:
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    shapes = tuple((len(group), max(lengths[row] for row in group)) for group in groups)
    if in_place:
        return Side(shapes, tuple(starts[group[0]] for group in groups))
    indices, reals = [], []
    for group, (_, longest) in zip(groups, shapes, strict=True):
        own = torch.tensor([lengths[row] for row in group])[:, None]
        first = torch.tensor([starts[row] for row in group])[:, None]
        at = torch.arange(longest)
        real = at < own
        tokens = first + torch.where(real, at, 0)  # (rows, length)
        indices.append((tokens[:, None, :] * heads + torch.arange(heads)[:, None]).flatten())
        reals.append(real[:, None, :].expand(-1, heads, -1).flatten())
    index, real = torch.cat(indices), torch.cat(reals)
    inverse = torch.empty(starts[-1] * heads, dtype=torch.long)
    places = real.nonzero().squeeze(1)
    inverse[index[places]] = places
    padding = None if places.shape[0] == index.shape[0] else (~real).nonzero().squeeze(1).to(device)
    return Side(shapes, (), index.to(device), inverse.to(device), padding)
