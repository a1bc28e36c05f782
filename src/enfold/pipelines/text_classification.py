"""Text classification: one label, several labels, or numbers for each text. NumPy before and after the model.

A text longer than the model reads goes through several overlapping windows, and its logits are the mean of the
windows' logits, each weighted by the tokens which that window was the first to read. So every token of the text has a
say, the overlap counts once, and a short last window has little weight. Nothing is cut unless ``truncation=True`` asks
for it, and then ``Prediction.cut`` says how many tokens were not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from enfold.errors import InputError
from enfold.pipelines.batching import chunks_of_texts
from enfold.pipelines.reading import EncodedText, checked_texts
from enfold.pipelines.runtime_protocols import SequenceRuntime
from enfold.pipelines.scores import sigmoid, softmax
from enfold.pipelines.steps import Pipeline
from enfold.values import ClassPrediction, Encoding, LabelSet, MultiLabelPrediction, Prediction, RegressionPrediction

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = [
    "EncodedText",
    "MultiLabelClassificationPipeline",
    "TextClassificationPipeline",
    "TextPipeline",
    "TextRegressionPipeline",
]

_CHUNK_TEXTS = 1024
_CHUNK_CHARACTERS = 2_000_000

Answer = TypeVar("Answer", bound=Prediction)


class TextPipeline(Pipeline[EncodedText, Answer]):
    """What tasks share whose input is one text.

    Args:
        model: a model with the head the task needs, or a runtime.
        tokenizer: the tokenizer the model was trained with.
        max_length: tokens in a window, special tokens included; by default as many as the model reads.
        stride: tokens by which windows overlap; by default 64, or half a window where that is less.
        max_tokens: tokens in a batch.
        mend: what is done to every text first, so that it reads as the training texts did, such as
            `enfold.data.repair_text`.

    Raises:
        InputError: the sizes contradict each other or the model, or the model's head is of another kind.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        max_length: int | None = None,
        stride: int | None = None,
        max_tokens: int = 1024,
        mend: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(model, tokenizer, max_length=max_length, stride=stride, max_tokens=max_tokens)
        self._mend = mend

    def __call__(self, texts: str | Sequence[str], *, truncation: bool = False) -> list[Answer]:
        """One prediction a text; always a list, in the order of the texts, also for a single ``str``.

        Args:
            texts: one text or several.
            truncation: read only the first window of a long text. ``Prediction.cut`` then says how many tokens were
                left out.

        Raises:
            InputError: something among the texts is not a text.
        """
        return list(self.stream([texts] if isinstance(texts, str) else texts, truncation=truncation))

    def stream(self, texts: Iterable[str], *, truncation: bool = False) -> Iterator[Answer]:
        """Answer texts as they come, in order and in bounded memory; up to 1,024 are read ahead.

        Raises:
            InputError: something among the texts is not a text.
        """
        for chunk in chunks_of_texts(checked_texts(texts), max_texts=_CHUNK_TEXTS, max_characters=_CHUNK_CHARACTERS):
            yield from self.answers(self.encode(chunk, truncation=truncation))

    def encode(self, texts: Sequence[str], *, truncation: bool = False) -> list[EncodedText]:
        """Tokenise texts into the windows the model reads."""
        texts = list(texts) if self._mend is None else [self._mend(text) for text in texts]
        return self.reader.first_windows(texts) if truncation else self.reader.read(texts)


class _Classifying(TextPipeline[Answer]):
    """One row of logits for each text."""

    task = "text-classification"
    runtime_protocol = SequenceRuntime
    heads = ("ForSequenceClassification",)
    problem_type: ClassVar[str]
    purpose: ClassVar[str]

    def __init__(self, model: Any, tokenizer: Tokenizer, **settings: Any) -> None:
        super().__init__(model, tokenizer, **settings)
        labels = self._runtime.labels
        problem = getattr(self._runtime, "problem_type", self.problem_type)  # another engine need not say
        if problem != self.problem_type or (len(labels) < 2 and self.problem_type != "regression"):
            raise InputError(
                f"{type(self).__name__} {self.purpose}; this model has num_labels={len(labels)} and "
                f"problem_type={problem!r}: pipeline('text-classification', model) takes the class that fits"
            )

    @property
    def labels(self) -> LabelSet:
        """The labels, in the order of the scores."""
        labels: LabelSet = self._runtime.labels
        return labels

    def logits(self, windows: Sequence[Encoding]) -> np.ndarray:
        """Run windows as one batch, whatever its size: *shape* ``(len(windows), labels)``, float32."""
        logits: np.ndarray = self._runtime.logits(windows)
        return logits


class TextClassificationPipeline(_Classifying[ClassPrediction]):
    """Classify texts with one model and its tokenizer, one label of several each. Safe to use from several threads.

    A call goes through three steps, which the server schedules itself: ``encode`` turns texts into
    windows, ``logits`` runs windows, ``decide`` merges the windows of one text into its prediction.

    An empty text, or one of blanks, is answered too: the model then reads its special tokens alone, and
    ``tokens`` says so.

    Args:
        model: a model with a sequence-classification head, or a :class:`SequenceRuntime`.
        tokenizer: the tokenizer the model was trained with.
        max_length: tokens in a window, special tokens included; by default as many as the model reads.
        stride: tokens by which windows overlap; by default 64, or half a window where that is less.
        max_tokens: tokens in a batch.
        mend: what is done to every text first, so that it reads as the training texts did, such as
            `enfold.data.repair_text`.

    Raises:
        InputError: the sizes contradict each other or the model, or the model's head is of another kind.
    """

    problem_type = "single_label_classification"
    purpose = "chooses one label of several"

    def decide(self, text: EncodedText, outputs: Sequence[np.ndarray] | np.ndarray) -> ClassPrediction:
        """Merge the windows of one text into its prediction.

        Args:
            text: what ``encode`` made of the text.
            outputs: logits of its windows. *Shape:* ``(windows, labels)``.
        """
        scores = softmax(text.weighted(outputs))
        best = int(scores.argmax())
        return ClassPrediction(
            **self.about(text),
            label=self.labels.names[best],
            score=float(scores[best]),
            scores=dict(zip(self.labels.names, scores.tolist(), strict=True)),
        )


class MultiLabelClassificationPipeline(_Classifying[MultiLabelPrediction]):
    """Say of every label whether it is right, each on its own; for models trained on several labels a text.

    Args:
        model: a model with a sequence-classification head, or a :class:`SequenceRuntime`.
        tokenizer: the tokenizer the model was trained with.
        threshold: from which probability on a label counts as said.
        settings: as `TextClassificationPipeline` takes them.

    Raises:
        InputError: the threshold is no probability, the sizes contradict each other or the model, or the model's head
            is of another kind.
    """

    problem_type = "multi_label_classification"
    purpose = "judges every label by itself"

    def __init__(self, model: Any, tokenizer: Tokenizer, *, threshold: float = 0.5, **settings: Any) -> None:
        super().__init__(model, tokenizer, **settings)
        if not 0 <= threshold <= 1:
            raise InputError(f"threshold={threshold} must be a probability, from 0 to 1")
        self.threshold = threshold

    def decide(self, text: EncodedText, outputs: Sequence[np.ndarray] | np.ndarray) -> MultiLabelPrediction:
        """Merge the windows of one text; ``outputs`` are logits of *shape* ``(windows, labels)``."""
        scores = dict(zip(self.labels.names, sigmoid(text.weighted(outputs)).tolist(), strict=True))
        said = sorted((label for label in scores if scores[label] >= self.threshold), key=lambda label: -scores[label])
        return MultiLabelPrediction(**self.about(text), labels=tuple(said), scores=scores, threshold=self.threshold)


class TextRegressionPipeline(_Classifying[RegressionPrediction]):
    """Give every text a number, or several, on the scale the model was trained with.

    See `TextClassificationPipeline` for the arguments.
    """

    problem_type = "regression"
    purpose = "gives numbers"

    def decide(self, text: EncodedText, rows: Sequence[np.ndarray] | np.ndarray) -> RegressionPrediction:
        """Merge the windows of one text; ``rows`` are of *shape* ``(windows, labels)``."""
        numbers = text.weighted(rows).tolist()
        outputs = dict(zip(self.labels.names, numbers, strict=True))
        return RegressionPrediction(**self.about(text), value=next(iter(outputs.values())), outputs=outputs)
