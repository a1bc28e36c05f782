"""Texts to vectors: what feature extraction, similarity, search and ranking by embeddings share.

A text longer than the model reads goes through overlapping windows; every token's vector is taken from the window in
which it has most context, and the pooling then sees all tokens of the text once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from enfold.errors import InputError, SourceError
from enfold.pipelines.batching import chunks_of_texts
from enfold.pipelines.pooling import Pooling, read_pooling
from enfold.pipelines.reading import EncodedText, checked_texts
from enfold.pipelines.runtime_protocols import HiddenRuntime
from enfold.pipelines.scores import cosine
from enfold.pipelines.steps import Answer, Encoded, Pipeline
from enfold.values import Encoding

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["ComparingPipeline", "EmbeddingPipeline", "EncodedComparison", "required_texts"]

_CHUNK_TEXTS = 1024
_CHUNK_CHARACTERS = 200_000  # every token of a chunk has a vector


class EmbeddingPipeline(Pipeline[Encoded, Answer]):
    """What pipelines share that compare texts by their vectors. Safe to use from several threads.

    Args:
        model: any model that has hidden states, with or without a head; or a :class:`HiddenRuntime`.
        tokenizer: the tokenizer the model was trained with.
        pooling: how token vectors become one; by default what the folder of the tokenizer says, else the mean.
        max_length: tokens in a window, special tokens included; by default what the checkpoint says, else as many as
            the model reads.
        stride: tokens by which windows overlap; by default 64, or half a window where that is less.
        max_tokens: tokens in a batch.
        mend: what is done to every text first.

    Raises:
        InputError: the sizes contradict each other or the model.
        CheckpointError: the folder asks for a step that is not known here.
    """

    runtime_protocol = HiddenRuntime

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        pooling: Pooling | None = None,
        max_length: int | None = None,
        stride: int | None = None,
        max_tokens: int = 1024,
        mend: Callable[[str], str] | None = None,
    ) -> None:
        self.pooling = _pooling_beside(tokenizer) if pooling is None else pooling
        if self.pooling.max_length is not None:
            length = min(self.pooling.max_length, tokenizer.model_max_length)
            tokenizer = tokenizer.with_options(model_max_length=length)
        super().__init__(model, tokenizer, max_length=max_length, stride=stride, max_tokens=max_tokens)
        self._mend = mend

    def embed(self, texts: str | Sequence[str], *, prompt: str | None = None, truncation: bool = False) -> np.ndarray:
        """The vectors of texts: float32, *shape* ``(texts, width)``, in bounded memory beside that.

        Args:
            texts: one text or several.
            prompt: the name of the checkpoint's prompt to put before each; its default where None.
            truncation: read only the first window of a long text, as sentence-transformers does.

        Raises:
            InputError: something among the texts is not a text; there is no such prompt.
        """
        given = [texts] if isinstance(texts, str) else texts
        vectors = [vector for _, vector in self.embedded(given, prompt=prompt, truncation=truncation)]
        return np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)

    def embedded(
        self, texts: Iterable[str], *, prompt: str | None = None, truncation: bool = False
    ) -> Iterator[tuple[EncodedText, np.ndarray]]:
        """Each text as it was read, and its vector, in order."""
        for chunk in chunks_of_texts(checked_texts(texts), max_texts=_CHUNK_TEXTS, max_characters=_CHUNK_CHARACTERS):
            read = self.read(chunk, prompt=prompt, truncation=truncation)
            outputs = self.run([window for text in read for window in text.windows])
            start = 0
            for text in read:
                end = start + len(text.windows)
                yield text, self.pool(text, outputs[start:end])
                start = end

    def read(self, texts: Sequence[str], *, prompt: str | None = None, truncation: bool = False) -> list[EncodedText]:
        """Texts as the windows the model reads, with their prompt."""
        before = self.pooling.prompt(prompt)
        mended = [before + (text if self._mend is None else self._mend(text)) for text in texts]
        return self.reader.first_windows(mended) if truncation else self.reader.read(mended)

    def logits(self, windows: Sequence[Encoding]) -> list[np.ndarray]:
        """Run windows as one batch: the hidden states of each, *shape* ``(tokens, width)``, float32."""
        states: list[np.ndarray] = self._runtime.hidden_states(windows)
        return states

    def token_vectors(self, text: EncodedText, outputs: Sequence[np.ndarray]) -> np.ndarray:
        """The vectors of all tokens of a text, once each: those around it from the first and the last window."""
        ends = text.before + text.windows[-1].sequence_ids.count(0)
        return np.concatenate([outputs[0][: text.before], text.merged(outputs), outputs[-1][ends:]])

    def pool(self, text: EncodedText, outputs: Sequence[np.ndarray]) -> np.ndarray:
        """The vector of a text from the hidden states of its windows: float32, *shape* ``(width,)``."""
        return self.pooling(self.token_vectors(text, outputs))

    def compare(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The checkpoint's measure of each of ``(n, width)`` with each of ``(m, width)``: *shape* ``(n, m)``."""
        if self.pooling.measure == "dot":
            product: np.ndarray = first @ second.T
            return product
        return cosine(first, second)


@dataclass(frozen=True, slots=True)
class EncodedComparison:
    """A text and the texts it is compared with, each as windows of its own.

    ``names`` says what the others stand for, ``multi_label`` whether several of them may fit.
    """

    text: EncodedText
    others: tuple[EncodedText, ...]
    names: tuple[str, ...]
    multi_label: bool = False

    @property
    def windows(self) -> tuple[Encoding, ...]:
        """Those of the text, then those of the others."""
        return (*self.text.windows, *(window for other in self.others for window in other.windows))


class ComparingPipeline(EmbeddingPipeline[EncodedComparison, Answer]):
    """What pipelines share that compare one text with several."""

    def vectors_of(self, encoded: EncodedComparison, outputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The vector of the text, ``(width,)``, and those of the others, ``(others, width)``."""
        vectors = []
        start = 0
        for text in (encoded.text, *encoded.others):
            end = start + len(text.windows)
            vectors.append(self.pool(text, outputs[start:end]))
            start = end
        return vectors[0], np.stack(vectors[1:])


def required_texts(texts: Sequence[str], *, name: str) -> list[str]:
    """Texts as a list that is not empty.

    Raises:
        InputError: there are none.
    """
    found = [texts] if isinstance(texts, str) else list(texts)
    if not found:
        raise InputError(f"there are no {name}: give at least one")
    return found


def _pooling_beside(tokenizer: Tokenizer) -> Pooling:
    """What the folder of the tokenizer says; the mean for a tokenizer that was made in memory."""
    name = tokenizer.name_or_path
    if not name:
        return Pooling()
    folder = Path(name)
    if not folder.exists():
        from enfold.hub import locate

        try:
            folder = locate(name).path
        except SourceError as error:
            raise InputError(
                f"how token vectors become one is read from {name!r}, which cannot be found ({error}): "
                "give pooling=Pooling(…)"
            ) from error
    return read_pooling(folder if folder.is_dir() else folder.parent)
