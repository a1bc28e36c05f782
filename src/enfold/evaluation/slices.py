"""The same scores on parts of the rows, where a good average may hide a bad corner."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from enfold.errors import InputError, near
from enfold.evaluation.answers import Answers
from enfold.evaluation.intervals import measure
from enfold.evaluation.metrics import ClassificationScores
from enfold.values.reports import Slice

__all__ = ["column_slices", "length_slices"]

Parts = list[tuple[str, NDArray[np.bool_]]]


def length_slices(
    answers: Answers, *, parts: int = 4, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> tuple[Slice, ...]:
    """Rows by length in tokens, cut at quantiles into parts of near-equal size.

    Texts of one length are never divided, so there may be fewer parts; none at all where all texts are equally long.
    """
    tokens = answers.tokens
    edges = np.unique(np.quantile(tokens, np.linspace(0, 1, parts + 1)[1:-1], method="lower"))
    edges = edges[edges < tokens.max()]
    if not len(edges):
        return ()
    number = np.searchsorted(edges, tokens, side="left")
    names = [f"up to {edges[0]} tokens"]
    names += [f"{low + 1} to {high} tokens" for low, high in pairwise(edges)]
    names += [f"more than {edges[-1]} tokens"]
    chosen: Parts = [(name, number == part) for part, name in enumerate(names)]
    return _measured(answers, "length", chosen, resamples=resamples, seed=seed, confidence=confidence)


def column_slices(
    answers: Answers,
    column: str,
    *,
    most: int = 20,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[Slice, ...]:
    """Rows by the values of a column of the data, the most frequent values first, at most ``most`` of them.

    Raises:
        InputError: the data has no such column.
    """
    if column not in answers.columns:
        known = sorted(answers.columns)
        raise InputError(
            f"cannot slice by {column!r}: {answers.source} has no such column besides text and label; "
            f"it has: {', '.join(known) or 'no other'}{near(column, known)}"
        )
    values = np.array(["(none)" if value is None else str(value) for value in answers.columns[column]])
    frequent = sorted(Counter(values.tolist()).items(), key=lambda item: (-item[1], item[0]))[:most]
    chosen: Parts = [(value, values == value) for value, _ in frequent]
    return _measured(answers, column, chosen, resamples=resamples, seed=seed, confidence=confidence)


def _measured(
    answers: Answers, by: str, parts: Parts, *, resamples: int, seed: int, confidence: float
) -> tuple[Slice, ...]:
    slices = []
    for name, rows in parts:
        scores = ClassificationScores(answers.right[rows], answers.scores[rows])
        measured = measure(scores, resamples=resamples, seed=seed, confidence=confidence)
        metric = {item.name: item for item in measured.overall}
        accuracy = metric["accuracy"]
        f1 = metric["macro_f1"] if 0 < accuracy.value < 1 else None
        slices.append(Slice(by=by, name=name, rows=scores.rows, accuracy=accuracy, macro_f1=f1))
    return tuple(slices)
