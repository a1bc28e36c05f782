"""Rules that look at what stands in a sequence: each is a pure function of scores and tokens.

Shapes: scores (rows, vocabulary); tokens (rows, length), where the number of the vocabulary's size marks a place
without a token. Every function returns new scores and loops over no vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "SequenceBias",
    "ban_followers",
    "block",
    "force",
    "grow_stops",
    "penalise_repetition",
    "replace_invalid",
]


def penalise_repetition(scores: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """Make tokens that stand in ``tokens`` less likely: negative scores times the penalty, others divided by it.

    Keskar et al., CTRL (2019), section 4.1, in the form for negative scores that ``transformers`` gave it. A penalty
    below 1 makes them likelier.
    """
    vocabulary = scores.shape[1]
    padded = F.pad(scores, (0, 1))
    found = padded.gather(1, tokens)
    changed = torch.where(found < 0, found * penalty, found / penalty)
    return padded.scatter_(1, tokens, changed)[:, :vocabulary]


def ban_followers(scores: Tensor, source: Tensor, suffix: Tensor, enough: Tensor) -> Tensor:
    """Ban every token that follows ``suffix`` somewhere in ``source``, so that no n-gram of it is written again.

    Paulus et al., A Deep Reinforced Model for Abstractive Summarization (2017), section 2.5.

    Args:
        scores: (rows, vocabulary).
        source: (rows, length), whose n-grams are banned.
        suffix: (rows, n - 1), the last tokens of each row.
        enough: (rows,) whether the row has n - 1 tokens.
    """
    size = suffix.shape[1] + 1
    if source.shape[1] < size:
        return scores
    vocabulary = scores.shape[1]
    windows = source.unfold(1, size, 1)
    matches = (windows[..., :-1] == suffix[:, None]).all(-1) & enough[:, None]
    banned = scores.new_zeros((len(scores), vocabulary + 1), dtype=torch.bool)
    banned.scatter_(1, torch.where(matches, windows[..., -1], vocabulary), True)
    return scores.masked_fill(banned[:, :vocabulary], -torch.inf)


class SequenceBias:
    """Adds a number to the score of each token that would complete a sequence; minus infinity forbids it.

    Args:
        biases: token sequences, and what completing them is worth.
        vocabulary: the number of tokens there are.
    """

    def __init__(
        self, biases: Sequence[tuple[tuple[int, ...], float]], vocabulary: int, device: torch.device | str = "cpu"
    ) -> None:
        self.single = torch.zeros(vocabulary, device=device)
        for tokens, bias in biases:
            if len(tokens) == 1:
                self.single[tokens[0]] = bias
        longer = sorted((item for item in dict(biases).items() if len(item[0]) > 1), key=lambda item: len(item[0]))
        self.groups = [
            (
                torch.tensor([tokens[:-1] for tokens, _ in group], device=device),
                torch.tensor([tokens[-1] for tokens, _ in group], device=device),
                torch.tensor([bias for _, bias in group], device=device),
            )
            for group in (list(items) for _, items in groupby(longer, key=lambda item: len(item[0])))
        ]

    @property
    def prefix_lengths(self) -> list[int]:
        """How many tokens before the next one must be known, for each group of sequences."""
        return [prefixes.shape[1] for prefixes, _, _ in self.groups]

    def __call__(self, scores: Tensor, suffixes: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Add the biases.

        Args:
            scores: (rows, vocabulary).
            suffixes: for each of `prefix_lengths` the last tokens of each row, and whether the row has as many.
        """
        scores = scores + self.single
        for (prefixes, last, bias), (suffix, enough) in zip(self.groups, suffixes, strict=True):
            matches = (suffix[:, None] == prefixes).all(-1) & enough[:, None]  # (rows, sequences)
            scores.index_add_(1, last, torch.where(matches, bias, 0.0))
        return scores


def block(scores: Tensor, tokens: Tensor, rows: Tensor | None = None) -> Tensor:
    """Forbid tokens.

    Args:
        scores: (rows, vocabulary).
        tokens: (vocabulary,) True where forbidden.
        rows: (rows,) True where this holds; everywhere if None.
    """
    return scores.masked_fill(tokens if rows is None else tokens & rows[:, None], -torch.inf)


def force(scores: Tensor, tokens: Tensor, rows: Tensor) -> Tensor:
    """Forbid every token but some, whose scores become 0.

    Args:
        scores: (rows, vocabulary).
        tokens: (vocabulary,) True where forced.
        rows: (rows,) True where this holds.
    """
    forced = torch.where(tokens, 0.0, -torch.inf).to(scores.dtype)
    return torch.where(rows[:, None], forced, scores)


def grow_stops(scores: Tensor, stops: Tensor, factor: float, steps: int) -> Tensor:
    """Make stop ids likelier: their scores grow by ``|score| * (factor ** steps - 1)``.

    Args:
        scores: (rows, vocabulary).
        stops: (vocabulary,) True at stop ids.
        factor: above 1.
        steps: new tokens since growth began; nothing happens below 1.
    """
    if steps < 1:
        return scores
    growth = scores.abs() * (factor**steps - 1)
    return torch.where(stops & scores.isfinite(), scores + growth, scores)


def replace_invalid(scores: Tensor) -> Tensor:
    """Scores without infinities and without what is no number: the largest, the smallest, and 0."""
    limits = torch.finfo(scores.dtype)
    return scores.nan_to_num(nan=0.0, posinf=limits.max, neginf=limits.min)
