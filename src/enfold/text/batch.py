"""What the compatible call returns: a mapping of model inputs that still knows which character became which token."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from enfold.errors import InputError
from enfold.text.engine import RawEncoding
from enfold.values import Cut

__all__ = ["BatchEncoding", "CharSpan", "TokenSpan", "as_tensor"]


class CharSpan(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) of the original text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens ``start`` to ``end`` (exclusive) of an encoding."""

    start: int
    end: int


class BatchEncoding(UserDict):
    """Model inputs by name, as lists or tensors; ``batch.input_ids`` is ``batch["input_ids"]``.

    Args:
        data: the inputs by name.
        encodings: what the engine made of each row; ``None`` when the rows were padded without it.
        tensor_type: ``"pt"`` or ``"np"`` to convert the inputs, ``None`` to leave them.
        cut: what truncation left out of each row.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        encodings: Sequence[RawEncoding] | None = None,
        tensor_type: str | None = None,
        *,
        cut: Sequence[tuple[Cut, ...]] = (),
    ) -> None:
        super().__init__(data)
        self._encodings = list(encodings) if encodings is not None else None
        self._cut = list(cut)
        self.convert_to_tensors(tensor_type)

    def __getitem__(self, item: Any) -> Any:
        """Inputs by name; what the engine made of a row by number; or a slice of the rows of every input."""
        if isinstance(item, str):
            return self.data[item]
        if isinstance(item, slice):
            return {key: value[item] for key, value in self.data.items()}
        return self._rows()[item]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "data":  # asked for while the object is copied or unpickled
            raise AttributeError(name)
        try:
            return self.data[name]
        except KeyError:
            raise AttributeError(f"this batch has no {name!r}; it has: {', '.join(self.data)}") from None

    @property
    def encodings(self) -> list[RawEncoding] | None:
        """What the engine made of each row."""
        return self._encodings

    @property
    def cut(self) -> list[tuple[Cut, ...]]:
        """For each row, what truncation left out; empty where nothing was lost."""
        return self._cut

    @property
    def is_fast(self) -> bool:
        """Whether characters can be mapped to tokens."""
        return self._encodings is not None

    @property
    def n_sequences(self) -> int | None:
        """1 for single texts, 2 for pairs, ``None`` where it is not known."""
        return self._encodings[0].n_sequences if self._encodings else None

    def _rows(self) -> list[RawEncoding]:
        if self._encodings is None:
            raise InputError(
                "these inputs were padded from plain ids: how they lie in the text is known only before that"
            )
        return self._encodings

    def _at(self, first: int, second: int | None) -> tuple[RawEncoding, int]:
        """``(batch index, index)``, or one index into row 0; negative ones count from the end."""
        row, index = (0, first) if second is None else (first, second)
        encoding = self._rows()[row]
        return encoding, index + len(encoding) if index < 0 else index

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of a row."""
        return self._rows()[batch_index].tokens

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """The number of the word each token belongs to; ``None`` for special tokens."""
        return self._rows()[batch_index].word_ids

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """0 for tokens of the text, 1 for those of its pair, ``None`` for special tokens."""
        return self._rows()[batch_index].sequence_ids

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """0 or 1: the text or its pair."""
        encoding, token = self._at(batch_or_token_index, token_index)
        return encoding.token_to_sequence(token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The number of the word a token belongs to."""
        encoding, token = self._at(batch_or_token_index, token_index)
        return encoding.token_to_word(token)

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters of the original text that a token stands for."""
        encoding, token = self._at(batch_or_token_index, token_index)
        span = encoding.token_to_chars(token)
        return None if span is None else CharSpan(*span)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token that holds a character; ``None`` for blanks and what was cut."""
        row, char = (0, batch_or_char_index) if char_index is None else (batch_or_char_index, char_index)
        return self._rows()[row].char_to_token(char, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The word that holds a character."""
        row, char = (0, batch_or_char_index) if char_index is None else (batch_or_char_index, char_index)
        return self._rows()[row].char_to_word(char, sequence_index)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a word."""
        row, word = (0, batch_or_word_index) if word_index is None else (batch_or_word_index, word_index)
        span = self._rows()[row].word_to_tokens(word, sequence_index)
        return None if span is None else TokenSpan(*span)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word."""
        row, word = (0, batch_or_word_index) if word_index is None else (batch_or_word_index, word_index)
        span = self._rows()[row].word_to_chars(word, sequence_index)
        return None if span is None else CharSpan(*span)

    def convert_to_tensors(self, tensor_type: str | None = None) -> BatchEncoding:
        """Turn every input into a tensor, in place.

        Raises:
            InputError: the rows have different lengths, or the kind of tensor is unknown.
        """
        if tensor_type is not None:
            for key, value in self.data.items():
                self.data[key] = as_tensor(value, str(tensor_type), name=key)
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> BatchEncoding:
        """Move the tensors to a device, in place; what is no tensor stays."""
        self.data = {
            key: value.to(device=device, non_blocking=non_blocking) if hasattr(value, "to") else value
            for key, value in self.data.items()
        }
        return self


def as_tensor(value: Any, kind: str, *, name: str) -> Any:
    """Rows of numbers as a torch tensor (``"pt"``) or NumPy array (``"np"``); one that is there already stays.

    Args:
        value: numbers, lists of numbers, arrays or tensors.
        kind: ``"pt"`` or ``"np"``.
        name: what the value is, for the message.

    Raises:
        InputError: the rows have different lengths, or the kind is unknown.
    """
    if kind not in ("pt", "np"):
        raise InputError(f"return_tensors={kind!r} is not there; there are: 'pt' (torch) and 'np' (NumPy)")
    if kind == "pt":
        import torch

        if isinstance(value, torch.Tensor):
            return value
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], torch.Tensor):
            return torch.stack(list(value))
    try:
        array = np.asarray(value)
    except ValueError:
        lengths = [len(row) for row in value]
        raise InputError(
            f"{name} cannot be one tensor: its rows have {min(lengths)} to {max(lengths)} entries; pass padding=True "
            "(and truncation=True for texts that are too long)"
        ) from None
    if array.dtype == object or array.dtype.kind in "US":
        raise InputError(f"{name} cannot be a tensor: it holds {_kind_of(array)}, not numbers")
    if array.size == 0 and array.dtype == np.float64:
        array = array.astype(np.int64)
    if kind == "np":
        return array
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _kind_of(array: np.ndarray) -> str:
    return "text" if array.dtype.kind in "US" else type(array.flat[0]).__name__
