"""What a service recorded of a prediction, and what a user said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from enfold.values.predictions import ClassPrediction

FeedbackKind = Literal["right", "wrong", "label"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A judgement on one prediction.

    ``right`` confirms the predicted label, ``wrong`` rejects it without saying which is right, ``label`` gives
    the right one in ``value``. Only ``right`` and ``label`` can become training or held-back data.
    """

    prediction_id: str
    kind: FeedbackKind
    value: str | None = None
    user: str | None = None
    at: datetime

    def __post_init__(self) -> None:
        if (self.kind == "label") != (self.value is not None):
            raise ValueError(f"feedback of kind {self.kind!r} with value {self.value!r}: only 'label' carries a value")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPrediction:
    """A prediction as the service recorded it: with the text it was made of, for whom and when."""

    prediction: ClassPrediction
    text: str
    user: str | None = None
    at: datetime
