"""Which rows of a packed batch are computed together, and how their tokens are brought together.

Attention is a batched product for each group of rows. Rows of one length form a group without padding; rows of nearly
one length are padded to the longest of them where that costs less than a group of their own.

Sums over padded rows are added up in another order, so that a row's last bits would depend on what it is padded to, and
so on its neighbours; where a number is rounded to a byte next, more than the last bits. *Aligned* groups have lengths
that are multiples of a vector of the processor's: all further padding adds only zeros, and a row comes out bit for bit
as it would alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from enfold.errors import InputError

__all__ = ["FUSED_FROM", "Group", "Plan", "Side", "plan_for"]

# One more group costs about as much as this many attention scores, over all heads (measured on 2 cores: some 60
# microseconds of small operations against 2 to 9 nanoseconds a score, without and with backward).
_SCORES_PER_GROUP = 12_000
# Rows with at least this many scores are groups of their own. A group of one row is used where it is, uncopied.
_SCORES_OF_A_LONG_ROW = 1 << 17
# Floats in the longest vector of any processor: aligned lengths are multiples of it.
_ALIGNED = 16
# From this length on PyTorch's fused attention is faster where nothing has to be kept and nothing dropped.
FUSED_FROM = 48


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
        starts: the first token of each group that is used where it is; -1 for one that is gathered.
        index: for each gathered group, row, head and place the number of the (token, head) pair; padding repeats its
            row's first token. None where nothing is gathered.
        padding: the entries of ``index`` that are padding; None where there are none.
        inverse: for each (token, head) pair its place among the results of all groups; None where nothing is gathered,
            and results go where the tokens are.
    """

    shapes: tuple[tuple[int, int], ...]
    starts: tuple[int, ...]
    index: Tensor | None = None
    padding: Tensor | None = None
    inverse: Tensor | None = None

    def spread(self, packed: Tensor, *, blank_padding: bool = False) -> list[Tensor]:
        """(tokens, heads, head_width) to each group's (rows, heads, length, head_width), as views where possible."""
        heads, width = packed.shape[1:]
        gathered: list[Tensor] = []
        if self.index is not None:
            whole = packed.reshape(-1, width).index_select(0, self.index)
            if blank_padding and self.padding is not None:
                whole.index_fill_(0, self.padding, 0)
            shapes = [shape for shape, start in zip(self.shapes, self.starts, strict=True) if start < 0]
            gathered = _parts(whole, shapes, heads)
        rest = iter(gathered)
        pairs = zip(self.shapes, self.starts, strict=True)
        return [next(rest) if start < 0 else _in_place(packed, shape, start) for shape, start in pairs]

    def room(self, like: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Memory for the results of all groups, whole for ``collect``, and in parts shaped as ``spread`` gives them."""
        tokens, heads, width = like.shape
        if self.inverse is None:
            whole = like.new_empty(tokens, heads, width)
            return whole, [_in_place(whole, *pair) for pair in zip(self.shapes, self.starts, strict=True)]
        whole = like.new_empty(sum(rows * length for rows, length in self.shapes) * heads, width)
        return whole, _parts(whole, self.shapes, heads)

    def collect(self, whole: Tensor, heads: int) -> Tensor:
        """The memory of ``room``, filled, to (tokens, heads, head_width)."""
        return whole if self.inverse is None else whole.index_select(0, self.inverse).view(-1, heads, whole.shape[-1])


def _in_place(packed: Tensor, shape: tuple[int, int], start: int) -> Tensor:
    rows, length = shape
    return packed[start : start + rows * length].view(rows, length, *packed.shape[1:]).transpose(1, 2)


def _parts(whole: Tensor, shapes: Sequence[tuple[int, int]], heads: int) -> list[Tensor]:
    pairs = zip(whole.split([rows * heads * length for rows, length in shapes]), shapes, strict=True)
    return [part.view(rows, heads, length, whole.shape[-1]) for part, (rows, length) in pairs]


@dataclass(frozen=True, eq=False)
class Plan:
    """The groups of a batch, and both sides of them."""

    groups: tuple[Group, ...]
    queries: Side
    keys: Side


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # a plan that was made for inference may serve training next
def plan_for(
    q_lengths: tuple[int, ...], kv_lengths: tuple[int, ...], heads: int, device: torch.device, aligned: bool = False
) -> Plan:
    """Divide rows into groups. Rows of no tokens are in none.

    Args:
        q_lengths: query tokens of each row.
        kv_lengths: key tokens of each row.
        heads: how many heads each row is computed for.
        device: where the indices go.
        aligned: whether a row's results must not depend, to the last bit, on the other rows.

    Raises:
        InputError: a row has queries but no keys, or keys but no queries.
    """
    sizes = list(zip(q_lengths, kv_lengths, strict=True))
    for row, size in enumerate(sizes):
        if 0 in size and size != (0, 0):
            raise InputError(f"row {row} has {size[0]} queries and {size[1]} keys; attention needs both or neither")
    rows = [row for row in range(len(sizes)) if sizes[row] != (0, 0)]
    padded = [_padded(size, heads) if aligned else size for size in sizes]
    if len(set(sizes)) == 1 and rows and padded[0] == sizes[0] and not _is_long(sizes[0], heads):
        groups, gather = [rows], False
    else:
        groups = _grouped(rows, padded, heads, aligned)
        gather = any(len(group) > 1 or padded[group[0]] != sizes[group[0]] for group in groups)
    queries = _side(groups, q_lengths, [size[0] for size in padded], heads, device, gather)
    keys = queries
    if q_lengths != kv_lengths:
        keys = _side(groups, kv_lengths, [size[1] for size in padded], heads, device, gather)
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


def _padded(size: tuple[int, int], heads: int) -> tuple[int, int]:
    """The aligned size of a row; a long one is always alone, and stays as it is."""
    if size == (0, 0) or _is_long(size, heads):
        return size
    return size[0] + -size[0] % _ALIGNED, size[1] + -size[1] % _ALIGNED


def _is_long(size: tuple[int, int], heads: int) -> bool:
    return size[0] * size[1] * heads >= _SCORES_OF_A_LONG_ROW


def _grouped(rows: list[int], sizes: list[tuple[int, int]], heads: int, aligned: bool) -> list[list[int]]:
    """From the longest down, a row joins the last group while the padding so far costs less than another group.

    Aligned groups hold rows of which each alone would be computed in the same way, fused or not.
    """
    groups: list[list[int]] = []
    queries, keys, waste = 0, 0, 0
    for row in sorted(rows, key=lambda row: (sizes[row], row), reverse=True):
        own_queries, own_keys = sizes[row]
        more = (queries * keys - own_queries * own_keys) * heads
        fits = own_keys <= keys and waste + more <= _SCORES_PER_GROUP and not _is_long(sizes[row], heads)
        fits = fits and not (aligned and queries >= FUSED_FROM > own_queries)
        if groups and fits:
            groups[-1].append(row)
            waste += more
        else:
            groups.append([row])
            queries, keys, waste = own_queries, own_keys, 0
    return [sorted(group) for group in groups]


def _side(
    groups: list[list[int]],
    lengths: tuple[int, ...],
    padded: list[int],
    heads: int,
    device: torch.device,
    gather: bool,
) -> Side:
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    shapes = tuple((len(group), max(padded[row] for row in group)) for group in groups)
    in_place = [len(group) == 1 and padded[group[0]] == lengths[group[0]] for group in groups]
    if not gather or all(in_place):
        return Side(shapes, tuple(starts[group[0]] for group in groups))
    # Entries of results, over all groups, and of the index, over those that are gathered.
    inverse = torch.empty(starts[-1] * heads, dtype=torch.long)
    indices, reals, filled = [], [], 0
    for group, (_, longest), stays in zip(groups, shapes, in_place, strict=True):
        own = torch.tensor([lengths[row] for row in group])[:, None]
        first = torch.tensor([starts[row] for row in group])[:, None]
        at = torch.arange(longest)
        real = at < own
        tokens = first + torch.where(real, at, 0)  # (rows, length)
        pairs = (tokens[:, None, :] * heads + torch.arange(heads)[:, None]).flatten()
        real = real[:, None, :].expand(-1, heads, -1).flatten()
        places = real.nonzero().squeeze(1)
        inverse[pairs[places]] = places + filled
        filled += pairs.shape[0]
        if not stays:
            indices.append(pairs)
            reals.append(real)
    padding = (~torch.cat(reals)).nonzero().squeeze(1)
    return Side(
        shapes,
        tuple(starts[group[0]] if stays else -1 for group, stays in zip(groups, in_place, strict=True)),
        torch.cat(indices).to(device),
        padding.to(device) if padding.shape[0] else None,
        inverse.to(device),
    )
