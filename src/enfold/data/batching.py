"""Batches that hold about the same number of tokens, of texts of similar length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["token_budget_batches"]

# Texts are sorted by length inside random pools of about this many batches: similar lengths meet, in ever new company.
_POOL_BATCHES = 50


def token_budget_batches(
    lengths: Sequence[int],
    *,
    max_tokens: int,
    max_rows: int | None = None,
    shuffle: bool = False,
    seed: int = 0,
    epoch: int = 0,
) -> list[list[int]]:
    """Cut texts into batches of at most ``max_tokens`` tokens.

    Tokens are counted as they are packed, without padding. A text longer than ``max_tokens`` is a batch of its own.
    Every text is in exactly one batch. The same arguments give the same batches on every machine.

    Args:
        lengths: tokens of each text, special tokens included.
        max_tokens: the budget of a batch.
        max_rows: the most texts in a batch; None for no limit.
        shuffle: False: from the longest to the shortest text, for evaluation (what does not fit fails first).
            True: random pools, sorted inside, their batches in random order.
        seed: of the shuffle.
        epoch: of the training; each has its own order.

    Returns:
        The positions of the texts of each batch.

    Raises:
        ValueError: a budget below 1, or a negative length.
    """
    if max_tokens < 1 or (max_rows is not None and max_rows < 1):
        raise ValueError(f"max_tokens and max_rows must be at least 1, not {max_tokens} and {max_rows}")
    sizes = np.asarray(lengths, dtype=np.int64)
    if sizes.size == 0:
        return []
    if sizes.min() < 0:
        raise ValueError(f"lengths must not be negative: {int(sizes.min())} at {int(sizes.argmin())}")
    if not shuffle:
        return _cut(np.argsort(-sizes, kind="stable"), sizes, max_tokens, max_rows)
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    order = random.permutation(len(sizes))
    rows = max(1.0, max_tokens / max(float(sizes.mean()), 1.0))
    pool = max(1, round(_POOL_BATCHES * min(rows, max_rows or rows)))
    batches = []
    for start in range(0, len(order), pool):
        inside = order[start : start + pool]
        batches += _cut(inside[np.argsort(-sizes[inside], kind="stable")], sizes, max_tokens, max_rows)
    return [batches[place] for place in random.permutation(len(batches))]


def _cut(order: np.ndarray, sizes: np.ndarray, max_tokens: int, max_rows: int | None) -> list[list[int]]:
    batches: list[list[int]] = []
    batch: list[int] = []
    tokens = 0
    for place in order.tolist():
        size = int(sizes[place])
        if batch and (tokens + size > max_tokens or len(batch) == max_rows):
            batches.append(batch)
            batch, tokens = [], 0
        batch.append(place)
        tokens += size
    if batch:
        batches.append(batch)
    return batches
