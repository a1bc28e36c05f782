"""Dialogue-state tracking: what a user has asked for so far, turn by turn.

After every turn of a speaker who is listened to, each slot is looked for in that turn: by a model that answers
questions, with the slot's question (Gao et al., 2019, "Dialog State Tracking: A Neural Reading Comprehension
Approach"), or by a model that finds entities, with the slot's label. The *update rule*:

- a slot that is found with at least ``min_score`` takes the new value, whatever it had before: the latest word counts;
- of several finds in one turn the surest counts for questions, and the last for entities;
- a slot with allowed values takes one of them only, where the find names it (case and blanks aside, and as a part of
  the find too), and else stays as it is;
- a slot that is not found keeps its value; nothing is ever forgotten on its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enfold.errors import InputError
from enfold.pipelines.question_answering import QuestionAnsweringPipeline
from enfold.pipelines.reading import spoken_text
from enfold.pipelines.runtime import heads_of
from enfold.pipelines.runtime_protocols import SpanRuntime
from enfold.pipelines.steps import Windowed
from enfold.pipelines.token_classification import TokenClassificationPipeline
from enfold.values import (
    AnswerPrediction,
    DialogueState,
    Encoding,
    EntityPrediction,
    Slot,
    SlotValue,
    Span,
    StatePrediction,
    Turn,
)
from enfold.values.dialogue import check_slots

if TYPE_CHECKING:
    import numpy as np

    from enfold.text import Tokenizer

__all__ = ["DialogueStatePipeline", "EncodedTurn"]


@dataclass(frozen=True, slots=True)
class EncodedTurn:
    """A turn as the windows in which its slots are looked for, and the state before it."""

    state: DialogueState
    text: str
    parts: tuple[Windowed, ...]

    @property
    def windows(self) -> tuple[Encoding, ...]:
        """Those of every part, in order."""
        return tuple(window for part in self.parts for window in part.windows)


class DialogueStatePipeline:
    """Carry the state of a dialogue over its turns. It keeps nothing itself: the state goes in and comes out.

    Args:
        model: a question-answering or a token-classification model; or a runtime of either kind.
        tokenizer: the tokenizer the model was trained with.
        slots: what is to be found out; a `Slot`, or a mapping from names to questions.
        speakers: whose turns change the state.
        min_score: from which probability on a find counts.
        threshold: how much more than the best find, in logits, "no answer" must score to be believed.
        max_length: tokens in a window, special tokens included; by default as many as the model reads.
        stride: tokens by which windows of a long turn overlap.
        max_tokens: tokens in a batch.

    Raises:
        InputError: there are no slots, two have one name, a slot has no question that a model must be asked; the
            sizes contradict each other or the model, or the model's head is of another kind.
        LabelError: a slot's label is not an entity type of the model.
    """

    task = "dialogue-state-tracking"

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        slots: Sequence[Slot] | Mapping[str, str],
        speakers: Sequence[str] = ("user",),
        min_score: float = 0.0,
        threshold: float = 0.0,
        max_length: int | None = None,
        stride: int | None = None,
        max_tokens: int = 1024,
    ) -> None:
        given = [Slot(name, question) for name, question in slots.items()] if isinstance(slots, Mapping) else slots
        self.slots = check_slots(given)
        if not 0 <= min_score <= 1:
            raise InputError(f"min_score={min_score} must be a probability, from 0 to 1")
        self.speakers = tuple(speaker.casefold() for speaker in speakers)
        self.min_score = min_score
        sizes: dict[str, Any] = {"max_length": max_length, "stride": stride, "max_tokens": max_tokens}
        self._finder: _Questions | _Entities
        if "ForQuestionAnswering" in heads_of(model) or (
            isinstance(model, SpanRuntime) and not hasattr(model, "labels")
        ):
            answering = QuestionAnsweringPipeline(model, tokenizer, no_answer=True, threshold=threshold, **sizes)
            self._finder = _Questions(answering, self.slots)
        else:
            self._finder = _Entities(TokenClassificationPipeline(model, tokenizer, **sizes), self.slots)

    @property
    def revision(self) -> str:
        """Revision of the model, as every prediction carries it."""
        revision: str = self._finder.pipeline.revision
        return revision

    def __call__(self, turns: Iterable[Turn | str]) -> list[StatePrediction]:
        """The state after each turn of one dialogue.

        Args:
            turns: in order; a plain text is a turn of the user.

        Raises:
            InputError: a turn is empty.
        """
        return list(self.stream(turns))

    def stream(self, turns: Iterable[Turn | str], *, state: DialogueState | None = None) -> Iterator[StatePrediction]:
        """The state after each turn as the turns come, from ``state`` on where a dialogue goes on."""
        current = DialogueState() if state is None else state
        for turn in turns:
            prediction = self.update(current, turn)
            current = prediction.state
            yield prediction

    def update(self, state: DialogueState, turn: Turn | str) -> StatePrediction:
        """The state after one more turn.

        Raises:
            InputError: the turn is empty.
        """
        (encoded,) = self.encode([(state, turn)])
        return self.decide(encoded, self._finder.pipeline.run(encoded.windows))

    def encode(self, turns: Sequence[tuple[DialogueState, Turn | str]]) -> list[EncodedTurn]:
        """Tokenise turns, each with the state before it, into the windows the model reads.

        A turn that changes nothing, because of who speaks, has none.
        """
        encoded = []
        for state, turn in turns:
            said = turn if isinstance(turn, Turn) else Turn(turn)
            spoken_text(said.text, f"turn {state.turns}", "leave it out")
            listened = said.speaker.casefold() in self.speakers
            encoded.append(EncodedTurn(state, said.text, self._finder.encode(said.text) if listened else ()))
        return encoded

    def logits(self, windows: Sequence[Encoding]) -> list[np.ndarray]:
        """Run windows as one batch, as the pipeline of the model's own task does."""
        outputs: list[np.ndarray] = self._finder.pipeline.logits(windows)
        return outputs

    def decide(self, encoded: EncodedTurn, outputs: Sequence[np.ndarray]) -> StatePrediction:
        """Update the state by one turn; ``outputs`` are what the model says of its windows."""
        predictions = []
        start = 0
        for part in encoded.parts:
            end = start + len(part.windows)
            predictions.append(self._finder.pipeline.decide(part, outputs[start:end]))
            start = end
        found = self._finder.found(encoded.text, predictions)
        values: dict[str, SlotValue] = {}
        for slot in self.slots:
            span = found.get(slot.name)
            if span is None or span.score is None or span.score < self.min_score:
                continue
            value = _value(slot, span)
            if value is not None:
                values[slot.name] = SlotValue(value, encoded.state.turns, span.start, span.end, span.score)
        after = encoded.state.updated(values, order=[slot.name for slot in self.slots])
        return StatePrediction(
            model=self.revision,
            tokens=max((prediction.tokens for prediction in predictions), default=0),
            windows=max((prediction.windows for prediction in predictions), default=0),
            state=after,
            changed=encoded.state.changed_by(after),
        )


class _Questions:
    """Finds slots by asking for each."""

    def __init__(self, pipeline: QuestionAnsweringPipeline, slots: Sequence[Slot]) -> None:
        silent = [slot.name for slot in slots if not slot.question.strip()]
        if silent:
            raise InputError(f"these slots have no question to ask the model: {', '.join(silent)}")
        self.pipeline: Any = pipeline
        self._slots = slots

    def encode(self, text: str) -> tuple[Windowed, ...]:
        return tuple(self.pipeline.encode([(slot.question, text) for slot in self._slots]))

    def found(self, text: str, answers: Sequence[AnswerPrediction]) -> dict[str, Span]:
        found = {}
        for slot, answer in zip(self._slots, answers, strict=False):  # a turn that is not listened to has no answers
            if answer.start is not None and answer.end is not None:
                found[slot.name] = Span.of(text, answer.start, answer.end, score=answer.score)
        return found


class _Entities:
    """Finds slots among the entities of a turn."""

    def __init__(self, pipeline: TokenClassificationPipeline, slots: Sequence[Slot]) -> None:
        self.pipeline: Any = pipeline
        self._names: dict[str, list[str]] = {}
        for slot in slots:
            label = slot.name if slot.label is None else slot.label
            pipeline.require_type(label, whose=f"slot {slot.name!r}")
            self._names.setdefault(label, []).append(slot.name)

    def encode(self, text: str) -> tuple[Windowed, ...]:
        return tuple(self.pipeline.encode([text]))

    def found(self, text: str, predictions: Sequence[EntityPrediction]) -> dict[str, Span]:
        entities = [span for prediction in predictions for span in prediction.entities]
        return {name: span for span in entities for name in self._names.get(span.label or "", ())}


def _value(slot: Slot, span: Span) -> str | None:
    """What a find says of a slot: its text, or the allowed value it names; None where it names none."""
    if slot.values is None:
        return span.text
    said = _plain(span.text)
    exact = [value for value in slot.values if _plain(value) == said]
    within = [value for value in slot.values if re.search(rf"(?<!\w){re.escape(_plain(value))}(?!\w)", said)]
    named = exact or sorted(within, key=len, reverse=True)
    return named[0] if named else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
