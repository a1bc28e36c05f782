"""Which rows make up which batch of which epoch: a pure function of the seed, so that a resumed run finds its place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from enfold.data.batching import token_budget_batches


class EpochBatches(Sampler[list[int]]):
    """The batches of each epoch, as lists of row numbers.

    Args:
        rows: how many rows there are.
        lengths: real tokens of each row; needed for ``max_tokens`` and ``strategy="group_by_length"``.
        batch_size: rows in a batch.
        max_tokens: tokens in a batch, instead of ``batch_size``; rows of like length come together.
        strategy: ``random``, ``sequential`` or ``group_by_length``.
        drop_last: leave out a last batch that is not full.
        seed: with the epoch, it decides the order.
    """

    def __init__(
        self,
        rows: int,
        *,
        lengths: Sequence[int] | None = None,
        batch_size: int = 8,
        max_tokens: int | None = None,
        strategy: str = "random",
        drop_last: bool = False,
        seed: int = 42,
    ) -> None:
        self.rows = rows
        self.lengths = lengths
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.strategy = strategy
        self.drop_last = drop_last
        self.seed = seed
        self._epoch, self._skip = 0, 0
        self._known: tuple[int, list[list[int]]] | None = None

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch."""
        if self._known is None or self._known[0] != epoch:
            self._known = (epoch, self._make(epoch))
        return self._known[1]

    def steps(self, epoch: int, accumulation: int = 1) -> int:
        """Optimiser steps of an epoch; the last one may have fewer batches to accumulate."""
        if self.max_tokens is not None:
            return math.ceil(len(self.batches(epoch)) / accumulation)
        whole, rest = divmod(self.rows, self.batch_size)
        return math.ceil((whole + (rest > 0 and not self.drop_last)) / accumulation)

    def go_to(self, epoch: int, skip: int = 0) -> None:
        """Give the batches of ``epoch`` from the one numbered ``skip`` on when iterated next."""
        self._epoch, self._skip = epoch, skip

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches(self._epoch)[self._skip :])

    def __len__(self) -> int:
        return len(self.batches(self._epoch)) - self._skip

    def _make(self, epoch: int) -> list[list[int]]:
        if self.max_tokens is not None:
            assert self.lengths is not None
            return token_budget_batches(
                self.lengths,
                max_tokens=self.max_tokens,
                shuffle=self.strategy != "sequential",
                seed=self.seed,
                epoch=epoch,
            )
        order = np.arange(self.rows)
        if self.strategy != "sequential":
            order = np.random.default_rng([self.seed, epoch]).permutation(self.rows)
        if self.strategy == "group_by_length":
            order = self._grouped(order)
        batches = [order[start : start + self.batch_size].tolist() for start in range(0, self.rows, self.batch_size)]
        if self.drop_last and batches and len(batches[-1]) < self.batch_size:
            batches.pop()
        return batches

    def _grouped(self, order: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Sort a shuffled order by length within stretches of some 50 batches, longest first.

        Batches are then of like length, and their order still random; the very longest row is in the first
        batch, so that memory that does not suffice shows at once.
        """
        lengths = np.asarray(self.lengths)
        batches_in_stretch = max(1, min(50, self.rows // (self.batch_size * 4)))
        stretch = self.batch_size * batches_in_stretch
        stretches = [order[start : start + stretch] for start in range(0, self.rows, stretch)]
        stretches = [rows[np.argsort(-lengths[rows], kind="stable")] for rows in stretches]
        longest = max(range(len(stretches)), key=lambda index: lengths[stretches[index][0]], default=0)
        if longest:
            stretches[0][0], stretches[longest][0] = stretches[longest][0], stretches[0][0]
        return np.concatenate(stretches) if stretches else order
