"""Feature extraction: the vectors a model makes of the tokens of a text, and of the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from enfold.pipelines.batching import chunks_of_texts
from enfold.pipelines.embedding import EmbeddingPipeline
from enfold.pipelines.reading import EncodedText, checked_texts
from enfold.values import FeaturesPrediction

__all__ = ["FeatureExtractionPipeline"]

_CHUNK_TEXTS = 256
_CHUNK_CHARACTERS = 200_000


class FeatureExtractionPipeline(EmbeddingPipeline[EncodedText, FeaturesPrediction]):
    """Last hidden states of texts, and their pooled vectors; see `EmbeddingPipeline` for the arguments."""

    task = "feature-extraction"

    def __call__(
        self, texts: str | Sequence[str], *, prompt: str | None = None, truncation: bool = False
    ) -> list[FeaturesPrediction]:
        """One prediction a text; always a list, in the order of the texts. `embed` gives one matrix of vectors.

        Args:
            texts: one text or several.
            prompt: the name of the checkpoint's prompt to put before each; its default where None.
            truncation: read only the first window of a long text. ``cut`` then says how many tokens were left out.

        Raises:
            InputError: something among the texts is not a text; there is no such prompt.
        """
        return list(self.stream([texts] if isinstance(texts, str) else texts, prompt=prompt, truncation=truncation))

    def stream(
        self, texts: Iterable[str], *, prompt: str | None = None, truncation: bool = False
    ) -> Iterator[FeaturesPrediction]:
        """Answer texts as they come, in order and in bounded memory."""
        for chunk in chunks_of_texts(checked_texts(texts), max_texts=_CHUNK_TEXTS, max_characters=_CHUNK_CHARACTERS):
            yield from self.answers(self.encode(chunk, prompt=prompt, truncation=truncation))

    def encode(self, texts: Sequence[str], *, prompt: str | None = None, truncation: bool = False) -> list[EncodedText]:
        """Tokenise texts into the windows the model reads."""
        return self.read(texts, prompt=prompt, truncation=truncation)

    def decide(self, text: EncodedText, outputs: Sequence[np.ndarray]) -> FeaturesPrediction:
        """Merge the windows of one text; ``outputs`` are their hidden states."""
        vectors = self.token_vectors(text, outputs)
        last = text.windows[-1]
        after = last.offsets[text.before + last.sequence_ids.count(0) :]
        offsets = (*text.windows[0].offsets[: text.before], *text.column("offsets"), *after)
        return FeaturesPrediction(**self.about(text), vectors=vectors, embedding=self.pooling(vectors), offsets=offsets)
