"""A batch on its way in and out: padded as users know it outside, packed inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.cache import Cache, Pass
from enfold.layers.context import Memory
from enfold.layers.door import Entry, enter
from enfold.layers.packing import Layout
from enfold.layers.positions import count_positions, packed_positions
from enfold.layers.specs import StackSpec

__all__ = ["Inputs", "bring_in"]


@dataclass(eq=False)
class Inputs:
    """A batch inside the door.

    Attributes:
        layout: where each row lies among the packed tokens.
        ids, types, positions: (tokens,), or None.
        vectors: (tokens, width) in place of ids, or None.
        languages: (tokens,) the number of each token's language, or None.
        entry: the way back; None for a batch that came packed.
        bias: (rows or 1, heads or 1, length or 1, length) added to the attention scores; None when packed.
        memory: what cross-attention looks at.
        cache: the pass over cached keys and values, if there is one.
    """

    layout: Layout
    ids: Tensor | None = None
    types: Tensor | None = None
    positions: Tensor | None = None
    vectors: Tensor | None = None
    entry: Entry | None = None
    bias: Tensor | None = None
    memory: Memory | None = None
    cache: Pass | None = None
    languages: Tensor | None = None

    def outside(self, values: Tensor) -> Tensor:
        """(tokens, …) as the caller sees it: (batch, seq, …), or unchanged for a batch that came packed."""
        return values if self.entry is None else self.entry.outside(values)

    def inside(self, values: Tensor) -> Tensor:
        """Values of places, (batch, seq, …) or (tokens, …), as (tokens, …)."""
        return values if self.entry is None else self.entry.inside(values)

    @property
    def real(self) -> Tensor | None:
        """(tokens,) of booleans: which are not padding; None where none is, or where that is not known."""
        if self.entry is None or self.entry.index is not None or self.entry.real is None:
            return None
        return self.entry.real.flatten()

    def blank(self, values: Tensor) -> Tensor:
        """(tokens, width) with zeros at padding."""
        real = self.real
        return values if real is None else values.masked_fill(~real[:, None], 0)

    def at(self, places: Tensor) -> Tensor:
        """(rows,) the packed token at each row's place of the original row; there it must be real."""
        if self.entry is None or self.entry.index is None:
            return self.layout.first + places.to(self.layout.first.device)
        batch, seq = self.entry.shape
        where = torch.zeros(batch * seq, dtype=torch.long, device=self.entry.index.device)
        where[self.entry.index] = torch.arange(self.entry.index.shape[0], device=where.device)
        return where[torch.arange(batch, device=where.device) * seq + places.to(where.device)]

    def outside_states(self, states: tuple[Tensor, ...] | None) -> tuple[Tensor, ...] | None:
        """Hidden states as the caller sees them."""
        return None if states is None else tuple(self.outside(own) for own in states)

    def outside_weights(self, weights: Any, keys: Inputs | None = None) -> Any:
        """Attention weights as the caller sees them, over the places of ``keys`` where these are others."""
        if weights is None or self.entry is None:
            return weights
        other = None if keys is None else keys.entry
        return tuple(self.entry.outside_weights(own, other) for own in weights)


def bring_in(
    spec: StackSpec,
    dtype: torch.dtype,
    *,
    input_ids: Tensor | None,
    inputs_embeds: Tensor | None,
    attention_mask: Tensor | None = None,
    token_type_ids: Tensor | None = None,
    position_ids: Tensor | None = None,
    layout: Layout | None = None,
    cache: Cache | None = None,
    reads: Tensor | None = None,
    labels: Tensor | None = None,
    whole_rows: bool = False,
) -> Inputs:
    """Bring a batch inside the door; one that came with a layout is there already.

    Args:
        spec: of the stack, for its positions.
        dtype: of attention scores.
        input_ids: (batch, seq), or (tokens,) with a layout.
        inputs_embeds: (batch, seq, width) or (tokens, width), in place of ids.
        attention_mask: (batch, seq) with 1 at real tokens, or 3-D or 4-D. With a cache the columns of what was read
            may stand in front.
        token_type_ids: shaped like the ids.
        position_ids: shaped like the ids, or (1, seq); counted by the family's rule where None.
        layout: where each row of a packed batch lies.
        cache: keys and values of what was read before.
        reads, labels, whole_rows: what decides how a padded batch is computed, see ``enfold.layers.door.enter``.

    Raises:
        InputError: the arguments do not fit together.
    """
    given = input_ids if inputs_embeds is None else inputs_embeds
    if given is None or (input_ids is not None and inputs_embeds is not None):
        raise InputError("give exactly one of input_ids and inputs_embeds")
    if cache is not None and not spec.causal:
        raise InputError(
            "this model's tokens see what comes after them, so it can neither keep keys and values nor write; "
            "a config with is_decoder=True makes it a decoder"
        )
    if token_type_ids is not None and not spec.embeddings.types:
        if not spec.embeddings.ignores_types and bool((token_type_ids != 0).any()):
            raise InputError("this model has no token types; leave token_type_ids out")
        token_type_ids = None
    entry, bias = None, None
    pad_id, positions = spec.embeddings.pad_id, position_ids
    if layout is not None:
        if attention_mask is not None:
            raise InputError("packed inputs take no attention_mask: the layout says what is there")
        ids, types, vectors = input_ids, token_type_ids, inputs_embeds
        if positions is None and spec.positions is not None and spec.positions.counted == "tokens":
            positions = packed_positions(ids, layout.positions, layout.row_of, pad_id or 0)
    else:
        if given.dim() != (2 if inputs_embeds is None else 3):
            raise InputError(f"inputs must be (batch, seq), or (tokens,) with a layout; they are {tuple(given.shape)}")
        shape = (given.shape[0], given.shape[1])
        attention_mask = _of_new_tokens(attention_mask, shape, cache)
        if positions is None and spec.positions is not None:
            positions = count_positions(spec.positions, input_ids, attention_mask, shape, pad_id)
        compiling = torch.compiler.is_compiling()  # then the door packs nothing
        if attention_mask is not None and not compiling and _is_seen_through(spec, attention_mask):
            if cache is not None:
                raise InputError("a window over masked places in between does not go with a cache; leave them out")
            whole_rows = True
        entry = enter(shape, given.device, dtype, attention_mask, reads=reads, labels=labels, whole_rows=whole_rows)
        layout, bias = entry.layout, entry.bias
        ids, types, positions, vectors = (
            None if values is None else entry.inside(values)
            for values in (input_ids, token_type_ids, positions, inputs_embeds)
        )
    if cache is None:
        return Inputs(layout, ids, types, positions, vectors, entry, bias)
    return _continued(
        Inputs(layout, ids, types, positions, vectors, entry, bias),
        cache,
        spec.first_place,
        counted=position_ids is None,
    )


def _is_seen_through(spec: StackSpec, mask: Tensor) -> bool:
    """Whether an attention counts how far a token sees over masked places between real ones, which packing removes."""
    if (
        mask.dim() != 2
        or not mask.shape[1]
        or all(spec.attention_of(number).window is None for number in range(spec.depth))
    ):
        return False
    real = mask != 0
    return bool(((real[:, 1:] & ~real[:, :-1]).sum(1) + real[:, 0] > 1).any())


def _of_new_tokens(mask: Tensor | None, shape: tuple[int, int], cache: Cache | None) -> Tensor | None:
    """The mask's columns of the new tokens, where those of the cached ones stand in front."""
    if mask is None or cache is None or mask.dim() != 2 or not cache.get_seq_length():
        return mask
    return mask[:, -shape[1] :]


def _continued(inputs: Inputs, cache: Cache, first_place: int, *, counted: bool) -> Inputs:
    """The batch after what the cache holds: tokens stand behind those of their row, and padding has no place."""
    if inputs.bias is not None:
        raise InputError("past_key_values go with a mask of places, (batch, seq); a 3-D or 4-D mask is not possible")
    opened = cache.open(inputs.layout)
    inputs.cache = opened
    if inputs.positions is not None and counted:
        starts = torch.tensor(cache.lengths, device=inputs.positions.device)[inputs.layout.row_of]
        inputs.positions = inputs.positions + starts * (inputs.positions >= first_place)
    inputs.layout = opened.layout
    return inputs
