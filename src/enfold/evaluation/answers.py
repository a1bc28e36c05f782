"""What a model said of labelled rows: the arrays that every score is computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enfold.errors import DataError, InputError, LabelError, near
from enfold.evaluation.metrics import ClassificationScores
from enfold.values import ClassPrediction, LabelSet

__all__ = ["Answers", "LabelledRows", "answer"]


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Texts with their right labels, by name, and what else is known of each row."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    source: str
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One model's answers to labelled rows.

    ``right`` (rows,) numbers the right labels in ``labels``; ``scores`` (rows, labels) are probabilities;
    ``tokens`` (rows,) counts each text's tokens; ``cut`` (rows,) those of them that the model did not read.
    """

    model: str
    labels: LabelSet
    source: str
    texts: tuple[str, ...]
    right: NDArray[np.int64]
    scores: NDArray[np.float64]
    tokens: NDArray[np.int64]
    cut: NDArray[np.int64]
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @cached_property
    def scored(self) -> ClassificationScores:
        """The answers with everything that can be counted of them."""
        return ClassificationScores(self.right, self.scores)


def answer(model: Any, rows: LabelledRows, *, labels: LabelSet | None = None) -> Answers:
    """Ask a model about every row.

    Args:
        model: a pipeline, or a model with ``predict``; it must return one :class:`ClassPrediction` a text.
        rows: texts with their right labels.
        labels: label set to express the answers in, where it is not the model's own. A model that lacks one of
            its labels never gives it; a label that only the model has is added at the end.

    Raises:
        DataError: there are no rows.
        LabelError: a right label is not one of the labels.
    """
    if not rows.texts:
        raise DataError(f"{rows.source} has no rows to evaluate on")
    known = getattr(model, "labels", None) or labels
    if known is not None:
        _check(rows, labels or known)
    predictions = _predict_with(model)(list(rows.texts))
    if len(predictions) != len(rows.texts):
        raise InputError(f"the model gave {len(predictions)} predictions for {len(rows.texts)} texts")
    own = LabelSet(tuple(predictions[0].scores))
    if labels is None:
        labels = own
        _check(rows, labels)
    else:
        labels = LabelSet((*labels, *(name for name in own if name not in labels)))

    scores = np.zeros((len(predictions), len(labels)))
    place = [labels.index(name) for name in own]
    scores[:, place] = [[prediction.scores[name] for name in own] for prediction in predictions]
    return Answers(
        model=str(predictions[0].model),
        labels=labels,
        source=rows.source,
        texts=rows.texts,
        right=np.array(labels.encode(rows.labels), dtype=np.int64),
        scores=scores,
        tokens=np.array([prediction.tokens for prediction in predictions], dtype=np.int64),
        cut=np.array([prediction.cut for prediction in predictions], dtype=np.int64),
        columns=rows.columns,
    )


def _predict_with(model: Any) -> Callable[[list[str]], Sequence[ClassPrediction]]:
    predict = getattr(model, "predict", model)
    if not callable(predict):
        raise InputError(
            f"{type(model).__name__} cannot be evaluated: give a model, a pipeline, or an object with predict"
        )
    return predict  # type: ignore[no-any-return]


def _check(rows: LabelledRows, labels: LabelSet) -> None:
    unknown = sorted(set(rows.labels) - set(labels))
    if unknown:
        named = ", ".join(map(repr, unknown[:10])) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        verb = "is not a label" if len(unknown) == 1 else "are not labels"
        hint = near(unknown[0], labels.names) if len(unknown) == 1 else ""
        raise LabelError(f"{named} in {rows.source} {verb} of the model, which has: {', '.join(labels)}{hint}")
