"""The largest of many numbers in a row, without sorting out all of them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["largest"]

_CHUNK = 64


def largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """As ``scores.topk(count)``, several times as fast for a few of a whole vocabulary on the CPU.

    The largest of each chunk are found in one vectorised pass; the ``count`` largest numbers lie in the chunks whose
    largest are the ``count`` largest.

    Args:
        scores: (rows, numbers).
        count: how many of each row.

    Returns:
        values and places, (rows, count) each, the largest first.
    """
    rows, numbers = scores.shape
    chunks = numbers // _CHUNK
    if scores.device.type != "cpu" or chunks <= 4 * count:
        values, places = scores.topk(count)
        return values, places
    end = chunks * _CHUNK
    best = scores[:, :end].unflatten(1, (chunks, _CHUNK)).amax(-1)
    starts = best.topk(count).indices * _CHUNK
    inside = (starts[:, :, None] + torch.arange(_CHUNK)).flatten(1)
    columns = torch.cat([inside, torch.arange(end, numbers).expand(rows, -1)], 1)
    values, at = scores.gather(1, columns).topk(count)
    return values, columns.gather(1, at)
