"""Predictors with known answers: small real objects that give the scores they were made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enfold.values import ClassPrediction, LabelSet


@dataclass
class Known:
    """Answers every text with the scores that were given for it."""

    labels: LabelSet
    scores: dict[str, Sequence[float]]
    revision: str = "known"

    def predict(self, texts: list[str]) -> list[ClassPrediction]:
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> ClassPrediction:
        scores = dict(zip(self.labels, map(float, self.scores[text]), strict=True))
        label = max(scores, key=lambda name: scores[name])
        return ClassPrediction(
            model=self.revision, tokens=len(text.split()), label=label, score=scores[label], scores=scores
        )


def random_answers(rows: int, labels: int, *, seed: int, skill: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Right labels (rows,) and scores (rows, labels) of a model that is right more often with more skill."""
    generator = np.random.default_rng(seed)
    right = generator.integers(0, labels, rows)
    logits = generator.normal(size=(rows, labels))
    logits[np.arange(rows), right] += skill
    scores = np.exp(logits)
    return right, scores / scores.sum(axis=1, keepdims=True)
