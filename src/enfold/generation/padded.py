"""Padded batches to rows of ids, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.generation.settings import Settings

__all__ = ["Padded", "decoder_starts", "unpad", "with_new_tokens"]


@dataclass(frozen=True, slots=True)
class Padded:
    """A batch as it was given, (batch, seq), and its rows without padding."""

    ids: Tensor
    rows: list[list[int]]


def unpad(ids: Tensor, mask: Any, *, pad: int | None, what: str) -> Padded:
    """Take padding off.

    Args:
        ids: (batch, seq).
        mask: (batch, seq) 1 at real tokens, or None.
        pad: without a mask, the id that is padding; None where every id is real.
        what: the mask's name in messages.

    Raises:
        InputError: the mask has another shape, or masks a row entirely.
    """
    if mask is None:
        real = torch.ones_like(ids, dtype=torch.bool) if pad is None else ids != pad
        if not bool(real.any(1).all()):
            real = torch.ones_like(real)  # a row of nothing but pad ids holds them as tokens
    else:
        real = torch.as_tensor(mask, device=ids.device)
        if real.shape != ids.shape:
            raise InputError(f"{what} has shape {tuple(real.shape)}, but the ids have {tuple(ids.shape)}")
        real = real != 0
    rows = [row[kept].tolist() for row, kept in zip(ids, real, strict=True)]
    for number, row in enumerate(rows):
        if not row:
            raise InputError(f"row {number} of {what} is all zeros: there is no token to start from")
    return Padded(ids, rows)


def decoder_starts(batch: int, given: Any, mask: Any, settings: Settings, device: torch.device) -> Padded:
    """The first ids of a decoder, on ``device``: its start id, and what was given for it.

    Raises:
        InputError: there is no start id, or the batch has another size.
    """
    start = settings.decoder_start_token_id
    start = settings.bos_token_id if start is None else start
    if start is None:
        raise InputError("nothing says what the decoder starts with: set decoder_start_token_id or bos_token_id")
    starts = torch.tensor([start] * batch if isinstance(start, int) else list(start), device=device)
    if len(starts) != batch:
        raise InputError(f"decoder_start_token_id lists {len(starts)} ids for {batch} encoder inputs")
    if given is None:
        return unpad(starts[:, None], None, pad=None, what="decoder_attention_mask")
    ids = torch.as_tensor(given).to(device)
    if ids.ndim != 2 or len(ids) != batch:
        raise InputError(f"decoder_input_ids must have shape ({batch}, seq); they have shape {tuple(ids.shape)}")
    if bool((ids[:, 0] != starts).all()):
        ids = torch.cat([starts[:, None], ids], 1)
        if mask is not None:
            mask = torch.as_tensor(mask).to(device)
            mask = torch.cat([torch.ones_like(mask[:, :1]), mask], 1)
    return unpad(ids, mask, pad=None, what="decoder_attention_mask")


def with_new_tokens(ids: Tensor, new: Sequence[Sequence[int]], copies: int, pad: int) -> Tensor:
    """(rows, length): the batch as it was given, each row ``copies`` times, the new tokens, and padding."""
    width = ids.shape[1]
    out = torch.full((len(new), width + max(map(len, new))), pad, dtype=torch.long)
    out[:, :width] = ids.cpu().repeat_interleave(copies, 0)
    for row, tokens in enumerate(new):
        out[row, width : width + len(tokens)] = torch.tensor(tokens)
    return out.to(ids.device)
