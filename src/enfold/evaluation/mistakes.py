"""The rows that a person should look at first."""

from __future__ import annotations

import numpy as np

from enfold.evaluation.answers import Answers
from enfold.values.reports import Mistake

__all__ = ["worst_mistakes"]


def worst_mistakes(answers: Answers, *, most: int = 20) -> tuple[Mistake, ...]:
    """Wrong answers, the surest first: each is a lesson about the model or an error in the labels."""
    scores, right, predicted = answers.scores, answers.right, answers.scored.predicted
    wrong = np.flatnonzero(~answers.scored.correct)
    surest = wrong[np.argsort(-scores[wrong, predicted[wrong]], kind="stable")][:most]
    return tuple(
        Mistake(
            row=int(row),
            text=answers.texts[row],
            label=answers.labels.names[right[row]],
            predicted=answers.labels.names[predicted[row]],
            score=float(scores[row, predicted[row]]),
            score_of_label=float(scores[row, right[row]]),
        )
        for row in surest
    )
