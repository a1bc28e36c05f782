"""The few values that travel through everything. Nothing here imports torch."""

from enfold.values.encodings import Cut, Encoding
from enfold.values.feedback import Feedback, FeedbackKind, ServedPrediction
from enfold.values.labels import LabelSet
from enfold.values.predictions import ClassPrediction, Prediction, new_prediction_id
from enfold.values.reports import Metric
from enfold.values.spans import Span

__all__ = [
    "ClassPrediction",
    "Cut",
    "Encoding",
    "Feedback",
    "FeedbackKind",
    "LabelSet",
    "Metric",
    "Prediction",
    "ServedPrediction",
    "Span",
    "new_prediction_id",
]
