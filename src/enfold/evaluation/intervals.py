"""Bootstrap intervals: how far a score would move if other rows of the same kind had been drawn.

Percentile intervals (Efron and Tibshirani 1993, chapter 13). All resamples are computed together: a resample is
a row of counts, so every score is a matrix product with what each row contributes to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enfold.evaluation.metrics import OVERALL, ClassificationScores
from enfold.values.reports import Metric

__all__ = ["Measured", "exact_proportion", "measure", "resample_counts"]

_ELEMENTS_AT_ONCE = 4_000_000
"""Counts held in memory at a time: 32 MB."""


@dataclass(frozen=True)
class Measured:
    """Metrics of the whole set, and of each class by name of the score (``precision``, ``recall``, ``f1``);
    ``None`` where a class's score cannot be computed."""

    overall: tuple[Metric, ...]
    classes: dict[str, list[Metric | None]]


def resample_counts(rows: int, resamples: int, *, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each row is drawn when as many rows are drawn with replacement, in chunks of (draws, rows)."""
    generator = np.random.default_rng(seed)
    at_once = max(1, min(resamples, _ELEMENTS_AT_ONCE // rows))
    for start in range(0, resamples, at_once):
        draws = min(at_once, resamples - start)
        drawn = generator.integers(0, rows, size=(draws, rows)) + np.arange(draws)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=draws * rows).reshape(draws, rows).astype(np.float64)


def exact_proportion(right: int, rows: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a proportion (Clopper and Pearson 1934).

    It is used where resampling has nothing to resample: when all rows are right, or none is, every resample says
    the same and the percentile interval would claim certainty.
    """
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, right, rows - right + 1)) if right else 0.0
    high = float(beta.ppf(1 - tail, right + 1, rows - right)) if right < rows else 1.0
    return low, high


def measure(
    scores: ClassificationScores, *, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> Measured:
    """Every score with its percentile interval.

    Resamples in which a score is undefined (no row of a class was drawn) do not count for that score. A metric
    that is undefined on the rows themselves (AUC with a single class) is left out.
    """
    point = scores()
    chunks = [scores(counts) for counts in resample_counts(scores.rows, resamples, seed=seed)]
    support = np.bincount(scores.right, minlength=scores.labels)
    answered = np.bincount(scores.predicted, minlength=scores.labels)

    overall = []
    for name in OVERALL:
        value = point.overall[name][0]
        if np.isnan(value):
            continue
        low, high = _percentiles(np.concatenate([chunk.overall[name] for chunk in chunks]), confidence)
        if name == "accuracy" and value in (0.0, 1.0):
            low, high = exact_proportion(int(scores.correct.sum()), scores.rows, confidence=confidence)
        overall.append(_metric(name, value, low, high, scores.rows))

    classes: dict[str, list[Metric | None]] = {}
    behind = {"precision": answered, "recall": support, "f1": support}
    for name, values in point.classes.items():
        lows, highs = _percentiles(np.concatenate([chunk.classes[name] for chunk in chunks]), confidence)
        classes[name] = []
        for label, value in enumerate(values[0]):
            if np.isnan(value):
                classes[name].append(None)
                continue
            low, high, rows = lows[label], highs[label], int(behind[name][label])
            if name != "f1" and value in (0.0, 1.0):
                low, high = exact_proportion(int(value) * rows, rows, confidence=confidence)
            classes[name].append(_metric(name, value, low, high, rows))
    return Measured(tuple(overall), classes)


def _percentiles(draws: NDArray[np.float64], confidence: float) -> tuple[Any, Any]:
    tail = (1 - confidence) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that no resample holds: its value is None anyway
        low, high = np.nanquantile(draws, [tail, 1 - tail], axis=0)
    return low, high


def _metric(name: str, value: float, low: float, high: float, rows: int) -> Metric:
    return Metric(name, float(value), float(low), float(high), rows)
