"""Next-response selection: which of several replies fits a dialogue best.

*By reading both*: a sequence classifier or a multiple-choice model reads dialogue and reply together (Humeau et al.,
2020, "Poly-encoders", section 4.3: the cross-encoder). *By embeddings*: the reply whose vector lies nearest to the
dialogue's (the same paper, section 4.2: the bi-encoder); quicker, since replies are read once.

A dialogue that does not fit beside a reply loses its oldest words, and ``Prediction.cut`` says how many tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from enfold.errors import InputError
from enfold.pipelines.embedding import ComparingPipeline, EncodedComparison, required_texts
from enfold.pipelines.reading import spoken_text
from enfold.pipelines.runtime import heads_of
from enfold.pipelines.runtime_protocols import ChoiceRuntime, Runtime, SequenceRuntime
from enfold.pipelines.scores import sigmoid, softmax
from enfold.pipelines.steps import Pipeline
from enfold.values import Encoding, ReplyPrediction, ScoredText, Turn

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["EmbeddingResponsePipeline", "EncodedReplies", "ResponseSelectionPipeline"]

Dialogue = str | Sequence[str | Turn]


@dataclass(frozen=True, slots=True)
class EncodedReplies:
    """A dialogue with each of its candidate replies: one window each."""

    windows: tuple[Encoding, ...]
    replies: tuple[str, ...]

    @property
    def cut(self) -> int:
        """Tokens of the dialogue that were left out beside the longest reply."""
        return max(sum(part.tokens for part in window.cut) for window in self.windows)


class ResponseSelectionPipeline(Pipeline[EncodedReplies, ReplyPrediction]):
    """Rank candidate replies with a model that reads dialogue and reply together. Safe to use from several threads.

    A multiple-choice model gives each reply a logit, and the scores are a softmax over the replies. A classifier with
    one output gives each a probability by itself; one with several, the probability of ``label``.

    Args:
        model: a sequence classifier or a multiple-choice model; or a runtime of either kind.
        tokenizer: the tokenizer the model was trained with.
        label: of a classifier with several labels, the one that says that a reply fits; the last where None.
        separator: what stands between two turns.
        max_length: tokens of dialogue, reply and special tokens; by default as many as the model reads.
        max_tokens: tokens in a batch.

    Raises:
        LabelError: the model has no such label.
        InputError: the sizes contradict each other or the model, or the model's head is of another kind.
    """

    task = "response-selection"
    heads = ("ForSequenceClassification", "ForMultipleChoice")
    runtime_protocol = Runtime
    reads_pairs = True

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        label: str | None = None,
        separator: str = " ",
        max_length: int | None = None,
        max_tokens: int = 1024,
    ) -> None:
        chooses = "ForMultipleChoice" in heads_of(model) or (
            isinstance(model, ChoiceRuntime) and not isinstance(model, SequenceRuntime)
        )
        self._chooses = chooses
        super().__init__(model, tokenizer, max_length=max_length, stride=0, max_tokens=max_tokens)
        self.separator = separator
        self._label = 0
        if not chooses:
            labels = self._runtime.labels
            self._label = len(labels) - 1 if label is None else labels.index(label)

    def __call__(self, dialogue: Dialogue, candidates: Sequence[str]) -> list[ReplyPrediction]:
        """Rank the replies to one dialogue: a list of one prediction, as every pipeline gives.

        Args:
            dialogue: what was said so far, one turn after another; or one text.
            candidates: the replies.

        Raises:
            InputError: the dialogue or a reply is empty, or there are no replies.
        """
        return list(self.stream([(dialogue, candidates)]))

    def stream(self, dialogues: Iterable[tuple[Dialogue, Sequence[str]]]) -> Iterator[ReplyPrediction]:
        """Rank replies of (dialogue, candidates) pairs as they come."""
        for pair in dialogues:
            yield from self.answers(self.encode([pair]))

    def encode(self, dialogues: Sequence[tuple[Dialogue, Sequence[str]]]) -> list[EncodedReplies]:
        """Tokenise each dialogue with each of its replies."""
        encoded = []
        for dialogue, candidates in dialogues:
            history = joined(dialogue, self.separator)
            replies = checked_replies(candidates)
            for number, length in enumerate(self.tokenizer.count_tokens(replies)):
                if length > self.max_length - self.reader.special:
                    raise InputError(
                        f"candidate {number} has {length} tokens and leaves no room for the dialogue in "
                        f"{self.max_length} tokens, {self.reader.special} of them special: shorten it"
                    )
            windows = self.tokenizer.encode_batch(
                [history] * len(replies),
                replies,
                max_length=self.max_length,
                truncation="only_first",
                truncation_side="left",
            )
            encoded.append(EncodedReplies(tuple(windows), tuple(replies)))
        return encoded

    def logits(self, windows: Sequence[Encoding]) -> np.ndarray:
        """Run windows as one batch: *shape* ``(len(windows), outputs)``, float32."""
        if self._chooses:
            choices: np.ndarray = self._runtime.choice_logits(windows)[:, None]
            return choices
        logits: np.ndarray = self._runtime.logits(windows)
        return logits

    def decide(self, encoded: EncodedReplies, outputs: Sequence[np.ndarray]) -> ReplyPrediction:
        """Rank the replies of one dialogue; ``outputs`` are the logits of its windows."""
        logits = np.stack(list(outputs)).astype(np.float64)
        if self._chooses:
            scores = softmax(logits[:, 0])
        elif logits.shape[1] == 1:
            scores = sigmoid(logits[:, 0])
        else:
            scores = softmax(logits)[:, self._label]
        longest = max(len(window) + sum(part.tokens for part in window.cut) for window in encoded.windows)
        about = {"model": self.revision, "tokens": longest, "cut": encoded.cut}
        return ranked_replies(encoded.replies, scores, about=about)


class EmbeddingResponsePipeline(ComparingPipeline[ReplyPrediction]):
    """Rank candidate replies by the vectors of dialogue and reply; see `EmbeddingPipeline` for the arguments.

    A score is the checkpoint's measure. ``separator`` stands between two turns.
    """

    task = "response-selection"

    def __init__(self, model: Any, tokenizer: Tokenizer, *, separator: str = " ", **settings: Any) -> None:
        super().__init__(model, tokenizer, **settings)
        self.separator = separator

    def __call__(self, dialogue: Dialogue, candidates: Sequence[str]) -> list[ReplyPrediction]:
        """As `ResponseSelectionPipeline` takes them."""
        return list(self.stream([(dialogue, candidates)]))

    def stream(self, dialogues: Iterable[tuple[Dialogue, Sequence[str]]]) -> Iterator[ReplyPrediction]:
        """Rank replies of (dialogue, candidates) pairs as they come; replies that come again are read once."""
        known: dict[str, np.ndarray] = {}
        for dialogue, candidates in dialogues:
            history = joined(dialogue, self.separator)
            replies = checked_replies(candidates)
            new = [reply for reply in dict.fromkeys(replies) if reply not in known]
            if len(known) + len(new) > _MOST_KNOWN:
                known.clear()
                new = list(dict.fromkeys(replies))
            known.update(zip(new, self.embed(new), strict=True))
            ((text, vector),) = self.embedded([history])
            scores = self.compare(vector[None], np.stack([known[reply] for reply in replies]))[0]
            yield ranked_replies(replies, scores, about=self.about(text))

    def encode(self, dialogues: Sequence[tuple[Dialogue, Sequence[str]]]) -> list[EncodedComparison]:
        """Tokenise each dialogue, and its replies, into the windows the model reads."""
        encoded = []
        for dialogue, candidates in dialogues:
            replies = checked_replies(candidates)
            (history,) = self.read([joined(dialogue, self.separator)])
            encoded.append(EncodedComparison(history, tuple(self.read(replies)), tuple(replies)))
        return encoded

    def decide(self, encoded: EncodedComparison, outputs: Sequence[np.ndarray]) -> ReplyPrediction:
        """Rank the replies of one dialogue; ``outputs`` are the hidden states of its windows and the replies'."""
        vector, others = self.vectors_of(encoded, outputs)
        return ranked_replies(encoded.names, self.compare(vector[None], others)[0], about=self.about(encoded.text))


_MOST_KNOWN = 100_000


def joined(dialogue: Dialogue, separator: str) -> str:
    """The turns of a dialogue as one text.

    Raises:
        InputError: there are none, or one is empty.
    """
    turns = [dialogue] if isinstance(dialogue, str) else list(dialogue)
    if not turns:
        raise InputError("the dialogue has no turns: give at least one")
    texts = [turn.text if isinstance(turn, Turn) else turn for turn in turns]
    return separator.join(spoken_text(text, f"turn {number}", "leave it out") for number, text in enumerate(texts))


def checked_replies(candidates: Sequence[str]) -> list[str]:
    """The candidate replies as a list.

    Raises:
        InputError: there are none, or one is empty.
    """
    replies = required_texts(candidates, name="candidate replies")
    return [spoken_text(reply, f"candidate {number}", "leave it out") for number, reply in enumerate(replies)]


def ranked_replies(replies: Sequence[str], scores: np.ndarray, *, about: dict[str, Any]) -> ReplyPrediction:
    """Replies and their scores, the best first."""
    order = np.argsort(-scores, kind="stable")
    ordered = tuple(ScoredText(int(place), replies[place], float(scores[place])) for place in order)
    return ReplyPrediction(**about, reply=ordered[0].text, score=ordered[0].score, replies=ordered)
