"""The rows of a running decoding: what each has written, and when it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from enfold.generation.detokenise import Decode, StopStrings, Writing
from enfold.generation.largest import largest
from enfold.generation.results import Alternative, FinishReason, Generated, Piece

__all__ = ["Ending", "Row", "alternatives_of"]


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends a sequence, beside its length.

    Attributes:
        stops: the stop ids.
        texts: the stop strings.
        decode: ids to text; without it there is no text.
        deadline: on the clock of `time.monotonic`.
    """

    stops: frozenset[int]
    texts: StopStrings
    decode: Decode | None = None
    deadline: float | None = None

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return self.deadline is not None and time.monotonic() > self.deadline


@dataclass(slots=True)
class Row:
    """One sequence that is being written.

    Attributes:
        prompt: which prompt, and ``sequence`` which of its sequences.
        room: how many tokens it may have.
        ending: what else ends it.
        context: the prompt's ids that the text continues.
        keep_logprobs: whether log-probabilities are returned, and ``keep_alternatives`` whether those of others are.
    """

    prompt: int
    sequence: int
    room: int
    ending: Ending
    prompt_tokens: int
    context: Sequence[int] = ()
    keep_logprobs: bool = False
    keep_alternatives: bool = False
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    alternatives: list[tuple[Alternative, ...]] = field(default_factory=list)
    finished: Generated | None = None
    _writing: Writing | None = None
    _unsent: int = 0
    _text: str = ""

    def __post_init__(self) -> None:
        if self.ending.decode is not None:
            self._writing = Writing(self.ending.decode, self.ending.texts, self.context)

    def take(self, token: int, *, ended: bool = False, late: bool = False, criterion: bool = False) -> None:
        """Add a token; afterwards ``finished`` says whether it was the last.

        Args:
            token: its id.
            ended: whether the row's grammar is complete.
            late: whether the time is up.
            criterion: whether the caller's own criterion ends it.
        """
        self.ids.append(token)
        stop = None
        if self._writing is not None and token not in self.ending.stops:
            text, stop = self._writing.push(token)
            self._text += text
        if token in self.ending.stops:
            self.finish("stop", token)
        elif stop is not None:
            self.finish("stop_string", stop)
        elif ended:
            self.finish("stop")
        elif criterion:
            self.finish("criterion")
        elif len(self.ids) >= self.room:
            self.finish("length")
        elif late:
            self.finish("time")

    def finish(self, reason: FinishReason, by: int | str | None = None) -> None:
        """End the sequence."""
        text = None
        if self._writing is not None:
            if reason != "stop_string":
                self._text += self._writing.finish()
            text = self._writing.text
        self.finished = Generated(
            ids=tuple(self.ids),
            finish_reason=reason,
            stopped_by=by,
            text=text,
            logprobs=tuple(self.logprobs) if self.keep_logprobs else None,
            alternatives=tuple(self.alternatives) if self.keep_alternatives else None,
            prompt_tokens=self.prompt_tokens,
        )

    def piece(self) -> Piece:
        """What was added since the last piece."""
        ids, text = tuple(self.ids[self._unsent :]), self._text
        self._unsent, self._text = len(self.ids), ""
        return Piece(prompt=self.prompt, sequence=self.sequence, ids=ids, text=text, generated=self.finished)


def alternatives_of(logprobs: Tensor, count: int) -> list[tuple[Alternative, ...]]:
    """The ``count`` most likely tokens of each row (rows, vocabulary), best first."""
    values, tokens = largest(logprobs, min(count, logprobs.shape[1]))
    return [
        tuple(Alternative(token, value) for token, value in zip(*pair, strict=True))
        for pair in zip(tokens.tolist(), values.tolist(), strict=True)
    ]
