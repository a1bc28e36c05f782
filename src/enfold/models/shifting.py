"""What a decoder reads in order to say given tokens: the same, one place to the right."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.packing import Layout

__all__ = ["behind_last_token", "behind_start_token"]


def behind_start_token(ids: Tensor, config: Any, layout: Layout | None = None) -> Tensor:
    """The ids of each row behind the start token of the config; the last one is dropped.

    Args:
        ids: (batch, seq), or (tokens,) with a layout; -100 is read as padding.
        config: for ``decoder_start_token_id`` and ``pad_token_id``.
        layout: where each row of a packed batch lies.

    Raises:
        InputError: the config names no start or padding token.
    """
    start, pad_id = getattr(config, "decoder_start_token_id", None), config.pad_token_id
    if start is None or pad_id is None:
        raise InputError(
            "the config has no decoder_start_token_id or no pad_token_id: set them, or give decoder_input_ids"
        )
    rows = ids.shape[0] if layout is None else layout.rows
    return _shifted(ids.masked_fill(ids == -100, pad_id), ids.new_full((rows,), start), layout)


def behind_last_token(ids: Tensor, config: Any, layout: Layout | None = None) -> Tensor:
    """The ids of each row behind its own last token, a language's (Liu et al., 2020, section 2.2).

    It is found by the number of tokens that are not padding, so padding must stand at the right. For the arguments see
    ``behind_start_token``.

    Raises:
        InputError: the config names no padding token.
    """
    pad_id = config.pad_token_id
    if pad_id is None:
        raise InputError("the config has no pad_token_id: set it, or give decoder_input_ids")
    ids = ids.masked_fill(ids == -100, pad_id)
    if layout is not None:
        return _shifted(ids, ids[layout.last.to(ids.device)], layout)
    last = (ids != pad_id).sum(1, keepdim=True) - 1
    return _shifted(ids, ids.gather(1, last.clamp(min=0))[:, 0], None)


def _shifted(ids: Tensor, first: Tensor, layout: Layout | None) -> Tensor:
    if layout is None:
        return torch.cat([first[:, None], ids[:, :-1]], 1)
    shifted = ids.roll(1)
    shifted[layout.first.to(ids.device)] = first
    return shifted
