"""The values of this package: a judgement, how many there are, and what was forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from enfold.values import FeedbackKind

__all__ = ["Counts", "Forgotten", "Judgement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one user said of one prediction, with what was predicted."""

    prediction_id: str
    content_id: str
    """Hash of the normalised text (`enfold.data.content_id`)."""
    text: str
    predicted: str
    """The label that the model gave."""
    score: float
    """The probability it gave to that label."""
    model: str
    """Revision of the model."""
    predicted_at: datetime
    kind: FeedbackKind
    label: str | None
    """The right label: the predicted one for ``right``, the given one for ``label``, none for ``wrong``."""
    user: str | None
    at: datetime

    @property
    def agrees(self) -> bool:
        """Whether the user says that the predicted label is the right one."""
        return self.label == self.predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much a database holds."""

    predictions: int
    judged: int
    """Predictions with at least one judgement."""
    judgements: int
    """Judgements, those included that their user replaced later."""
    users: int
    """Named users who predicted or judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What `FeedbackStore.forget` removed, for the caller to remove the same from the files of a project."""

    user: str
    predictions: int
    """Predictions made for the user."""
    judgements: int
    """Judgements by the user, and by others on the user's predictions."""
    texts: tuple[str, ...]
    """The different texts of those predictions, as they were stored."""
    content_ids: tuple[str, ...]
    """Their content ids, in the same order."""
    judged_content_ids: tuple[str, ...]
    """Content ids of the texts that had a judgement by the user or are the user's: what a model may have trained on."""
    still_held: tuple[str, ...]
    """Content ids of those texts that other users' predictions hold as well, and that therefore stay with them."""
    models: tuple[str, ...]
    """Revisions of the models that had answered the user."""
