"""Texts as the windows a model reads.

A text that fits the model is one *window*. A longer one is read through several windows that overlap by ``stride``
tokens; of a pair, one text is cut into windows and the other stands whole in each. Nothing is left out. Where a token
stands in several windows, `EncodedText.owners` says in which of them it has most context (Devlin et al., 2019,
released code for SQuAD), and `EncodedText.first_read` how many tokens a window is the first to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from enfold.errors import InputError
from enfold.values import Encoding

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["EncodedText", "WindowReader", "checked_text", "checked_texts", "spoken_text"]

_STRIDE = 64


@dataclass(frozen=True, slots=True)
class EncodedText:
    """One text as the windows the model reads.

    ``first_read[i]`` counts the tokens that window ``i`` is the first to read; ``starts[i]`` is the number of the
    text's token it begins with. In every window the text's tokens begin at place ``before``.
    """

    windows: tuple[Encoding, ...]
    first_read: tuple[int, ...]
    tokens: int
    cut: int = 0
    starts: tuple[int, ...] = (0,)
    before: int = 0
    text: str = ""

    @property
    def read(self) -> int:
        """Tokens of the text itself, without special tokens and the other text of a pair."""
        return sum(self.first_read)

    def weighted(self, logits: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """The mean of one row a window, each weighted by the tokens it was the first to read.

        So every token has a say, the overlap counts once, and a short last window has little weight.
        """
        weights = np.maximum(np.asarray(self.first_read, dtype=np.float64), 1.0)
        mean: np.ndarray = weights @ np.asarray(logits, dtype=np.float64) / weights.sum()
        return mean

    def owners(self) -> np.ndarray:
        """The window in which each of the text's tokens has most context. *Shape:* ``(read,)``."""
        owners = np.zeros(self.read, dtype=np.int64)
        best = np.full(self.read, -1, dtype=np.int64)
        last = len(self.windows) - 1
        for number, (start, end) in enumerate(self._bounds()):
            places = np.arange(end - start)
            # Where the text itself begins or ends, nothing is missing.
            left = places if number else np.full(end - start, self.read)
            right = places[::-1] if number < last else np.full(end - start, self.read)
            context = np.minimum(left, right)
            better = context > best[start:end]
            owners[start:end][better] = number
            best[start:end][better] = context[better]
        return owners

    def merged(self, outputs: Sequence[np.ndarray]) -> np.ndarray:
        """One row for each of the text's tokens, from the window in which it has most context.

        Args:
            outputs: of each window *shape* ``(its tokens, …)``.
        """
        owners = self.owners()
        merged = np.empty((self.read, *outputs[0].shape[1:]), dtype=outputs[0].dtype)
        for number, (start, end) in enumerate(self._bounds()):
            mine = np.flatnonzero(owners[start:end] == number)
            merged[start + mine] = outputs[number][self.before + mine]
        return merged

    def column(self, name: str) -> list[Any]:
        """``offsets``, ``word_ids``, ``ids`` or ``tokens`` of the text's tokens, each once."""
        found: list[Any] = []
        for window, (start, end) in zip(self.windows, self._bounds(), strict=True):
            found += getattr(window, name)[self.before + len(found) - start : self.before + end - start]
        return found

    def _bounds(self) -> list[tuple[int, int]]:
        """The first of the text's tokens in each window, and the first that is no longer in it."""
        ends = np.cumsum(self.first_read).tolist()
        return list(zip(self.starts, ends, strict=True))


class WindowReader:
    """Turns texts, and pairs of texts, into windows that the model reads.

    Args:
        tokenizer: the tokenizer the model was trained with.
        model_length: the longest sequence the model reads; ``None`` when it knows no bound.
        max_length: tokens in a window, special tokens included; by default as many as model and tokenizer allow.
        stride: tokens by which windows overlap; by default 64, or half of what a window has room for if that is less.
        pairs: whether it will read pairs.

    Raises:
        InputError: the sizes contradict each other or the model.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        model_length: int | None,
        *,
        max_length: int | None = None,
        stride: int | None = None,
        pairs: bool = False,
    ) -> None:
        self.tokenizer = tokenizer
        self.special = len(tokenizer.encode_batch([""], [""] if pairs else None)[0])
        self.max_length = _window_length(max_length, model_length, tokenizer.model_max_length)
        capacity = self.max_length - self.special
        if capacity < 1:
            raise InputError(
                f"max_length={self.max_length} leaves no room for text beside {self.special} special tokens"
            )
        self._asked = stride
        self.stride = min(_STRIDE, capacity // 2) if stride is None else stride
        if not 0 <= self.stride < capacity:
            raise InputError(
                f"stride={stride} must be at least 0 and less than the {capacity} tokens of text in a window "
                f"(max_length={self.max_length}, {self.special} of them special)"
            )

    def read(self, texts: Sequence[str]) -> list[EncodedText]:
        """Every text as windows that together hold all of it."""
        encodings = self.tokenizer.encode_batch(texts)
        return [self.cut_up(encoding, text=text) for encoding, text in zip(encodings, texts, strict=True)]

    def read_pairs(self, firsts: Sequence[str], seconds: Sequence[str], *, windowed: int) -> list[EncodedText]:
        """Every pair as windows over one of its texts; the other stands whole in each.

        Args:
            firsts: the first text of each pair.
            seconds: the second.
            windowed: 0 where the first is cut into windows, 1 where the second is.

        Raises:
            InputError: the other text alone fills a window.
        """
        encodings = self.tokenizer.encode_batch(firsts, seconds)
        texts = (firsts, seconds)[windowed]
        return [
            self.cut_up(encoding, text=text, sequence=windowed) for encoding, text in zip(encodings, texts, strict=True)
        ]

    def first_windows(self, texts: Sequence[str]) -> list[EncodedText]:
        """One window of every text: its beginning, or its end where the tokenizer cuts on the left.

        ``EncodedText.cut`` says how many tokens were left out.
        """
        encodings = self.tokenizer.encode_batch(texts)
        return [self._first(encoding, text) for encoding, text in zip(encodings, texts, strict=True)]

    def _first(self, encoding: Encoding, text: str) -> EncodedText:
        cut = len(encoding) - self.max_length
        if cut <= 0:
            return self.cut_up(encoding, text=text)
        read = encoding.sequence_ids.count(0)
        before = encoding.sequence_ids.index(0)
        start = cut if self.tokenizer.truncation_side == "left" else 0
        window = _window(encoding, before, read, start, start + read - cut)
        return EncodedText((window,), (read - cut,), len(encoding), cut, before=before, text=text)

    def cut_up(self, encoding: Encoding, *, text: str, sequence: int = 0) -> EncodedText:
        """A whole encoding as windows over one of its sequences."""
        read = encoding.sequence_ids.count(sequence)
        before = encoding.sequence_ids.index(sequence) if read else 0
        if len(encoding) <= self.max_length:
            return EncodedText((encoding,), (read,), len(encoding), before=before, text=text)
        others = len(encoding) - read
        room = self.max_length - others
        if room < 1:
            raise InputError(
                f"a text of {others - self.special} tokens leaves no room for the text beside it in a window of "
                f"{self.max_length} tokens, {self.special} of them special: shorten it"
            )
        stride = min(_STRIDE, room // 2) if self._asked is None else self.stride
        if stride >= room:
            raise InputError(
                f"stride={stride} must be less than the {room} tokens of text in a window beside a text of "
                f"{others - self.special} tokens (max_length={self.max_length}, {self.special} of them special)"
            )
        starts = [0]
        while starts[-1] + room < read:
            starts.append(starts[-1] + room - stride)
        windows = [_window(encoding, before, read, start, min(start + room, read)) for start in starts]
        first_read = [min(room, read), *(min(start + room, read) - start - stride for start in starts[1:])]
        return EncodedText(tuple(windows), tuple(first_read), len(encoding), 0, tuple(starts), before, text)


def _window(encoding: Encoding, before: int, read: int, start: int, end: int) -> Encoding:
    """The encoding with tokens ``start`` to ``end`` of the sequence that begins at ``before`` and has ``read``."""

    def kept(column: tuple[Any, ...]) -> tuple[Any, ...]:
        return column[:before] + column[before + start : before + end] + column[before + read :]

    return Encoding(
        ids=kept(encoding.ids),
        type_ids=kept(encoding.type_ids),
        tokens=kept(encoding.tokens),
        offsets=kept(encoding.offsets),
        word_ids=kept(encoding.word_ids),
        sequence_ids=kept(encoding.sequence_ids),
        special_tokens_mask=kept(encoding.special_tokens_mask),
    )


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


def checked_texts(texts: Iterable[Any], what: str = "text") -> Iterator[str]:
    """The texts one by one, once it is sure that each is one.

    Raises:
        InputError: one is not a ``str``, or holds half of a surrogate pair; the message says which.
    """
    for number, text in enumerate(texts):
        yield checked_text(text, f"{what} {number}")


def checked_text(text: Any, name: str) -> str:
    """The text, once it is sure that it is one; ``name`` is what a message calls it.

    Raises:
        InputError: it is not a ``str``, or holds half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise InputError(f"{name} is a {type(text).__name__}, not a str: {text!r:.80}")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(
            f"{name} holds half of a surrogate pair, which is no character: {text!r:.80}; "
            "decode the source with the right encoding"
        )
    return text


def spoken_text(text: Any, name: str, hint: str) -> str:
    """The text, once it is sure that it is one and says something; ``hint`` is the way out.

    Raises:
        InputError: it is not a text, or is empty or of blanks alone.
    """
    if not checked_text(text, name).strip():
        raise InputError(f"{name} is empty, or of blanks alone: {hint}")
    return str(text)
