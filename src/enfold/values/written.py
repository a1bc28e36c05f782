"""What a model wrote."""

from __future__ import annotations

from dataclasses import dataclass

from enfold.values.predictions import Prediction

__all__ = ["ChatReply", "SummaryPrediction", "TranslationPrediction", "WrittenPrediction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPrediction(Prediction):
    """A text that a model wrote after, or from, another. ``tokens`` are those it read."""

    text: str
    """The best sequence; without the prompt."""
    finish_reason: str
    """Why it ended: ``stop``, ``stop_string``, ``length`` (there may be more to say), ``time`` or ``criterion``. Of a
    text written in several parts, ``length`` where one of them ended so."""
    new_tokens: int
    """Tokens that were written."""
    texts: tuple[str, ...]
    """Every sequence that was asked for, the best or first one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationPrediction(WrittenPrediction):
    """A text in another language; ``windows`` are the parts it was translated in."""

    source: str
    """The language it was in, as the caller named it."""
    target: str
    """The language it is in now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryPrediction(WrittenPrediction):
    """A shorter text; ``windows`` are the parts it was summarised in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply(WrittenPrediction):
    """What a model says next in a conversation."""

    forgotten: int
    """Messages at the beginning that did not fit the model's context beside the rest, and were not read."""
