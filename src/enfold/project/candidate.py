"""A candidate and the model in service, asked about the same rows."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from enfold.project.build import Build
from enfold.project.gate import Verdict, judge_candidate, judge_on_test
from enfold.project.score import score
from enfold.project.settings import Settings
from enfold.values import LabelSet

Sides = tuple[list[bool], list[bool]]


def compare_on_test(folder: Path, settings: Settings, made: Build, *, served: str, labels: LabelSet) -> Verdict:
    """Whether a build is not worse than the model in service on the test set."""
    test = made.rows.rows("test").sort("id")
    return judge_on_test(
        _correct(folder, made, served, test, labels),
        test_labels=test["label"].to_list(),
        margin=settings.feedback.margin,
        minimum_class_rows=settings.feedback.minimum_class_rows,
    )


def compare_on_feedback(
    folder: Path, settings: Settings, made: Build, *, served: str, labels: LabelSet, held_back: pl.DataFrame
) -> Verdict:
    """Whether a build is better on the held-back judgements, and not worse on the test set."""
    test = made.rows.rows("test").sort("id")
    return judge_candidate(
        held_back=_correct(folder, made, served, held_back, labels) if held_back.height else ([], []),
        test=_correct(folder, made, served, test, labels),
        test_labels=test["label"].to_list(),
        minimum_held_back=settings.feedback.minimum_held_back,
        margin=settings.feedback.margin,
        minimum_class_rows=settings.feedback.minimum_class_rows,
    )


def _correct(folder: Path, made: Build, served: str, rows: pl.DataFrame, labels: LabelSet) -> Sides:
    """Whether each of the two is right on each row: the model in service first."""
    sides = []
    for revision in (served, made.revision):
        answers = score(folder / "runs", folder / "models" / revision, revision, rows, labels, source="the same rows")
        sides.append([bool(right) for right in answers.scored.correct])
    return sides[0], sides[1]
