"""The door: where a padded ``(batch, seq)`` batch becomes packed tokens, and where results come back.

- No mask: every token is real.
- A 2-D mask, padded right, left or with holes: the real tokens are gathered. Their positions are those of the
  original row. Padding comes back as zeros.
- A 3-D or 4-D mask: nothing is gathered; the mask becomes a bias on the attention scores (the *padded path*).
  3-D is (batch, seq, seq) with 1 where a token may look. 4-D is (batch, 1 or heads, 1 or seq, seq): boolean or
  integer with 1 where a token may look, or floating point and added to the scores.
- Where ``transformers`` would use the state of a masked place (a pooled token that is masked, a label
  that is not -100 there, a span loss over padded rows), the batch takes the padded path too, so that the
  result is the same.
- Under ``torch.compile`` every padded batch takes the padded path, whose shapes do not depend on the data;
  packed inputs are compiled packed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.packing import Layout, layout_of

__all__ = ["Entry", "enter"]

log = logging.getLogger("enfold.models")
_warned: set[str] = set()


@dataclass(frozen=True, eq=False)
class Entry:
    """A padded batch on the inside of the door.

    Attributes:
        layout: where each row's tokens lie among the packed ones.
        bias: (batch, 1 or heads, 1 or seq, seq) added to the attention scores; None when packed.
        shape: (batch, seq) outside.
        index: (tokens,) the place of each packed token in the flattened batch; None when every place is kept.
        real: (batch, seq) of booleans: the places that do not come back as zeros; None when all do not.
    """

    layout: Layout
    bias: Tensor | None
    shape: tuple[int, int]
    index: Tensor | None
    real: Tensor | None

    def inside(self, values: Tensor) -> Tensor:
        """(batch, seq, …) to (tokens, …)."""
        flat = values.expand(*self.shape, *values.shape[2:]).flatten(0, 1)
        return flat if self.index is None else flat[self.index]

    def outside(self, values: Tensor) -> Tensor:
        """(tokens, …) to (batch, seq, …), zeros at padding."""
        rest = values.shape[1:]
        if self.index is not None:
            flat = values.new_zeros(self.shape[0] * self.shape[1], *rest)
            return flat.index_copy(0, self.index, values).view(*self.shape, *rest)
        padded = values.view(*self.shape, *rest)
        if self.real is None:
            return padded
        return padded.masked_fill(~self.real.view(*self.shape, *([1] * len(rest))), 0)

    def outside_weights(self, weights: list[Tensor], keys: Entry | None = None) -> Tensor:
        """Attention weights (heads, queries, keys) of each row to (batch, heads, seq, key seq), zeros at padding.

        Keys are those of another batch where ``keys`` is given. With a cache, a row's keys are all it has read; they
        then stand at the left.
        """
        batch, seq = self.shape
        other = self if keys is None else keys
        longest = max(other.shape[1], *(own.shape[2] for own in weights))
        result = weights[0].new_zeros(batch, weights[0].shape[0], seq, longest)
        columns = other.places()
        for row, (at, part) in enumerate(zip(self.places(), weights, strict=True)):
            own = columns[row] if columns[row].shape[0] == part.shape[2] else torch.arange(part.shape[2])
            result[row, :, at[:, None], own.to(at.device)[None, :]] = part
        return result

    def places(self) -> list[Tensor]:
        """The place in its row of each packed token, row by row."""
        batch, seq = self.shape
        places = torch.arange(batch * seq, device=self.layout.positions.device) if self.index is None else self.index
        return list((places % seq).split(self.layout.lengths))


def enter(
    shape: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
    attention_mask: Tensor | None,
    *,
    reads: Tensor | None = None,
    labels: Tensor | None = None,
    whole_rows: bool = False,
) -> Entry:
    """Decide how a padded batch is computed, by the rules at the head of this module.

    Args:
        shape: (batch, seq) of the inputs.
        device: where the tokens are.
        dtype: of the attention scores.
        attention_mask: None, 2-D, 3-D or 4-D as above.
        reads: (batch,) the place of each row whose state is pooled, if one is.
        labels: (batch, seq) labels of each place, if the loss has such.
        whole_rows: whether the loss is over all places of a row, padding included.

    Raises:
        InputError: the mask has another number of dimensions, or sizes that do not fit the inputs.
    """
    if attention_mask is not None:
        _check(attention_mask, shape)
        attention_mask = attention_mask.to(device)
    if attention_mask is not None and attention_mask.dim() > 2:
        return Entry(_every_place(shape, device), _bias(attention_mask, dtype), shape, None, None)
    real = None if attention_mask is None else attention_mask != 0
    if real is None:
        return Entry(_every_place(shape, device), None, shape, None, None)
    padded = torch.compiler.is_compiling()
    if not padded:
        if bool(real.all()):
            return Entry(_every_place(shape, device), None, shape, None, None)
        padded = whole_rows or _reads_padding(real, reads, labels)
    if padded:
        return Entry(_every_place(shape, device), _bias(real[:, None, None, :], dtype), shape, None, real)
    index = real.flatten().nonzero().squeeze(1)
    layout = layout_of(real.sum(1).cpu(), index % shape[1])
    return Entry(layout, None, shape, index, real)


def _check(mask: Tensor, shape: tuple[int, int]) -> None:
    batch, seq = shape
    if mask.dim() not in (2, 3, 4):
        raise InputError(f"attention_mask must have 2, 3 or 4 dimensions; it has {mask.dim()}: {tuple(mask.shape)}")
    expected = {2: "(batch, seq)", 3: "(batch, seq, seq)", 4: "(batch, 1 or heads, 1 or seq, seq)"}[mask.dim()]
    rows_fit = mask.shape[0] == batch or (mask.dim() == 4 and mask.shape[0] == 1)
    middle_fits = mask.dim() == 2 or mask.shape[-2] == seq or (mask.dim() == 4 and mask.shape[-2] == 1)
    if not (rows_fit and middle_fits and mask.shape[-1] == seq):
        raise InputError(
            f"attention_mask {tuple(mask.shape)} does not fit inputs of batch {batch} and length {seq}; "
            f"with {mask.dim()} dimensions it must be {expected}"
        )


def _every_place(shape: tuple[int, int], device: torch.device) -> Layout:
    batch, seq = shape
    offsets = torch.arange(batch + 1, device=device) * seq
    positions = torch.arange(seq, device=device).repeat(batch)
    lengths = torch.full((batch,), seq, dtype=torch.long)
    return Layout(offsets, offsets, positions, lengths, lengths)


def _bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    if mask.dim() == 3:
        mask = mask[:, None] != 0
    if mask.is_floating_point():
        return mask.to(dtype)
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(mask == 0, float("-inf"))


def _reads_padding(real: Tensor, reads: Tensor | None, labels: Tensor | None) -> bool:
    if labels is not None and bool(((labels.to(real.device) != -100) & ~real).any()):
        _warn_once(
            "labels",
            "some labels other than -100 stand at masked places; they count in the loss, as in transformers. "
            "Set them to -100 unless that is meant",
        )
        return True
    if reads is not None:
        read = real.gather(1, reads.to(real.device)[:, None])[:, 0]
        if not bool(read.all()):
            row = int((~read).nonzero()[0, 0])
            _warn_once(
                "pooled",
                f"place {int(reads[row])} of example {row} is masked, and its state is pooled all the same, as in "
                "transformers. Pad on the other side unless that is meant",
            )
            return True
    return False


def _warn_once(kind: str, message: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        log.warning(message)
