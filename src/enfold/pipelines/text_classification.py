"""Text classification: texts in, one label each out. NumPy before and after the model.

A text that fits the model is one *window*. A longer one is read through several windows that overlap by
``stride`` tokens, and its logits are the mean of the windows' logits, each weighted by the tokens which that
window was the first to read. So every token of the text has a say, the overlap counts once, and a short last
window has little weight. Nothing is cut unless ``truncation=True`` asks for it, and then
``ClassPrediction.cut`` says how many tokens were not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from enfold.errors import InputError
from enfold.pipelines.batching import chunks_of_texts, length_sorted_batches
from enfold.pipelines.runtime import SequenceRuntime, TorchRuntime
from enfold.values import ClassPrediction, Encoding, LabelSet

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["EncodedText", "TextClassificationPipeline"]

_CHUNK_TEXTS = 1024
_CHUNK_CHARACTERS = 2_000_000
_STRIDE = 64


@dataclass(frozen=True, slots=True)
class EncodedText:
    """One text as the windows the model reads.

    ``first_read[i]`` counts the tokens that window ``i`` is the first to read; it is the window's weight.
    """

    windows: tuple[Encoding, ...]
    first_read: tuple[int, ...]
    tokens: int
    cut: int = 0


class TextClassificationPipeline:
    """Classify texts with one model and its tokenizer. Safe to use from several threads.

    A call goes through three steps, which the server schedules itself: :meth:`encode` turns texts into
    windows, :meth:`logits` runs windows, :meth:`decide` merges the windows of one text into its prediction.

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

    task = "text-classification"

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        max_length: int | None = None,
        stride: int | None = None,
        max_tokens: int = 4096,
        mend: Callable[[str], str] | None = None,
    ) -> None:
        self._runtime: SequenceRuntime = model if isinstance(model, SequenceRuntime) else TorchRuntime(model)
        self.tokenizer = tokenizer
        self._special = len(tokenizer.encode_batch([""])[0])
        self.max_length = _window_length(max_length, self._runtime.max_length, tokenizer.model_max_length)
        capacity = self.max_length - self._special
        if capacity < 1:
            raise InputError(
                f"max_length={self.max_length} leaves no room for text beside {self._special} special tokens"
            )
        self.stride = min(_STRIDE, capacity // 2) if stride is None else stride
        if not 0 <= self.stride < capacity:
            raise InputError(
                f"stride={stride} must be at least 0 and less than the {capacity} tokens of text in a window "
                f"(max_length={self.max_length}, {self._special} of them special)"
            )
        if max_tokens < 1:
            raise InputError(f"max_tokens={max_tokens} must be at least 1")
        self.max_tokens = max_tokens
        self._mend = mend

    @property
    def labels(self) -> LabelSet:
        """The labels, in the order of the scores."""
        return self._runtime.labels

    @property
    def revision(self) -> str:
        """Revision of the model, as every prediction carries it."""
        return self._runtime.revision

    def __call__(self, texts: str | Sequence[str], *, truncation: bool = False) -> list[ClassPrediction]:
        """Classify texts; always a list, in the order of the texts, also for a single ``str``.

        Args:
            texts: one text or several.
            truncation: read only the first window of a long text. ``ClassPrediction.cut`` then says how
                many tokens were left out.

        Raises:
            InputError: something among the texts is not a text.
        """
        return list(self.stream([texts] if isinstance(texts, str) else texts, truncation=truncation))

    def stream(self, texts: Iterable[str], *, truncation: bool = False) -> Iterator[ClassPrediction]:
        """Classify texts as they come, in order and in bounded memory; up to 1,024 are read ahead.

        Raises:
            InputError: something among the texts is not a text.
        """
        for chunk in chunks_of_texts(_checked(texts), max_texts=_CHUNK_TEXTS, max_characters=_CHUNK_CHARACTERS):
            encoded = self.encode(chunk, truncation=truncation)
            logits = self._run([window for text in encoded for window in text.windows])
            start = 0
            for text in encoded:
                end = start + len(text.windows)
                yield self.decide(text, logits[start:end])
                start = end

    def encode(self, texts: Sequence[str], *, truncation: bool = False) -> list[EncodedText]:
        """Tokenise texts into the windows the model reads."""
        texts = list(texts) if self._mend is None else [self._mend(text) for text in texts]
        if truncation:
            cut_short = self.tokenizer.encode_batch(texts, max_length=self.max_length)
            return [_truncated(encoding, self._special) for encoding in cut_short]
        windows = self.tokenizer.windows_batch(texts, max_length=self.max_length, stride=self.stride)
        return [_windowed(tuple(of_text), self._special, self.stride) for of_text in windows]

    def logits(self, windows: Sequence[Encoding]) -> np.ndarray:
        """Run windows as one batch, whatever its size: *shape* ``(len(windows), labels)``, float32."""
        return self._runtime.logits(windows)

    def decide(self, text: EncodedText, logits: np.ndarray) -> ClassPrediction:
        """Merge the windows of one text into its prediction.

        Args:
            text: what :meth:`encode` made of the text.
            logits: of its windows. *Shape:* ``(windows, labels)``.
        """
        weights = np.maximum(np.asarray(text.first_read, dtype=np.float64), 1.0)
        scores = _softmax(weights @ logits.astype(np.float64) / weights.sum())
        best = int(scores.argmax())
        return ClassPrediction(
            model=self.revision,
            tokens=text.tokens,
            windows=len(text.windows),
            cut=text.cut,
            label=self.labels.names[best],
            score=float(scores[best]),
            scores=dict(zip(self.labels.names, scores.tolist(), strict=True)),
        )

    def _run(self, windows: Sequence[Encoding]) -> np.ndarray:
        logits = np.empty((len(windows), len(self.labels)), dtype=np.float32)
        lengths = [len(window) for window in windows]
        for batch in length_sorted_batches(lengths, max_tokens=self.max_tokens):
            logits[batch] = self.logits([windows[index] for index in batch])
        return logits


def _window_length(asked: int | None, model: int | None, tokenizer: int | None) -> int:
    """The tokens of a window: what was asked, else the smaller of what model and tokenizer allow."""
    if asked is None:
        known = [length for length in (model, tokenizer) if length]
        if not known:
            raise InputError("neither the model nor the tokenizer says how long a text may be: give max_length")
        return min(known)
    if asked < 1 or (model and asked > model):
        raise InputError(f"max_length={asked} must lie between 1 and the {model or 'many'} positions of the model")
    return asked


def _checked(texts: Iterable[Any]) -> Iterator[str]:
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {number} is a {type(text).__name__}, not a str: {text!r:.80}")
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise InputError(
                f"text {number} holds half of a surrogate pair, which is no character: {text!r:.80}; "
                "decode the source with the right encoding"
            )
        yield text


def _truncated(encoding: Encoding, special: int) -> EncodedText:
    cut = sum(part.tokens for part in encoding.cut)
    return EncodedText((encoding,), (len(encoding) - special,), len(encoding) + cut, cut)


def _windowed(windows: tuple[Encoding, ...], special: int, stride: int) -> EncodedText:
    read = [len(window) - special for window in windows]
    first_read = (read[0], *(tokens - stride for tokens in read[1:]))
    return EncodedText(windows, first_read, sum(first_read) + special)


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, shifted by the maximum so that nothing overflows."""
    exponents = np.exp(logits - logits.max())
    return exponents / exponents.sum()
