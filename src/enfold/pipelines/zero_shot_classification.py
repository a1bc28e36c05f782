"""Zero-shot classification: labels that are only named when a text is read.

*By inference*: a model that was trained to say whether one text follows from another is asked whether
"This example is LABEL." follows from the text (Yin, Hay and Roth, 2019, "Benchmarking Zero-shot Text Classification",
section 5). *By embeddings*: the label whose sentence lies nearest to the text is chosen; quicker, since each text and
each label is read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from enfold.errors import InputError, LabelError
from enfold.pipelines.batching import chunks_of_texts
from enfold.pipelines.embedding import ComparingPipeline, EncodedComparison
from enfold.pipelines.reading import EncodedText, checked_texts
from enfold.pipelines.runtime_protocols import SequenceRuntime
from enfold.pipelines.scores import softmax
from enfold.pipelines.steps import Pipeline
from enfold.values import Encoding, LabelSet, ZeroShotPrediction

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["EmbeddingZeroShotPipeline", "EncodedLabels", "ZeroShotClassificationPipeline"]

_TEMPLATE = "This example is {}."
_CHUNK_TEXTS = 64
_CHUNK_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class EncodedLabels:
    """A text with every label's sentence: for each label, windows over the text."""

    read: tuple[EncodedText, ...]
    labels: tuple[str, ...]
    multi_label: bool

    @property
    def windows(self) -> tuple[Encoding, ...]:
        """Those of the first label, then those of the second, and so on."""
        return tuple(window for one in self.read for window in one.windows)


class ZeroShotClassificationPipeline(Pipeline[EncodedLabels, ZeroShotPrediction]):
    """Choose among labels given with the call, by natural-language inference. Safe to use from several threads.

    Where one label is right, the scores are a softmax over the labels' entailment logits. With ``multi_label`` each
    label is judged on its own, by its entailment against its contradiction. A long text is read in windows, the
    label's sentence whole in each, and the logits of its windows are averaged, each weighted by what it was the first
    to read.

    Args:
        model: a sequence classifier that was trained on inference, or a :class:`SequenceRuntime`.
        tokenizer: the tokenizer the model was trained with.
        entailment: the name of the model's label for "follows"; found by its name where None.
        max_length: tokens in a window, the label's sentence and special tokens included; by default as many as the
            model reads.
        stride: tokens of the text by which windows overlap; by default 64, or half of the room for text.
        max_tokens: tokens in a batch.

    Raises:
        LabelError: it cannot be told which of the model's labels means "follows".
        InputError: the sizes contradict each other or the model, or the model's head is of another kind.
    """

    task = "zero-shot-classification"
    runtime_protocol = SequenceRuntime
    heads = ("ForSequenceClassification",)
    reads_pairs = True

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        entailment: str | None = None,
        max_length: int | None = None,
        stride: int | None = None,
        max_tokens: int = 1024,
    ) -> None:
        super().__init__(model, tokenizer, max_length=max_length, stride=stride, max_tokens=max_tokens)
        self._entailment, self._contradiction = _inference_labels(self._runtime.labels, entailment)

    def __call__(
        self,
        texts: str | Sequence[str],
        candidate_labels: str | Sequence[str],
        *,
        hypothesis_template: str = _TEMPLATE,
        multi_label: bool = False,
    ) -> list[ZeroShotPrediction]:
        """One prediction a text; always a list, in the order of the texts.

        Args:
            texts: one text or several.
            candidate_labels: the labels; one string is read as names between commas.
            hypothesis_template: the sentence that is asked about, with ``{}`` where the label goes.
            multi_label: whether any number of labels may be right.

        Raises:
            InputError: there are no labels, one is empty or given twice, or the template has no ``{}``.
        """
        given = [texts] if isinstance(texts, str) else texts
        return list(
            self.stream(given, candidate_labels, hypothesis_template=hypothesis_template, multi_label=multi_label)
        )

    def stream(
        self,
        texts: Iterable[str],
        candidate_labels: str | Sequence[str],
        *,
        hypothesis_template: str = _TEMPLATE,
        multi_label: bool = False,
    ) -> Iterator[ZeroShotPrediction]:
        """Answer texts as they come, in order and in bounded memory."""
        labels = named_labels(candidate_labels)
        sentences = hypotheses(labels, hypothesis_template)
        for chunk in chunks_of_texts(checked_texts(texts), max_texts=_CHUNK_TEXTS, max_characters=_CHUNK_CHARACTERS):
            yield from self.answers(self._encode(chunk, labels, sentences, multi_label))

    def encode(
        self,
        texts: Sequence[str],
        candidate_labels: str | Sequence[str],
        *,
        hypothesis_template: str = _TEMPLATE,
        multi_label: bool = False,
    ) -> list[EncodedLabels]:
        """Tokenise texts with every label's sentence into the windows the model reads."""
        labels = named_labels(candidate_labels)
        return self._encode(texts, labels, hypotheses(labels, hypothesis_template), multi_label)

    def _encode(
        self, texts: Sequence[str], labels: tuple[str, ...], sentences: Sequence[str], multi_label: bool
    ) -> list[EncodedLabels]:
        if (multi_label or len(labels) == 1) and self._contradiction is None:
            raise LabelError(
                "judging a label by itself needs a model with a label for contradiction; this one has: "
                f"{', '.join(self._runtime.labels)}"
            )
        firsts = [text for text in texts for _ in sentences]
        read = self.reader.read_pairs(firsts, list(sentences) * len(texts), windowed=0)
        count = len(labels)
        return [
            EncodedLabels(tuple(read[start : start + count]), labels, multi_label)
            for start in range(0, len(read), count)
        ]

    def logits(self, windows: Sequence[Encoding]) -> np.ndarray:
        """Run windows as one batch: *shape* ``(len(windows), labels of the model)``, float32."""
        logits: np.ndarray = self._runtime.logits(windows)
        return logits

    def decide(self, encoded: EncodedLabels, outputs: Sequence[np.ndarray]) -> ZeroShotPrediction:
        """Compare the labels of one text; ``outputs`` are the logits of its windows."""
        rows = []
        start = 0
        for one in encoded.read:
            rows.append(one.weighted(outputs[start : start + len(one.windows)]))
            start += len(one.windows)
        logits = np.stack(rows)  # (labels, labels of the model)
        if encoded.multi_label or len(rows) == 1:
            against = logits[:, [self._contradiction or 0, self._entailment]]
            scores = softmax(against)[:, 1]
        else:
            scores = softmax(logits[:, self._entailment])
        return ranked(encoded.labels, scores, encoded.multi_label, about=self.about(encoded.read[0]))


class EmbeddingZeroShotPipeline(ComparingPipeline[ZeroShotPrediction]):
    """Choose among labels given with the call, by the vectors of text and labels; see `EmbeddingPipeline`.

    Where one label is right, the scores are a softmax over the cosines divided by ``temperature``. With
    ``multi_label`` a label's score is its cosine, and no probability: 0 where it is negative.
    """

    task = "zero-shot-classification"

    def __init__(self, model: Any, tokenizer: Tokenizer, *, temperature: float = 0.05, **settings: Any) -> None:
        super().__init__(model, tokenizer, **settings)
        if temperature <= 0:
            raise InputError(f"temperature={temperature} must be above 0")
        self.temperature = temperature

    def __call__(
        self,
        texts: str | Sequence[str],
        candidate_labels: str | Sequence[str],
        *,
        hypothesis_template: str = _TEMPLATE,
        multi_label: bool = False,
    ) -> list[ZeroShotPrediction]:
        """As `ZeroShotClassificationPipeline` takes them."""
        given = [texts] if isinstance(texts, str) else texts
        return list(
            self.stream(given, candidate_labels, hypothesis_template=hypothesis_template, multi_label=multi_label)
        )

    def stream(
        self,
        texts: Iterable[str],
        candidate_labels: str | Sequence[str],
        *,
        hypothesis_template: str = _TEMPLATE,
        multi_label: bool = False,
    ) -> Iterator[ZeroShotPrediction]:
        """Answer texts as they come, in order and in bounded memory; the labels are read once."""
        labels = named_labels(candidate_labels)
        directions = self.embed(hypotheses(labels, hypothesis_template))
        for text, vector in self.embedded(texts):
            yield self._prediction(text, vector, directions, labels, multi_label)

    def encode(
        self,
        texts: Sequence[str],
        candidate_labels: str | Sequence[str],
        *,
        hypothesis_template: str = _TEMPLATE,
        multi_label: bool = False,
    ) -> list[EncodedComparison]:
        """Tokenise texts, and every label's sentence, into the windows the model reads."""
        labels = named_labels(candidate_labels)
        sentences = tuple(self.read(hypotheses(labels, hypothesis_template)))
        return [EncodedComparison(text, sentences, labels, multi_label) for text in self.read(texts)]

    def decide(self, encoded: EncodedComparison, outputs: Sequence[np.ndarray]) -> ZeroShotPrediction:
        """Compare the labels of one text; ``outputs`` are the hidden states of its windows and the labels'."""
        vector, directions = self.vectors_of(encoded, outputs)
        return self._prediction(encoded.text, vector, directions, encoded.names, encoded.multi_label)

    def _prediction(
        self, text: EncodedText, vector: np.ndarray, directions: np.ndarray, labels: Sequence[str], multi_label: bool
    ) -> ZeroShotPrediction:
        near = self.compare(vector[None], directions)[0].astype(np.float64)
        scores = np.clip(near, 0.0, 1.0) if multi_label else softmax(near / self.temperature)
        return ranked(labels, scores, multi_label, about=self.about(text))


def named_labels(labels: str | Sequence[str]) -> tuple[str, ...]:
    """The labels, once it is sure that one can be chosen.

    Raises:
        InputError: there are none, one is empty, or one is given twice.
    """
    found = labels.split(",") if isinstance(labels, str) else list(checked_texts(labels, what="candidate label"))
    names = [label.strip() for label in found]
    if not names or names == [""]:
        raise InputError("there are no candidate labels: name at least one")
    if "" in names:
        raise InputError(f"candidate label {names.index('')} is empty: name it, or leave it out")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"candidate labels must differ; given more than once: {', '.join(map(repr, twice))}")
    return tuple(names)


def hypotheses(labels: Sequence[str], template: str) -> list[str]:
    """The sentence of each label.

    Raises:
        InputError: the template has no place for a label.
    """
    if "{}" not in template:
        raise InputError(f"the hypothesis template {template!r} has no {{}} where the label goes, as in {_TEMPLATE!r}")
    return [template.replace("{}", label) for label in labels]


def ranked(
    labels: Sequence[str], scores: np.ndarray, multi_label: bool, *, about: dict[str, Any]
) -> ZeroShotPrediction:
    """Labels and their scores, the best first."""
    order = np.argsort(-scores, kind="stable")
    names = tuple(labels[place] for place in order)
    values = tuple(float(scores[place]) for place in order)
    return ZeroShotPrediction(
        **about, label=names[0], score=values[0], labels=names, scores=values, multi_label=bool(multi_label)
    )


def _inference_labels(labels: LabelSet, asked: str | None) -> tuple[int, int | None]:
    """The numbers of "follows" and of "contradicts"; of two labels, the other one contradicts."""
    if asked is not None:
        entailment = labels.index(asked)
    else:
        found = [number for number, name in enumerate(labels) if name.lower().startswith("entail")]
        if len(found) != 1:
            raise LabelError(
                f"it cannot be told which of the model's labels means that a text follows; it has: "
                f"{', '.join(labels)}: give entailment=, or use a model trained on natural-language inference"
            )
        entailment = found[0]
    against = [number for number, name in enumerate(labels) if name.lower().startswith("contradict")]
    if not against and len(labels) == 2:
        against = [1 - entailment]
    return entailment, against[0] if len(against) == 1 else None
