"""Short ways to write predictions and judgements in tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from enfold.data.identity import content_id
from enfold.feedback import Judgement
from enfold.values import ClassPrediction, Feedback, FeedbackKind, LabelSet, ServedPrediction

LABELS = LabelSet(("ham", "spam"))
THREE = LabelSet(("complaint", "praise", "question"))
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def served(
    identity: str, text: str, *, user: str | None = None, label: str = "ham", score: float = 0.75, at: datetime = NOON
) -> ServedPrediction:
    """A prediction as the server records it."""
    scores = {name: score if name == label else 1 - score for name in LABELS}
    prediction = ClassPrediction(id=identity, label=label, score=score, scores=scores, model="rev-1", tokens=7)
    return ServedPrediction(prediction=prediction, text=text, user=user, at=at)


def said(
    identity: str, kind: FeedbackKind, value: str | None = None, *, user: str | None = None, seconds: float = 0
) -> Feedback:
    """What a user says of a prediction, some seconds after noon."""
    return Feedback(prediction_id=identity, kind=kind, value=value, user=user, at=NOON + timedelta(seconds=seconds))


def judged(
    text: str, label: str | None, *, predicted: str = "ham", user: str | None = None, minutes: float = 0
) -> Judgement:
    """A judgement as the store gives it, some minutes after noon; without a label the prediction is rejected."""
    kind: FeedbackKind = "wrong" if label is None else "right" if label == predicted else "label"
    return Judgement(
        prediction_id=f"{content_id(text)[:8]}-{predicted}",
        content_id=content_id(text),
        text=text,
        predicted=predicted,
        score=0.75,
        model="rev-1",
        predicted_at=NOON,
        kind=kind,
        label=label,
        user=user,
        at=NOON + timedelta(minutes=minutes),
    )
