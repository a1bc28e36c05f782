"""What generation returns. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Alternative", "FinishReason", "Generated", "Piece"]

FinishReason: TypeAlias = Literal["stop", "stop_string", "length", "time", "criterion"]
"""Why a sequence ended: a stop id (or the end of its grammar), a stop string, the length allowed or the model's
context, ``max_time``, or a stopping criterion of the caller's own."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could have been chosen, and its log-probability."""

    token: int
    logprob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One sequence that was written after a prompt."""

    ids: tuple[int, ...]
    """The new tokens; a stop id that ended them is the last."""
    finish_reason: FinishReason
    stopped_by: int | str | None = None
    """The stop id or the stop string that ended it."""
    text: str | None = None
    """The new text, without stop ids and up to the stop string; None where no ``decode`` was given."""
    logprobs: tuple[float, ...] | None = None
    """Of each new token, under the model itself: before penalties, temperature and the cuts of sampling."""
    alternatives: tuple[tuple[Alternative, ...], ...] | None = None
    """The most likely tokens at each place, best first, with log-probabilities as in ``logprobs``."""
    score: float | None = None
    """Of a beam: the sum of its tokens' processed log-probabilities over ``length ** length_penalty``."""
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What was added to one sequence since its last piece."""

    prompt: int
    """Which prompt, from 0."""
    sequence: int
    """Which of the sequences of this prompt, from 0."""
    ids: tuple[int, ...]
    text: str = ""
    """Whole characters that nothing can take back: half a character, and what may become a stop string, waits."""
    generated: Generated | None = None
    """The whole sequence, with its last piece."""
