"""Is one model better than another, judged on the same rows?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enfold.errors import InputError
from enfold.evaluation.answers import Answers
from enfold.evaluation.intervals import measure
from enfold.values.reports import Comparison, PairedDifference

__all__ = ["compare", "mcnemar", "paired_bootstrap"]

Correctness = Sequence[bool] | NDArray[Any]


def paired_bootstrap(
    correct_a: Correctness,
    correct_b: Correctness,
    *,
    seed: int = 0,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> PairedDifference:
    """By how much model A is right more often than model B, with the interval over resampled rows.

    Rows are drawn with replacement and both models are judged on the same draw (Koehn 2004, "Statistical
    Significance Tests for Machine Translation Evaluation"). A row counts +1 where only A is right, -1 where only
    B is, 0 elsewhere, so a draw is one multinomial over the three kinds.

    Args:
        correct_a: whether A was right, shape (rows,).
        correct_b: the same of B, on the same rows in the same order.
        seed: of the draws; equal seeds give equal results.
        resamples: number of draws.
        confidence: share of draws between ``low`` and ``high``, two-sided.

    Returns:
        The difference in accuracy, and the one-sided ``p``: the share of draws in which A is not better.

    Raises:
        InputError: the two have different lengths, or no rows.
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(
            f"a paired comparison needs both models' answers to the same rows; it got shapes {a.shape} and {b.shape}"
        )
    rows = len(a)
    if not rows:
        raise InputError("a paired comparison needs at least one row; it got none")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    shares = np.array([only_a, only_b, rows - only_a - only_b]) / rows
    draws = np.random.default_rng(seed).multinomial(rows, shares, size=resamples)
    differences = (draws[:, 0] - draws[:, 1]) / rows
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    p = (1 + int((differences <= 0).sum())) / (resamples + 1)
    return PairedDifference((only_a - only_b) / rows, float(low), float(high), p, rows)


def mcnemar(correct_a: Correctness, correct_b: Correctness) -> float:
    """Two-sided exact McNemar test: how likely so uneven a split of the disagreements is if neither is better."""
    from scipy.stats import binomtest

    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0


def compare(
    model: Answers, other: Answers, *, name: str, seed: int = 0, resamples: int = 1000, confidence: float = 0.95
) -> Comparison:
    """Compare two models' answers to the same rows, overall and on the rows of each class.

    Args:
        model: answers of the model the report is about.
        other: answers of the one it is compared with.
        name: what the other one is to the reader, such as ``"previous model"``.

    Raises:
        InputError: the rows differ.
    """
    if model.texts != other.texts:
        raise InputError(
            f"{model.model} and {other.model} answered different rows ({len(model.texts)} and {len(other.texts)}); "
            "compare answers to the same rows"
        )

    def paired(rows: NDArray[np.bool_] | slice = slice(None)) -> PairedDifference:
        return paired_bootstrap(
            model.scored.correct[rows], other.scored.correct[rows], seed=seed, confidence=confidence
        )

    of_class = {label: model.scored.right == number for number, label in enumerate(model.labels)}
    measured = measure(other.scored, resamples=resamples, seed=seed, confidence=confidence)
    return Comparison(
        name=name,
        model=other.model,
        metrics=measured.overall,
        difference=paired(),
        classes={label: paired(rows) for label, rows in of_class.items() if rows.any()},
        gained=int((model.scored.correct & ~other.scored.correct).sum()),
        lost=int((other.scored.correct & ~model.scored.correct).sum()),
        mcnemar_p=mcnemar(model.scored.correct, other.scored.correct),
    )
