"""What a model says of a text: the same value in a pipeline, on the wire, in feedback and in an explanation."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from enfold.values.dialogue import DialogueState
from enfold.values.spans import Span

if TYPE_CHECKING:
    import numpy as np


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


# ---- of a whole text ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPrediction(Prediction):
    """One label of several."""

    label: str
    score: float
    """Probability of ``label``."""
    scores: dict[str, float]
    """Probability of every label, in the order of the label set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiLabelPrediction(Prediction):
    """Any number of labels, each right or not on its own."""

    labels: tuple[str, ...]
    """Those whose score reaches ``threshold``, the most probable first; there may be none."""
    scores: dict[str, float]
    """Probability of every label, in the order of the label set; they need not sum to 1."""
    threshold: float
    """From which probability on a label counts as said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionPrediction(Prediction):
    """Numbers on the scale the model was trained with."""

    value: float
    """The number; the first one where the model gives several."""
    outputs: dict[str, float]
    """Every number by the name of its output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroShotPrediction(Prediction):
    """Labels the model was not trained on, the likeliest first."""

    label: str
    """The likeliest."""
    score: float
    labels: tuple[str, ...]
    """Every candidate, the likeliest first."""
    scores: tuple[float, ...]
    """Their scores in the same order; they sum to 1 unless ``multi_label``."""
    multi_label: bool = False
    """Whether every candidate was judged on its own."""


# ---- of stretches of a text -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityPrediction(Prediction):
    """What is named in a text, and where."""

    entities: tuple[Span, ...]
    """In the order of the text; characters of the original text, with label and score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPrediction(Prediction):
    """An answer that stands in the context, or that there is none."""

    answer: str
    """The exact slice of the context; empty where the context does not answer the question."""
    score: float
    """Probability of the answer, or of there being none, among all stretches of the context."""
    start: int | None
    end: int | None
    answers: tuple[Span, ...]
    """The best stretches, the best first; also where the answer is that there is none."""
    no_answer_score: float | None = None
    """Probability that the context does not answer the question; None where that was not asked."""


@dataclass(frozen=True, slots=True)
class MaskCandidate:
    """A token for a masked place."""

    token: str
    """The token as text."""
    token_id: int
    score: float
    """Its probability among the whole vocabulary."""
    text: str
    """The whole text with this token at this place; other masks stay."""


@dataclass(frozen=True, slots=True)
class FilledMask:
    """One masked place of a text."""

    start: int
    end: int
    candidates: tuple[MaskCandidate, ...]
    """The best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPrediction(Prediction):
    """What stands behind the masks of a text; each is judged with the others still masked."""

    text: str
    """The text with the best token at every mask."""
    masks: tuple[FilledMask, ...]
    """In the order of the text."""


# ---- vectors and what is near ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesPrediction(Prediction):
    """The model's last hidden states. Two predictions are compared without their vectors."""

    vectors: np.ndarray = field(compare=False, repr=False)
    """One a token, special tokens included. *Shape:* ``(tokens, width)``, float32."""
    embedding: np.ndarray = field(compare=False, repr=False)
    """One for the text, pooled as the checkpoint says. *Shape:* ``(width,)``, float32."""
    offsets: tuple[tuple[int, int], ...] = field(repr=False)
    """Characters of each token; ``(0, 0)`` for special tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityPrediction(Prediction):
    """How alike two texts are."""

    score: float
    """By the checkpoint's measure; for the cosine between -1 and 1."""


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A text among others, with its number there."""

    number: int
    text: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPrediction(Prediction):
    """The documents nearest to a query."""

    hits: tuple[ScoredText, ...]
    """The best first; numbers are those of the index."""


# ---- dialogue -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPrediction(Prediction):
    """The reply that fits a dialogue best."""

    reply: str
    score: float
    replies: tuple[ScoredText, ...]
    """Every candidate, the best first; numbers are those of the candidates as given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePrediction(Prediction):
    """What is known after a turn of a dialogue."""

    state: DialogueState
    changed: tuple[str, ...]
    """The slots this turn gave another value, in the order of the slots."""
