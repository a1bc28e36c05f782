"""Sentence similarity: how alike texts are, by their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from enfold.pipelines.embedding import EmbeddingPipeline, required_texts
from enfold.pipelines.reading import EncodedText, checked_text
from enfold.values import Encoding, SimilarityPrediction

__all__ = ["EncodedPair", "SentenceSimilarityPipeline"]

_CHUNK_PAIRS = 256


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """Two texts, each as windows of its own."""

    first: EncodedText
    second: EncodedText

    @property
    def windows(self) -> tuple[Encoding, ...]:
        """Those of the first, then those of the second."""
        return self.first.windows + self.second.windows


class SentenceSimilarityPipeline(EmbeddingPipeline[EncodedPair, SimilarityPrediction]):
    """Compare texts by the vectors a model makes of them; see `EmbeddingPipeline` for the arguments."""

    task = "sentence-similarity"

    def __call__(self, source: str, sentences: str | Sequence[str]) -> list[SimilarityPrediction]:
        """How alike ``source`` is to each of the sentences, in their order.

        Raises:
            InputError: something is not a text, or there are no sentences.
        """
        others = required_texts(sentences, name="sentences")
        (first, own), *rest = self.embedded([checked_text(source, "source"), *others])
        scores = self.compare(own[None], np.stack([vector for _, vector in rest]))[0]
        return [self._prediction(first, text, float(score)) for (text, _), score in zip(rest, scores, strict=True)]

    def stream(self, pairs: Iterable[tuple[str, str]]) -> Iterator[SimilarityPrediction]:
        """Compare pairs of texts as they come, in order and in bounded memory."""
        chunk: list[tuple[str, str]] = []
        for number, (first, second) in enumerate(pairs):
            name = f"text of pair {number}"
            chunk.append((checked_text(first, f"the first {name}"), checked_text(second, f"the second {name}")))
            if len(chunk) == _CHUNK_PAIRS:
                yield from self.answers(self.encode(chunk))
                chunk = []
        if chunk:
            yield from self.answers(self.encode(chunk))

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[EncodedPair]:
        """Tokenise pairs of texts into the windows the model reads."""
        firsts, seconds = self.read([first for first, _ in pairs]), self.read([second for _, second in pairs])
        return [EncodedPair(first, second) for first, second in zip(firsts, seconds, strict=True)]

    def decide(self, pair: EncodedPair, outputs: Sequence[np.ndarray]) -> SimilarityPrediction:
        """Compare one pair; ``outputs`` are the hidden states of its windows."""
        between = len(pair.first.windows)
        first, second = self.pool(pair.first, outputs[:between]), self.pool(pair.second, outputs[between:])
        return self._prediction(pair.first, pair.second, float(self.compare(first[None], second[None])[0, 0]))

    def _prediction(self, first: EncodedText, second: EncodedText, score: float) -> SimilarityPrediction:
        windows = max(len(first.windows), len(second.windows))
        return SimilarityPrediction(
            model=self.revision, tokens=first.tokens + second.tokens, windows=windows, score=score
        )
