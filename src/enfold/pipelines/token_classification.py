"""Token classification: names of people, places and whatever else a model marks, as stretches of characters.

A long text is read through overlapping windows, and every token's scores are taken from the window in which it has
most context; the tags are then read once over the whole text, so that a name on the edge of a window is one name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from enfold.errors import InputError, LabelError, near
from enfold.pipelines.reading import EncodedText
from enfold.pipelines.runtime_protocols import TokenRuntime
from enfold.pipelines.scores import softmax
from enfold.pipelines.text_classification import TextPipeline
from enfold.pipelines.words import words_of_tokens
from enfold.values import Encoding, EntityPrediction, LabelSet, Span, TagScheme, spans_of
from enfold.values.alignment import trimmed
from enfold.values.tags import OUTSIDE

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["Aggregation", "TokenClassificationPipeline"]

Aggregation = Literal["none", "simple", "first", "average", "max"]


class TokenClassificationPipeline(TextPipeline[EntityPrediction]):
    """Find entities in texts. Safe to use from several threads.

    Args:
        model: a model with a token-classification head, or a :class:`TokenRuntime`.
        tokenizer: the tokenizer the model was trained with.
        aggregation_strategy: how tokens become entities.

            - ``"none"``: every token that is not outside is an entity of its own, with its tag as label;
            - ``"simple"``: neighbouring tokens whose tags belong together;
            - ``"first"``, ``"average"``, ``"max"``: every word gets one tag first (that of its first token, that of
              the mean of its tokens' scores, that of its surest token), so that an entity never ends within a word.
              Words end at blanks, at punctuation, and at every character of a script written without blanks.

            An entity's score is the mean over its tokens, or its words, of the probability of their tags.
        max_length: tokens in a window, special tokens included; by default as many as the model reads.
        stride: tokens by which windows overlap; by default 64, or half a window where that is less.
        max_tokens: tokens in a batch.
        mend: what is done to every text first. Characters of entities are those of the mended text.

    Raises:
        InputError: there is no such strategy; the sizes contradict each other or the model, or the model's head is
            of another kind.
        LabelError: the model's labels are no tags, which every aggregation but ``"none"`` needs.
    """

    task = "token-classification"
    runtime_protocol = TokenRuntime
    heads = ("ForTokenClassification",)

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        aggregation_strategy: Aggregation = "simple",
        max_length: int | None = None,
        stride: int | None = None,
        max_tokens: int = 1024,
        mend: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(model, tokenizer, max_length=max_length, stride=stride, max_tokens=max_tokens, mend=mend)
        if aggregation_strategy not in get_args(Aggregation):
            known = get_args(Aggregation)
            raise InputError(
                f"no aggregation strategy {aggregation_strategy!r}; there are: {', '.join(known)}"
                f"{near(str(aggregation_strategy), known)}"
            )
        self.aggregation_strategy = aggregation_strategy
        self._scheme = None if aggregation_strategy == "none" else TagScheme.of(self.labels)

    @property
    def labels(self) -> LabelSet:
        """The tags, in the order of the model's outputs."""
        labels: LabelSet = self._runtime.labels
        return labels

    def require_type(self, label: str, *, whose: str) -> None:
        """Refuse an entity type that the model does not know.

        Raises:
            LabelError: the message names the types there are.
        """
        types = self.labels.names if self._scheme is None else self._scheme.types
        if label not in types:
            raise LabelError(
                f"{whose} asks for the entity type {label!r}; the model has: {', '.join(types)}{near(label, types)}"
            )

    def logits(self, windows: Sequence[Encoding]) -> list[np.ndarray]:
        """Run windows as one batch: of each *shape* ``(tokens, labels)``, float32."""
        logits: list[np.ndarray] = self._runtime.token_logits(windows)
        return logits

    def decide(self, text: EncodedText, outputs: Sequence[np.ndarray]) -> EntityPrediction:
        """Merge the windows of one text into its entities; ``outputs`` are their logits."""
        scores = softmax(text.merged(outputs).astype(np.float64))
        offsets = text.column("offsets")
        return EntityPrediction(**self.about(text), entities=tuple(self._entities(text, scores, offsets)))

    def _entities(self, text: EncodedText, scores: np.ndarray, offsets: list[tuple[int, int]]) -> list[Span]:
        if self._scheme is None:
            return list(self._tokens(text.text, scores, offsets))
        if self.aggregation_strategy != "simple":
            words = words_of_tokens(text.text, offsets, text.column("word_ids"))
            scores = np.stack([self._of_word(scores[first:end]) for first, end in words]) if words else scores
            offsets = [(offsets[first][0], offsets[end - 1][1]) for first, end in words]
        best = scores.argmax(axis=-1)
        tags = self.labels.decode(best)
        return spans_of(tags, offsets, text.text, self._scheme, scores[np.arange(len(best)), best].tolist())

    def _tokens(self, text: str, scores: np.ndarray, offsets: list[tuple[int, int]]) -> list[Span]:
        found = []
        for (start, end), row in zip(offsets, scores, strict=True):
            best = int(row.argmax())
            tag = self.labels.names[best]
            start, end = trimmed(text, start, end)
            if tag != OUTSIDE and start < end:
                found.append(Span.of(text, start, end, label=tag, score=float(row[best])))
        return found

    def _of_word(self, scores: np.ndarray) -> np.ndarray:
        """The scores of a word from those of its tokens, ``(tokens, labels)`` to ``(labels,)``."""
        if self.aggregation_strategy == "first":
            first: np.ndarray = scores[0]
            return first
        if self.aggregation_strategy == "average":
            mean: np.ndarray = scores.mean(axis=0)
            return mean
        surest: np.ndarray = scores[int(scores.max(axis=-1).argmax())]
        return surest
