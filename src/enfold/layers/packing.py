"""Packed tokens: the sequences of a batch one after another, without padding, and the layout beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from enfold.errors import InputError

__all__ = ["Layout", "Packed", "crossing", "layout_of", "pack"]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each sequence of a packed batch begins and ends. It holds no differentiable tensor.

    Queries and keys have offsets of their own: they differ in cross-attention and with a cache. In
    self-attention they are the same tensors.

    Attributes:
        q_offsets: (rows + 1,) the first query token of each row, and the number of tokens at the end.
        kv_offsets: (rows + 1,) the same for keys and values.
        positions: (tokens,) the index of each token in its original row.
        q_lengths: (rows,) tokens a row, always on the CPU, so that a plan is made without waiting for a device.
        kv_lengths: (rows,) the same for keys and values.
        causal: whether a token sees only itself and what stands before it.
        window: how far to either side a token sees; None for the whole row.
    """

    q_offsets: Tensor
    kv_offsets: Tensor
    positions: Tensor
    q_lengths: Tensor
    kv_lengths: Tensor
    causal: bool = False
    window: int | None = None

    @property
    def rows(self) -> int:
        """The number of sequences."""
        return self.q_lengths.shape[0]

    @property
    def lengths(self) -> list[int]:
        """Tokens a row, on the host."""
        return self.q_lengths.tolist()

    @property
    def first(self) -> Tensor:
        """(rows,) the index of each row's first token among the packed ones."""
        return self.q_offsets[:-1]

    @property
    def last(self) -> Tensor:
        """(rows,) the index of each row's last token among the packed ones."""
        return self.q_offsets[1:] - 1

    @property
    def row_of(self) -> Tensor:
        """(tokens,) the row each token belongs to."""
        rows = torch.arange(self.rows, device=self.q_offsets.device)
        return torch.repeat_interleave(rows, self.q_lengths.to(rows.device), output_size=self.positions.shape[0])

    def where(self, token: int) -> tuple[int, int]:
        """The row of a packed token, and its index in the original row."""
        return int(self.row_of[token]), int(self.positions[token])

    def seeing(self, *, causal: bool = False, window: int | None = None) -> Layout:
        """The same layout with another view of what a token sees."""
        if (self.causal, self.window) == (causal, window):
            return self
        return replace(self, causal=causal, window=window)

    def to(self, device: torch.device | str) -> Layout:
        """The same layout on another device; the lengths stay on the CPU."""
        if self.q_offsets.device == torch.device(device):
            return self
        q_offsets = self.q_offsets.to(device)
        kv_offsets = q_offsets if self.kv_offsets is self.q_offsets else self.kv_offsets.to(device)
        return Layout(
            q_offsets, kv_offsets, self.positions.to(device), self.q_lengths, self.kv_lengths, self.causal, self.window
        )


pytree.register_pytree_node(
    Layout,
    lambda layout: (
        [layout.q_offsets, layout.kv_offsets, layout.positions, layout.q_lengths, layout.kv_lengths],
        (layout.causal, layout.window),
    ),
    lambda tensors, context: Layout(*tensors, *context),
    serialized_type_name="enfold.layers.packing.Layout",
)


def layout_of(lengths: Tensor, positions: Tensor | None = None) -> Layout:
    """The layout of rows of these lengths, for self-attention.

    Args:
        lengths: (rows,) tokens a row, on the CPU.
        positions: (tokens,) on the device of the tokens; counted from 0 in each row where None.
    """
    offsets = torch.zeros(lengths.shape[0] + 1, dtype=torch.long)
    torch.cumsum(lengths, 0, out=offsets[1:])
    if positions is None:
        tokens = int(offsets[-1])
        starts = torch.repeat_interleave(offsets[:-1], lengths, output_size=tokens)
        positions = torch.arange(tokens) - starts
    offsets = offsets.to(positions.device)
    return Layout(offsets, offsets, positions, lengths, lengths)


@dataclass(frozen=True, eq=False)
class Packed:
    """A batch ready for a model: ``model(input_ids=p.input_ids, token_type_ids=p.token_type_ids, layout=p.layout)``.

    Attributes:
        input_ids: (tokens,)
        token_type_ids: (tokens,)
        layout: where each sequence lies.
    """

    input_ids: Tensor
    token_type_ids: Tensor
    layout: Layout

    def to(self, device: torch.device | str) -> Packed:
        """The same batch on another device."""
        return Packed(self.input_ids.to(device), self.token_type_ids.to(device), self.layout.to(device))


def pack(
    ids: Sequence[Sequence[int]],
    type_ids: Sequence[Sequence[int]] | None = None,
    *,
    device: torch.device | str | None = None,
) -> Packed:
    """Put sequences of token ids one after another.

    Args:
        ids: the token ids of each sequence.
        type_ids: the segment of each token; all 0 where None.
        device: where the tensors go; the CPU where None.

    Raises:
        InputError: a sequence has no tokens, or its ids and type ids differ in number.
    """
    for row, sequence in enumerate(ids):
        if len(sequence) == 0:
            raise InputError(f"example {row} has no tokens; every sequence needs at least one")
        if type_ids is not None and len(type_ids[row]) != len(sequence):
            raise InputError(f"example {row} has {len(sequence)} token ids but {len(type_ids[row])} type ids")
    lengths = torch.tensor([len(sequence) for sequence in ids], dtype=torch.long)
    input_ids = torch.tensor([token for sequence in ids for token in sequence], dtype=torch.long)
    if type_ids is None:
        token_type_ids = torch.zeros_like(input_ids)
    else:
        token_type_ids = torch.tensor([kind for sequence in type_ids for kind in sequence], dtype=torch.long)
    packed = Packed(input_ids, token_type_ids, layout_of(lengths))
    return packed if device is None else packed.to(device)


def crossing(queries: Layout, keys: Layout) -> Layout:
    """Queries of one batch over keys of another, row by row.

    Raises:
        InputError: they have another number of rows, or a row has queries but no keys.
    """
    if queries.rows != keys.rows:
        raise InputError(f"the decoder has {queries.rows} rows, the encoder {keys.rows}; there must be as many")
    if not torch.compiler.is_compiling():
        silent = ((keys.q_lengths == 0) & (queries.q_lengths > 0)).nonzero()
        if silent.numel():
            raise InputError(f"example {int(silent[0, 0])} has no tokens for the encoder; give each at least one")
    return Layout(queries.q_offsets, keys.q_offsets, queries.positions, queries.q_lengths, keys.q_lengths)
