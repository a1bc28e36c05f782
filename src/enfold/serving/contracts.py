"""What the server needs from outside: where models come from, and who keeps what it said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from enfold.pipelines import TextClassificationPipeline
from enfold.values import Feedback, LabelSet, ServedPrediction

__all__ = ["ModelSource", "Recorder"]


class ModelSource(Protocol):
    """Where the model in service comes from."""

    def revision(self) -> str:
        """The revision that should be in service now. Asked about once a second, so it must be cheap."""

    def load(self) -> TextClassificationPipeline:
        """Load the model that should be in service now. May take its time; runs off the request path."""


class Recorder(Protocol):
    """Who keeps predictions and feedback. All methods may be called from several threads."""

    def record(self, entries: Sequence[ServedPrediction]) -> None:
        """Keep predictions; they are durable when this returns, and only then are they answered."""

    def judge(self, feedback: Feedback, *, labels: LabelSet) -> None:
        """Keep what a user said of a prediction; durable when this returns.

        Args:
            feedback: the judgement.
            labels: of the model in service.

        Raises:
            UnknownPrediction: there is no such prediction.
            LabelError: the right label is none of the labels.
        """
