"""Choosing a token from scores: the best, or one drawn at random from the row's own source of chance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from enfold.errors import InputError

__all__ = ["Chance", "best", "draw", "seed_of"]

_BLOCK = 64


def seed_of(seed: int, sequence: int) -> int:
    """The seed of one of the sequences of a prompt; the first has the prompt's own."""
    if sequence == 0:
        return seed
    digest = hashlib.blake2b(f"{seed}:{sequence}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


class Chance:
    """Random numbers for rows, each from a generator of its own, so that no row's numbers depend on its neighbours.

    Args:
        seeds: one for each row.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._block = torch.empty(0)
        self._used = _BLOCK

    def next(self) -> Tensor:
        """(rows,) numbers from 0 to below 1, in float64."""
        if self._used == _BLOCK:
            draws = [torch.rand(_BLOCK, generator=source, dtype=torch.float64) for source in self.generators]
            self._block = torch.stack(draws)
            self._used = 0
        self._used += 1
        return self._block[:, self._used - 1]

    def select(self, rows: Sequence[int]) -> None:
        """Keep some rows."""
        self.generators = [self.generators[row] for row in rows]
        if self._used < _BLOCK:
            self._block = self._block[list(rows)]


def best(scores: Tensor) -> Tensor:
    """(rows,) the token with the highest score of each row.

    Raises:
        InputError: a row has no token left, or its scores are no numbers.
    """
    values, tokens = scores.max(-1)
    _check(values)
    return tokens


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """(rows,) tokens drawn by the inverse of the cumulative distribution.

    Args:
        probabilities: (rows, vocabulary), not necessarily of sum 1.
        uniforms: (rows,) from 0 to below 1, in float64.

    Raises:
        InputError: a row has no token left, or its scores are no numbers.
    """
    reached = probabilities.cumsum(-1, dtype=torch.float64)
    total = reached[:, -1:]
    _check(torch.where(total > 0, total, torch.nan))
    wanted = uniforms.to(total.device)[:, None] * total
    wanted = torch.minimum(wanted, torch.nextafter(total, torch.zeros_like(total)))  # rounding may reach the total
    return torch.searchsorted(reached, wanted, right=True).squeeze(1)


def _check(values: Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise InputError(
            "no token can be chosen: the model's scores are not finite, or the options forbid every token "
            "(remove_invalid_values=True replaces what is not finite)"
        )
