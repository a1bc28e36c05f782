"""Question answering: the stretch of a context that answers a question, or that there is none.

A long context is read through overlapping windows, the question whole in each. A stretch scores the sum of the start
score of its first token and the end score of its last (Devlin et al., 2019, section 4.2); one that stands in several
windows has the best of its scores. Probabilities are over all stretches of all windows at once (Clark and Gardner,
2018, "Simple and Effective Multi-Paragraph Reading Comprehension", section 3.3): a window that holds no answer would
otherwise be as sure of its best stretch as one that does.

That there is no answer scores what the first special token does as start and end (Devlin et al., 2019, section 4.3),
in the window that holds it least likely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from enfold.errors import InputError
from enfold.pipelines.batching import chunks_of_texts
from enfold.pipelines.reading import EncodedText, spoken_text
from enfold.pipelines.runtime_protocols import SpanRuntime
from enfold.pipelines.scores import log_sum_exp, top
from enfold.pipelines.steps import Pipeline
from enfold.values import AnswerPrediction, Encoding, Span
from enfold.values.alignment import trimmed

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["EncodedQuestion", "QuestionAnsweringPipeline"]

_CHUNK_QUESTIONS = 256
_CHUNK_CHARACTERS = 2_000_000


@dataclass(frozen=True, slots=True)
class EncodedQuestion:
    """A question as windows over its context."""

    context: EncodedText
    question: str

    @property
    def windows(self) -> tuple[Encoding, ...]:
        """Each holds the whole question and a part of the context."""
        return self.context.windows


class _Stretch(NamedTuple):
    start: int
    end: int
    score: float


class QuestionAnsweringPipeline(Pipeline[EncodedQuestion, AnswerPrediction]):
    """Answer questions from contexts. Safe to use from several threads.

    Args:
        model: a model with a question-answering head, or a :class:`SpanRuntime`.
        tokenizer: the tokenizer the model was trained with.
        no_answer: whether the answer may be that there is none; for models that were trained on such questions.
        threshold: how much more than the best stretch, in logits, "no answer" must score to be the answer.
        top_k: how many stretches ``AnswerPrediction.answers`` holds.
        max_answer_tokens: tokens of the longest stretch.
        max_length: tokens in a window, question and special tokens included; by default as many as the model reads.
        stride: tokens of the context by which windows overlap; by default 64, or half of the room for context.
        max_tokens: tokens in a batch.

    Raises:
        InputError: a number is too small, the sizes contradict each other or the model, or the model's head is of
            another kind.
    """

    task = "question-answering"
    runtime_protocol = SpanRuntime
    heads = ("ForQuestionAnswering",)
    reads_pairs = True

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        no_answer: bool = False,
        threshold: float = 0.0,
        top_k: int = 1,
        max_answer_tokens: int = 30,
        max_length: int | None = None,
        stride: int | None = None,
        max_tokens: int = 1024,
    ) -> None:
        super().__init__(model, tokenizer, max_length=max_length, stride=stride, max_tokens=max_tokens)
        for name, number in (("top_k", top_k), ("max_answer_tokens", max_answer_tokens)):
            if number < 1:
                raise InputError(f"{name}={number} must be at least 1")
        self.no_answer = no_answer
        self.threshold = threshold
        self.top_k = top_k
        self.max_answer_tokens = max_answer_tokens

    def __call__(self, question: str | Sequence[str], context: str | Sequence[str]) -> list[AnswerPrediction]:
        """One prediction a question; always a list, in the order of the questions.

        Args:
            question: one question, or several.
            context: one text in which all answers are looked for, or one for each question.

        Raises:
            InputError: a question or a context is empty, or their numbers differ.
        """
        questions = [question] if isinstance(question, str) else list(question)
        contexts = [context] * len(questions) if isinstance(context, str) else list(context)
        if isinstance(question, str) and len(contexts) > 1:
            questions = questions * len(contexts)
        if len(questions) != len(contexts):
            raise InputError(f"{len(questions)} questions but {len(contexts)} contexts: give one, or one for each")
        return list(self.stream(zip(questions, contexts, strict=True)))

    def stream(self, questions: Iterable[tuple[str, str]]) -> Iterator[AnswerPrediction]:
        """Answer (question, context) pairs as they come, in order and in bounded memory."""
        pairs: dict[int, tuple[str, str]] = {}

        def contexts() -> Iterator[str]:
            for number, (question, context) in enumerate(questions):
                _check(number, question, context)
                pairs[number] = (question, context)
                yield context

        done = 0
        for chunk in chunks_of_texts(contexts(), max_texts=_CHUNK_QUESTIONS, max_characters=_CHUNK_CHARACTERS):
            yield from self.answers(self.encode([pairs.pop(done + place) for place in range(len(chunk))]))
            done += len(chunk)

    def encode(self, questions: Sequence[tuple[str, str]]) -> list[EncodedQuestion]:
        """Tokenise (question, context) pairs into the windows the model reads.

        Raises:
            InputError: a question or a context is empty; a question leaves no room for its context.
        """
        for number, (question, context) in enumerate(questions):
            _check(number, question, context)
        asked = [question for question, _ in questions]
        read = self.reader.read_pairs(asked, [context for _, context in questions], windowed=1)
        return [EncodedQuestion(context, question) for context, question in zip(read, asked, strict=True)]

    def logits(self, windows: Sequence[Encoding]) -> list[np.ndarray]:
        """Run windows as one batch: of each *shape* ``(tokens, 2)``, start and end scores, float32."""
        logits: list[np.ndarray] = self._runtime.span_logits(windows)
        return logits

    def decide(self, encoded: EncodedQuestion, outputs: Sequence[np.ndarray]) -> AnswerPrediction:
        """Find the answer among the windows of one question; ``outputs`` are their logits."""
        context = encoded.context
        scores = self._scores(context, outputs)  # (tokens, lengths)
        none = self._no_answer_score(context, outputs)
        candidates = scores[np.isfinite(scores)]
        total = log_sum_exp(candidates if none is None else np.append(candidates, none))
        best = self._best(context, scores)
        answers = tuple(
            Span.of(context.text, one.start, one.end, score=float(np.exp(one.score - total))) for one in best
        )
        no_answer_score = None if none is None else float(np.exp(none - total))
        if none is not None and (not best or none - best[0].score > self.threshold):
            found: dict[str, Any] = {"answer": "", "score": no_answer_score, "start": None, "end": None}
        elif not best:
            raise InputError("the context has no token that could be an answer: give a text with words in it")
        else:
            first = answers[0]
            found = {"answer": first.text, "score": first.score, "start": first.start, "end": first.end}
        return AnswerPrediction(**self.about(context), **found, answers=answers, no_answer_score=no_answer_score)

    def _scores(self, context: EncodedText, outputs: Sequence[np.ndarray]) -> np.ndarray:
        """The score of the stretch of ``j + 1`` tokens from token ``i`` on, at ``[i, j]``; -inf where there is none."""
        longest = min(self.max_answer_tokens, context.read)
        scores = np.full((context.read, longest), -np.inf)
        for window, start, output in zip(context.windows, context.starts, outputs, strict=True):
            count = window.sequence_ids.count(1)
            own = output[context.before : context.before + count].astype(np.float64)
            ends = np.concatenate([own[:, 1], np.full(longest, -np.inf)])
            stretches = own[:, :1] + np.lib.stride_tricks.sliding_window_view(ends, longest)[:count]
            np.maximum(scores[start : start + count], stretches, out=scores[start : start + count])
        return scores

    def _no_answer_score(self, context: EncodedText, outputs: Sequence[np.ndarray]) -> float | None:
        if not self.no_answer:
            return None
        cls = self.tokenizer.cls_token_id
        places = [window.ids.index(cls) if cls in window.ids else 0 for window in context.windows]
        return min(float(output[place].astype(np.float64).sum()) for output, place in zip(outputs, places, strict=True))

    def _best(self, context: EncodedText, scores: np.ndarray) -> list[_Stretch]:
        """The best stretches of different characters, the best first."""
        offsets = context.column("offsets")
        flat = scores.ravel()
        count = self.top_k
        while True:
            found: dict[tuple[int, int], _Stretch] = {}
            places = top(flat, count)
            for place in places:
                if not np.isfinite(flat[place]):
                    break
                first, length = divmod(int(place), scores.shape[1])
                start, end = trimmed(context.text, offsets[first][0], offsets[first + length][1])
                if start < end:
                    found.setdefault((start, end), _Stretch(start, end, float(flat[place])))
            if len(found) >= self.top_k or len(places) == len(flat) or not np.isfinite(flat[places]).all():
                return list(found.values())[: self.top_k]
            count *= 2


def _check(number: int, question: str, context: str) -> None:
    spoken_text(question, f"question {number}", "ask something")
    spoken_text(context, f"context {number}", "give the text that holds the answer")
