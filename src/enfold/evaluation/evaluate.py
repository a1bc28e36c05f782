"""From a model and labelled rows to a report."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from enfold.evaluation.answers import Answers, answer
from enfold.evaluation.comparison import compare
from enfold.evaluation.intervals import measure
from enfold.evaluation.metrics import calibration_bins, confusion_matrix
from enfold.evaluation.mistakes import worst_mistakes
from enfold.evaluation.rows import labelled_rows
from enfold.evaluation.slices import column_slices, length_slices
from enfold.values.reports import ClassScore, Report

__all__ = ["evaluate", "report_on"]

FEW_ROWS = 100
"""Under this many rows a report says that resampling makes intervals too narrow."""


def evaluate(
    model: Any,
    data: Any,
    *,
    text: str = "text",
    label: str = "label",
    against: Mapping[str, Any] | None = None,
    slices: Sequence[str] = (),
    mistakes: int = 20,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    source: str | None = None,
) -> Report:
    """Measure how good a classifier is, with intervals, and where it fails.

    Args:
        model: a model, a pipeline, or anything whose ``predict`` returns a :class:`~enfold.ClassPrediction` a text.
        data: labelled rows: a list of dictionaries, a Polars, pandas or Arrow table, a ``datasets.Dataset``, or
            the path of a file. Labels are names; whole numbers count as the model's own numbers of its labels.
        text: name of the column with the texts.
        label: name of the column with the right labels.
        against: other models to compare with on the same rows, by what they are to the reader, such as
            ``{"baseline": tfidf_baseline(texts, labels), "previous model": old}``.
        slices: further columns of ``data`` by whose values the rows are split.
        mistakes: how many of the surest wrong answers are kept, with their texts.
        resamples: bootstrap resamples behind each interval.
        seed: of the resamples; equal seeds give equal reports.
        confidence: share of resamples between the ends of an interval.
        source: what to call the data in the report; by default its path, or ``"the data"``.

    Raises:
        DataError: a column is missing, there are no rows, or a row has no label.
        LabelError: a label of the data is not one of the model's.
    """
    rows = labelled_rows(data, text=text, label=label, labels=getattr(model, "labels", None), source=source)
    answers = answer(model, rows)
    others = {name: answer(other, rows, labels=answers.labels) for name, other in (against or {}).items()}
    return report_on(
        answers,
        others=others,
        slices=slices,
        mistakes=mistakes,
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )


def report_on(
    answers: Answers,
    *,
    others: Mapping[str, Answers] | None = None,
    slices: Sequence[str] = (),
    mistakes: int = 20,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Report:
    """The report on answers that are already there; see :func:`evaluate`."""
    draws = {"resamples": resamples, "seed": seed, "confidence": confidence}
    scored = answers.scored
    measured = measure(scored, **draws)  # type: ignore[arg-type]
    confusion = confusion_matrix(scored.right, scored.predicted, scored.labels)
    classes = tuple(
        ClassScore(
            label=name,
            rows=int(confusion[number].sum()),
            predicted=int(confusion[:, number].sum()),
            **{score: measured.classes[score][number] for score in ("precision", "recall", "f1")},
        )
        for number, name in enumerate(answers.labels)
    )
    parts = [length_slices(answers, **draws)]  # type: ignore[arg-type]
    parts += [column_slices(answers, column, **draws) for column in slices]  # type: ignore[arg-type]
    return Report(
        model=answers.model,
        data=answers.source,
        rows=scored.rows,
        labels=answers.labels.names,
        metrics=measured.overall,
        classes=classes,
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        calibration=calibration_bins(scored.correct, answers.scores.max(axis=1)),
        slices=tuple(item for part in parts for item in part),
        mistakes=worst_mistakes(answers, most=mistakes),
        comparisons=tuple(
            compare(answers, other, name=name, **draws)  # type: ignore[arg-type]
            for name, other in (others or {}).items()
        ),
        notes=_notes(answers, classes),
        settings={**draws, "slices": list(slices)},
        versions=_versions(),
    )


def _notes(answers: Answers, classes: Sequence[ClassScore]) -> tuple[str, ...]:
    notes = []
    rows = answers.scored.rows
    if rows < FEW_ROWS:
        notes.append(f"{rows} rows are few: the true intervals are wider than the ones given")
    if answers.scored.correct.all():
        notes.append("every row is right: only the intervals of accuracy, precision and recall say how sure that is")
    absent = [item.label for item in classes if not item.rows]
    if absent:
        notes.append(f"no row has the label {', '.join(map(repr, absent))}: nothing is known of it")
    cut = int(np.count_nonzero(answers.cut))
    if cut:
        notes.append(f"{cut} of {rows} texts were cut: the model did not read them to the end")
    return tuple(notes)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("enfold", "numpy", "tokenizers", *(["torch"] if "torch" in sys.modules else [])):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
