"""The mean losses that heads return for ``labels=``."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from enfold.layers.packing import Layout

__all__ = ["next_labels", "sequence_loss", "span_loss", "token_loss"]


def sequence_loss(logits: Tensor, labels: Tensor, config: Any) -> Tensor:
    """Of (batch, outputs) logits, by ``config.problem_type``; None lets these labels decide, and is set."""
    if config.problem_type is None:
        if config.num_labels == 1:
            config.problem_type = "regression"
        elif labels.dtype in (torch.long, torch.int):
            config.problem_type = "single_label_classification"
        else:
            config.problem_type = "multi_label_classification"
    if config.problem_type == "single_label_classification":
        return F.cross_entropy(logits, labels.view(-1).long())
    if config.problem_type == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return F.mse_loss(logits.view(labels.shape), labels.to(logits.dtype))


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Of (tokens, classes) logits and (tokens,) class numbers; -100 does not count."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision is too coarse for a sum
    return F.cross_entropy(logits, labels.to(logits.device))


def next_labels(labels: Tensor, *, layout: Layout | None = None, mask: Tensor | None = None) -> Tensor:
    """The label of each place is that of the place behind it; the last of a row has none, -100.

    Args:
        labels: (batch, seq), or (tokens,) with a layout.
        layout: where each row of a packed batch lies.
        mask: (batch, seq) with 0 at padding, which predicts nothing.
    """
    shifted = labels.roll(-1, -1)
    if layout is not None:
        shifted[layout.last.to(labels.device)] = -100
        return shifted
    shifted[..., -1] = -100
    if mask is not None and mask.shape == labels.shape:
        shifted = shifted.masked_fill(mask.to(labels.device) == 0, -100)
    return shifted


def span_loss(scores: Tensor, positions: Tensor, layout: Layout) -> Tensor:
    """Of (tokens,) scores and the (rows,) place that is right in each row.

    Places beyond a row do not count, and one below 0 means the first, as in ``transformers``.
    """
    positions = positions.view(-1).to(scores.device).clamp(min=0)
    beyond = positions >= layout.q_lengths.to(scores.device)
    rows = scores.new_full((layout.rows, int(layout.q_lengths.max())), -torch.inf)
    at = torch.arange(scores.shape[0], device=scores.device)
    row = layout.row_of
    rows = rows.index_put((row, at - layout.first[row]), scores)
    return F.cross_entropy(rows, positions.masked_fill(beyond, -100))
