"""The scores of a classifier, as functions of row weights.

A point estimate gives every row the weight 1; a bootstrap resample gives a row the number of times it was
drawn. Both go through the same code, so an interval is always the interval of the number beside it, and
scikit-learn's ``sample_weight`` is an independent reference for either.

Shapes: ``rows`` texts, ``labels`` classes, ``draws`` weightings at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from enfold.errors import InputError
from enfold.values.reports import CalibrationBin

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["OVERALL", "ClassificationScores", "Scores", "calibration_bins", "confusion_matrix"]

Array = NDArray[np.float64]

OVERALL = ("accuracy", "macro_f1", "mcc", "auc", "log_loss", "brier", "calibration_error")
"""The metrics of the whole set, in the order in which a report shows them."""

CALIBRATION_BINS = 15
"""As in Guo et al. 2017."""


@dataclass(frozen=True)
class Scores:
    """What a weighting gives: ``overall[name]`` of shape (draws,), ``classes[name]`` of shape (draws, labels).

    NaN marks what cannot be computed: the recall of a class without rows, the AUC where one class is missing.
    """

    overall: dict[str, Array]
    classes: dict[str, Array]


class ClassificationScores:
    """Accuracy, macro F1, MCC, AUC, log loss, Brier score and calibration error, and each class's own scores.

    - Macro F1 averages over the classes that occur among the right or the predicted labels.
    - MCC is the multi-class coefficient of Gorodkin (2004); 0 where it is undefined.
    - AUC is one-vs-rest, averaged over the classes that have rows and are not alone.
    - The Brier score is the mean squared distance to the right answer, halved for two classes so that it lies
      between 0 and 1 (as in scikit-learn).
    - The calibration error is the expected calibration error of Guo et al. (2017), "On Calibration of Modern
      Neural Networks", section 3: 15 bins of equal width over the highest score.

    Args:
        right: number of the right label of each row, shape (rows,).
        scores: probability of each label, shape (rows, labels); each row sums to 1.

    Raises:
        InputError: the shapes do not fit, there are no rows, or a score is not a number.
    """

    def __init__(self, right: Sequence[int] | NDArray[Any], scores: Sequence[Sequence[float]] | NDArray[Any]) -> None:
        self.right = np.asarray(right, dtype=np.int64)
        self.scores = np.asarray(scores, dtype=np.float64)
        if self.scores.ndim != 2 or self.right.shape != self.scores.shape[:1]:
            raise InputError(
                f"right labels of shape {self.right.shape} and scores of shape {self.scores.shape} do not fit: "
                "give (rows,) and (rows, labels)"
            )
        if not len(self.right):
            raise InputError("there are no rows to score; give at least one")
        if not np.isfinite(self.scores).all():
            row = int(np.argmin(np.isfinite(self.scores).all(axis=1)))
            raise InputError(f"the scores of row {row} are not all finite numbers: {self.scores[row].tolist()}")
        if self.right.min() < 0 or self.right.max() >= self.labels:
            raise InputError(f"right labels must lie in 0 to {self.labels - 1}; they reach {self.right.max()}")

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.right)

    @property
    def labels(self) -> int:
        """Number of classes."""
        return int(self.scores.shape[1])

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """Label with the highest score, shape (rows,)."""
        return self.scores.argmax(axis=1)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the predicted label is the right one, shape (rows,)."""
        return self.predicted == self.right

    @cached_property
    def _one_hot(self) -> Array:
        """Right, predicted and both, side by side, shape (rows, 3 * labels)."""
        identity = np.eye(self.labels)
        right, predicted = identity[self.right], identity[self.predicted]
        return np.concatenate([right, predicted, right * predicted], axis=1)

    @cached_property
    def _losses(self) -> Array:
        """Log loss and squared distance of each row, shape (rows, 2)."""
        tiny = np.finfo(np.float64).eps
        given = self.scores / self.scores.sum(axis=1, keepdims=True)
        log_loss = -np.log(np.clip(given[np.arange(self.rows), self.right], tiny, 1.0))
        brier = ((self.scores - np.eye(self.labels)[self.right]) ** 2).sum(axis=1)
        return np.stack([log_loss, brier / 2 if self.labels == 2 else brier], axis=1)

    @cached_property
    def _gaps(self) -> Array:
        """Confidence less correctness, in the column of the row's calibration bin, shape (rows, bins)."""
        gaps = np.zeros((self.rows, CALIBRATION_BINS))
        confidence = self.scores.max(axis=1)
        gaps[np.arange(self.rows), _bin_of(confidence)] = confidence - self.correct
        return gaps

    @cached_property
    def _ranks(self) -> _Ranks:
        # With two labels whose scores sum to one, both one-vs-rest curves have the same area.
        return _Ranks(self.right, self.scores, [1] if self.labels == 2 else list(range(self.labels)))

    def __call__(self, weights: Array | None = None) -> Scores:
        """Compute every score for each weighting.

        Args:
            weights: shape (draws, rows); by default one draw with every weight 1.
        """
        if weights is None:
            weights = np.ones((1, self.rows))
        total = weights.sum(axis=1)
        right, predicted, both = np.split(weights @ self._one_hot, 3, axis=1)  # each (draws, labels)
        losses = weights @ self._losses / total[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            f1 = 2 * both / (right + predicted)
            classes = {"precision": both / predicted, "recall": both / right, "f1": f1}
        occurs = ~np.isnan(f1)
        overall = {
            "accuracy": both.sum(axis=1) / total,
            "macro_f1": np.where(occurs, f1, 0.0).sum(axis=1) / occurs.sum(axis=1),
            "mcc": _mcc(right, predicted, both.sum(axis=1), total),
            "auc": self._ranks(weights),
            "log_loss": losses[:, 0],
            "brier": losses[:, 1],
            "calibration_error": np.abs(weights @ self._gaps).sum(axis=1) / total,
        }
        return Scores(overall, classes)


def _mcc(right: Array, predicted: Array, correct: Array, total: Array) -> Array:
    covariance = correct * total - (right * predicted).sum(axis=1)
    spread = (total**2 - (predicted**2).sum(axis=1)) * (total**2 - (right**2).sum(axis=1))
    return np.where(spread > 0, covariance / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0)


class _Ranks:
    """One-vs-rest AUC for many weightings at once.

    For one class, the AUC is the weight of the pairs (row of the class, other row) in which the former scores
    higher, ties counting half. The scores of the class's own rows cut the line into slots: between two of them,
    or on one of them. Which slot another row falls into does not depend on the weights, so its weight reaches
    the slot by a product with a fixed sparse matrix, and a running sum over the slots counts the pairs.
    """

    def __init__(self, right: NDArray[np.int64], scores: Array, classes: list[int]) -> None:
        from scipy.sparse import csr_matrix

        rows = len(right)
        slots_of_others, slots_of_own, others_of_all, own_of_all = [], [], [], []
        self._bounds: list[tuple[int, int]] = []
        start = 0
        for label in classes:
            is_own = right == label
            own, others = np.flatnonzero(is_own), np.flatnonzero(~is_own)
            levels = np.unique(scores[own, label])
            where = np.searchsorted(levels, scores[others, label], side="left")
            on_level = np.zeros(len(others), dtype=bool)
            inside = where < len(levels)
            on_level[inside] = levels[where[inside]] == scores[others, label][inside]
            slots_of_others.append(start + 2 * where + on_level)
            slots_of_own.append(start + 2 * np.searchsorted(levels, scores[own, label]) + 1)
            others_of_all.append(others)
            own_of_all.append(own)
            self._bounds.append((start, start + 2 * len(levels) + 1))
            start += 2 * len(levels) + 1

        def gather(slots: list[NDArray[Any]], members: list[NDArray[Any]]) -> csr_matrix:
            row, column = np.concatenate(slots), np.concatenate(members)
            return csr_matrix((np.ones(len(row)), (row, column)), shape=(start, rows))

        self._others = gather(slots_of_others, others_of_all)
        self._own = gather(slots_of_own, own_of_all)

    def __call__(self, weights: Array) -> Array:
        """Mean AUC over the classes for which it is defined, shape (draws,)."""
        by_row = np.ascontiguousarray(weights.T)
        others, own = self._others @ by_row, self._own @ by_row  # (slots, draws)
        total, defined = np.zeros(len(weights)), np.zeros(len(weights))
        for start, end in self._bounds:
            below = np.cumsum(others[start:end], axis=0)
            pairs = below[-1] * own[start:end].sum(axis=0)
            won = (own[start:end] * (below - others[start:end] / 2)).sum(axis=0)
            total += np.divide(won, pairs, out=np.zeros_like(won), where=pairs > 0)
            defined += pairs > 0
        return np.divide(total, defined, out=np.full_like(total, np.nan), where=defined > 0)


def confusion_matrix(
    right: Sequence[int] | NDArray[Any], predicted: Sequence[int] | NDArray[Any], labels: int
) -> NDArray[np.int64]:
    """Counts of rows by right label (down) and predicted label (across), shape (labels, labels)."""
    cells = np.asarray(right, dtype=np.int64) * labels + np.asarray(predicted, dtype=np.int64)
    return np.bincount(cells, minlength=labels * labels).reshape(labels, labels)


def calibration_bins(
    correct: Sequence[bool] | NDArray[Any], confidence: Sequence[float] | NDArray[Any]
) -> tuple[CalibrationBin, ...]:
    """How sure and how right the model was, in 15 bins of equal width; empty bins are left out.

    Args:
        correct: whether each row was answered rightly, shape (rows,).
        confidence: highest score of each row, shape (rows,).
    """
    correct, confidence = np.asarray(correct, dtype=np.float64), np.asarray(confidence, dtype=np.float64)
    numbers = _bin_of(confidence)
    return tuple(
        CalibrationBin(
            low=int(number) / CALIBRATION_BINS,
            high=(int(number) + 1) / CALIBRATION_BINS,
            rows=int((numbers == number).sum()),
            confidence=float(confidence[numbers == number].mean()),
            accuracy=float(correct[numbers == number].mean()),
        )
        for number in np.unique(numbers)
    )


def _bin_of(confidence: Array) -> NDArray[np.int64]:
    """Bin ``k`` holds ``(k / 15, (k + 1) / 15]``."""
    return np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
