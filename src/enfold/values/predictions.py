"""What a model says of a text: the same value in a pipeline, on the wire, in feedback and in an explanation."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any


def new_prediction_id() -> str:
    """An id nobody can guess: feedback is given by it."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction(Mapping[str, Any]):
    """What every task's prediction carries; each task adds its answer.

    It reads as a mapping too, ``prediction["label"]``, so that code written for the pipelines of
    ``transformers`` works.
    """

    model: str
    """Revision of the model that answered."""
    tokens: int
    """Tokens of the text, special tokens included."""
    windows: int = 1
    """Windows that were read; more than 1 for a text longer than the model's context."""
    cut: int = 0
    """Tokens that were not read because truncation was asked for."""
    id: str = field(default_factory=new_prediction_id)

    def __getitem__(self, key: str) -> Any:
        if key in self._keys():
            return getattr(self, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    @classmethod
    def _keys(cls) -> tuple[str, ...]:
        return tuple(item.name for item in fields(cls))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPrediction(Prediction):
    """One label of several."""

    label: str
    score: float
    """Probability of ``label``."""
    scores: dict[str, float]
    """Probability of every label, in the order of the label set."""
