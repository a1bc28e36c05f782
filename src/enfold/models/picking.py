"""Which state speaks for a whole text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.packing import Layout
from enfold.models.inputs import Inputs

__all__ = ["mean", "places"]


def places(pick: str, arguments: dict[str, Any], config: Any) -> Tensor | None:
    """(rows,) the place in each row whose state is read; for packed inputs counted from the row's first token.

    Args:
        pick: ``pooled`` or ``first``; ``first real``, the first one that the mask has; ``last``, the last place that
            does not hold the padding id; ``end``, the last place; ``eos``, that of the last end-of-text token.
        arguments: of the model's call.
        config: for the ids.

    Raises:
        InputError: there is no such place in a row, or the config does not say which id to look for.
    """
    ids, vectors, layout = (arguments.get(name) for name in ("input_ids", "inputs_embeds", "layout"))
    given = ids if vectors is None else vectors
    if given is None or (layout is None and given.dim() < 2):
        return None  # the door says what is wrong
    device = given.device
    if layout is not None:
        if pick == "end" or (pick == "last" and (ids is None or config.pad_token_id is None)):
            return (layout.q_lengths - 1).to(device)
        if pick == "last":
            return _last(ids != config.pad_token_id, layout).clamp(min=0)
        if pick != "eos":
            return torch.zeros(layout.rows, dtype=torch.long, device=device)
        _check_eos(ids, config)
        found = _last(ids == config.eos_token_id, layout)
        if bool((found < 0).any()):
            raise InputError(f"example {int((found < 0).nonzero()[0, 0])} has no end-of-text token to read")
        return found
    rows, seq = given.shape[:2]
    if pick in ("pooled", "first"):
        return torch.zeros(rows, dtype=torch.long, device=device)
    if pick == "first real":
        mask = arguments.get("attention_mask")
        if mask is None or mask.dim() != 2:
            return torch.zeros(rows, dtype=torch.long, device=device)
        return (mask != 0).long().argmax(1).to(device)
    if pick == "end":
        return torch.full((rows,), seq - 1, device=device)
    at = torch.arange(seq, device=device)
    if pick == "last":
        if ids is None:
            return torch.full((rows,), seq - 1, device=device)
        if config.pad_token_id is None:
            if rows > 1:
                raise InputError("the last token of several rows is found by the padding id: set config.pad_token_id")
            return torch.full((rows,), seq - 1, device=device)
        return (at * (ids != config.pad_token_id)).argmax(1)
    _check_eos(ids, config)
    found = ids == config.eos_token_id
    lacking = (~found.any(1)).nonzero()
    if lacking.numel():
        raise InputError(f"example {int(lacking[0])} has no end-of-text token (id {config.eos_token_id}) to read")
    return (at * found).argmax(1)


def _check_eos(ids: Tensor | None, config: Any) -> None:
    if ids is None:
        raise InputError("this head reads the state at the end-of-text token: give input_ids, not vectors")
    if not isinstance(config.eos_token_id, int):
        raise InputError("this head reads the state at the end-of-text token: set config.eos_token_id")


def _last(found: Tensor, layout: Layout) -> Tensor:
    """(rows,) the last true place of each packed row; -1 where there is none."""
    row_of = layout.row_of
    within = torch.arange(found.shape[0], device=found.device) - layout.first[row_of]
    last = torch.full((layout.rows,), -1, device=found.device)
    return last.scatter_reduce_(0, row_of[found], within[found], "amax")


def mean(hidden: Tensor, inputs: Inputs, *, padded: bool = False) -> Tensor:
    """(tokens, width) to the mean of each row's real tokens, (rows, width).

    Args:
        hidden: (tokens, width)
        inputs: what they are the states of.
        padded: count the padding of a padded batch too, as zeros.
    """
    layout, real = inputs.layout, inputs.real
    sums = hidden.new_zeros(layout.rows, hidden.shape[1]).index_add(0, layout.row_of, inputs.blank(hidden))
    counts = layout.q_lengths.to(hidden.device)
    if padded and inputs.entry is not None:
        counts = torch.full_like(counts, inputs.entry.shape[1])
    elif real is not None:
        counts = torch.zeros_like(counts).index_add(0, layout.row_of, real.long())
    return sums / counts.to(hidden.dtype)[:, None].clamp(min=1)
