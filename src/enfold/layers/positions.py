"""Where a token stands: absolute, by rotation, and by distance.

How places are counted is decided at the door (``count_positions``), from the row as it came.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.layers.context import ScoreBias
from enfold.layers.specs import PositionSpec, RelativeSpec

__all__ = [
    "FixedPositions",
    "PositionTable",
    "RelativeBias",
    "count_positions",
    "distance_buckets",
    "packed_positions",
    "sinusoids",
    "turn",
]


# ---- absolute -----------------------------------------------------------------------------------------------------


def sinusoids(rows: int, width: int, kind: str, *, zero_row: int | None = None) -> Tensor:
    """The fixed position vectors (Vaswani et al., 2017, section 3.5), in float32: (rows, width).

    Args:
        rows: how many places.
        width: of the vectors.
        kind: ``interleaved`` and ``halves`` hold the same numbers in another order: sine and cosine by turns, or all
            sines and then all cosines. ``fairseq`` is in halves, and its slowest wave is 10,000 long (theirs a little
            less); an odd width ends with a 0.
        zero_row: the row of the padding, all 0.
    """
    at = torch.arange(rows, dtype=torch.float64)[:, None]
    half = width // 2
    if kind == "fairseq":
        step = math.log(10_000) / (half - 1)
        angles = at.float() * torch.exp(torch.arange(half, dtype=torch.float32) * -step)
        table = torch.cat([angles.sin(), angles.cos(), torch.zeros(rows, width % 2)], 1)
    else:
        angles = at / 10_000 ** (2 * torch.arange(-(-width // 2), dtype=torch.float64) / width)
        sines, cosines = angles.sin(), angles.cos()
        if kind == "halves":
            table = torch.cat([sines, cosines[:, :half]], 1)
        else:
            table = torch.stack([sines, cosines], -1).flatten(1)[:, :width]
        table = table.float()
    if zero_row is not None:
        table[zero_row] = 0
    return table


class PositionTable(nn.Embedding):
    """One vector for each place.

    Args:
        spec: the kind and size.
        width: of the vectors.
        pad_id: of the words, where places are counted by tokens: that row belongs to the padding.
    """

    def __init__(self, spec: PositionSpec, width: int, pad_id: int | None = None) -> None:
        self.spec = spec
        self._zero_row = pad_id if spec.kind == "fairseq" else None
        padding = pad_id if spec.counted == "tokens" and spec.kind == "learned" else None
        super().__init__(spec.capacity + spec.offset, spec.width or width, padding_idx=padding)
        if spec.kind != "learned":
            self.weight.requires_grad_(False)

    def begin(self) -> None:
        """Write the fixed vectors; a learned table is begun like any other."""
        with torch.no_grad():
            rows, width = self.weight.shape
            table = sinusoids(rows, width, self.spec.kind, zero_row=self._zero_row)
            self.weight.copy_(table)

    def forward(self, positions: Tensor) -> Tensor:
        """(tokens,) places to (tokens, width)."""
        return F.embedding(
            positions + self.spec.offset if self.spec.offset else positions, self.weight, self.padding_idx
        )


class FixedPositions(nn.Module):
    """Sines and cosines that are in no checkpoint, computed for as many places as are asked for."""

    def __init__(self, spec: PositionSpec, width: int, pad_id: int | None = None) -> None:
        super().__init__()
        self.spec = spec
        self._width = spec.width or width
        self._zero_row = pad_id if spec.kind == "fairseq" else None
        self._table: Tensor | None = None

    def forward(self, positions: Tensor) -> Tensor:
        """(tokens,) places to (tokens, width), in float32."""
        rows = self.spec.capacity + self.spec.offset
        if self._table is None or self._table.device != positions.device:
            table = sinusoids(rows, self._width, self.spec.kind, zero_row=self._zero_row)
            self._table = table.to(positions.device)
        return F.embedding(positions + self.spec.offset, self._table)


def count_positions(
    spec: PositionSpec, input_ids: Tensor | None, mask: Tensor | None, shape: tuple[int, int], pad_id: int | None
) -> Tensor | None:
    """The place of each token of a padded batch, (batch, seq), where it is not its index in the row (then None).

    Args:
        spec: how places are counted.
        input_ids: (batch, seq); None where vectors came in their place.
        mask: (batch, seq), or None.
        shape: (batch, seq).
        pad_id: of the words.
    """
    if spec.counted == "mask" and mask is not None and mask.dim() == 2:
        real = (mask != 0).long()
        return (real.cumsum(1) * real) - 1
    if spec.counted == "tokens":
        assert pad_id is not None
        if input_ids is None:
            return torch.arange(pad_id + 1, shape[1] + pad_id + 1)[None].expand(shape)
        real = (input_ids != pad_id).long()
        return real.cumsum(1) * real + pad_id
    return None


def packed_positions(input_ids: Tensor | None, index: Tensor, row_of: Tensor, pad_id: int) -> Tensor:
    """The same for packed tokens whose places are counted by tokens.

    Args:
        input_ids: (tokens,); None where vectors came in their place.
        index: (tokens,) the index in the row.
        row_of: (tokens,) the row.
        pad_id: of the words.
    """
    if input_ids is None:
        return index + pad_id + 1
    real = (input_ids != pad_id).long()
    counted = real.cumsum(0)
    before = torch.zeros(int(row_of[-1]) + 2 if row_of.numel() else 1, dtype=torch.long, device=real.device)
    before.index_add_(0, row_of + 1, real)
    return (counted - before.cumsum(0)[row_of]) * real + pad_id


# ---- rotary -------------------------------------------------------------------------------------------------------


def turn(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the first values of each head by its token's angles (Su et al., 2021, section 3.4, in halves).

    Args:
        x: (tokens, heads, head_width)
        rotation: cosines and sines, (tokens, rotated width) each.
    """
    cosines, sines = (values[:, None, :].to(x.dtype) for values in rotation)
    width = cosines.shape[-1]
    own = x[..., :width]
    first, second = own.chunk(2, dim=-1)
    turned = own * cosines + torch.cat([-second, first], -1) * sines
    return turned if width == x.shape[-1] else torch.cat([turned, x[..., width:]], -1)


# ---- by distance --------------------------------------------------------------------------------------------------


def distance_buckets(distances: Tensor, buckets: int, max_distance: int, *, both_ways: bool) -> Tensor:
    """The bucket of each distance, key less query (Raffel et al., 2020, section 2.1): near ones apart, far ones by
    their logarithm.

    Args:
        distances: whole numbers of any shape.
        buckets: how many there are.
        max_distance: from here on all share the last.
        both_ways: whether later keys have the upper half of the buckets; else they share bucket 0.
    """
    base = torch.zeros_like(distances)
    if both_ways:
        buckets //= 2
        base = (distances > 0).long() * buckets
        distances = distances.abs()
    else:
        distances = (-distances).clamp(min=0)
    near = buckets // 2
    # float32, as checkpoints were trained with: the last bit decides some borders.
    far = near + (torch.log(distances.float() / near) / math.log(max_distance / near) * (buckets - near)).long().clamp(
        max=buckets - near - 1
    )
    return base + torch.where(distances < near, distances, far)


class RelativeBias(nn.Embedding):
    """A learned number for each head and bucket of distances, added to the scores of every block."""

    def __init__(self, spec: RelativeSpec) -> None:
        super().__init__(spec.buckets, spec.heads)
        self.spec = spec

    def bias(self, *, once: bool = True) -> ScoreBias:
        """What the blocks of one pass add to their scores.

        Args:
            once: compute it once for each pair of sizes. False where blocks are run again in backward, each by itself.
        """
        seen: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

        def add(q: Tensor, k: Tensor, q_positions: Tensor, k_positions: Tensor) -> Tensor:
            key = (q.shape[2], k.shape[2])
            distances = k_positions[:, None, :] - q_positions[:, :, None]
            if (distances == distances[:1]).all():
                distances = distances[:1]
            if key in seen and seen[key][0].shape == distances.shape and torch.equal(seen[key][0], distances):
                return seen[key][1]
            own = distance_buckets(distances, self.spec.buckets, self.spec.max_distance, both_ways=self.spec.both_ways)
            added = F.embedding(own, self.weight).permute(0, 3, 1, 2)
            if once:
                seen[key] = distances, added
            return added

        return add
