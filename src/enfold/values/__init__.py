"""The few values that travel through everything. Nothing here imports torch."""

from enfold.values.alignment import IGNORED, JoinedWords, join_words, label_tokens, spans_of, tags_of
from enfold.values.dialogue import DialogueState, Slot, SlotValue, Turn
from enfold.values.encodings import Cut, Encoding
from enfold.values.feedback import Feedback, FeedbackKind, ServedPrediction
from enfold.values.labels import LabelSet
from enfold.values.predictions import (
    AnswerPrediction,
    ClassPrediction,
    EntityPrediction,
    FeaturesPrediction,
    FilledMask,
    MaskCandidate,
    MaskPrediction,
    MultiLabelPrediction,
    Prediction,
    RegressionPrediction,
    ReplyPrediction,
    ScoredText,
    SearchPrediction,
    SimilarityPrediction,
    StatePrediction,
    ZeroShotPrediction,
    new_prediction_id,
)
from enfold.values.reports import Metric
from enfold.values.spans import Span
from enfold.values.tags import TagScheme
from enfold.values.written import ChatReply, SummaryPrediction, TranslationPrediction, WrittenPrediction

__all__ = [
    "IGNORED",
    "AnswerPrediction",
    "ChatReply",
    "ClassPrediction",
    "Cut",
    "DialogueState",
    "Encoding",
    "EntityPrediction",
    "FeaturesPrediction",
    "Feedback",
    "FeedbackKind",
    "FilledMask",
    "JoinedWords",
    "LabelSet",
    "MaskCandidate",
    "MaskPrediction",
    "Metric",
    "MultiLabelPrediction",
    "Prediction",
    "RegressionPrediction",
    "ReplyPrediction",
    "ScoredText",
    "SearchPrediction",
    "ServedPrediction",
    "SimilarityPrediction",
    "Slot",
    "SlotValue",
    "Span",
    "StatePrediction",
    "SummaryPrediction",
    "TagScheme",
    "TranslationPrediction",
    "Turn",
    "WrittenPrediction",
    "ZeroShotPrediction",
    "join_words",
    "label_tokens",
    "new_prediction_id",
    "spans_of",
    "tags_of",
]
