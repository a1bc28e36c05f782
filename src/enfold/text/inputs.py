"""What callers hand a tokenizer: one text, many, pairs, or words; and what is none of these, named by its position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from enfold.errors import InputError

__all__ = ["check_texts", "read_inputs"]


def check_texts(texts: Sequence[str], name: str) -> None:
    """Refuse anything but a sequence of strings.

    Raises:
        InputError: one of them is no string, or it is a single string.
    """
    if isinstance(texts, str):
        raise InputError(f"{name} must be a list of texts; it is one str: pass [text]")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"{name}[{index}] must be a str; it is {_shown(text)}")


def read_inputs(text: Any, text_pair: Any, split_into_words: bool) -> tuple[list[Any], list[Any] | None, bool]:
    """The call's texts and pairs as lists, and whether it was a batch.

    Raises:
        InputError: something is not a text; the message says at which position.
    """
    text, text_pair = _listed(text), _listed(text_pair)
    sequence = (list, tuple)
    if split_into_words:
        batched = isinstance(text, sequence) and len(text) > 0 and isinstance(text[0], sequence)
    else:
        batched = isinstance(text, sequence)
    if not batched:
        texts = _checked([text], "text", split_into_words, single=True)
        # An empty second text means none, as it does in `transformers`.
        return texts, _checked([text_pair], "text_pair", split_into_words, single=True) if text_pair else None, False
    if text_pair is not None:
        if not isinstance(text_pair, sequence):
            raise InputError(
                f"text is a list of {len(text)}, so text_pair must be a list too; it is a {type(text_pair).__name__}"
            )
        if len(text_pair) != len(text):
            raise InputError(
                f"text has {len(text)} entries but text_pair has {len(text_pair)}: there must be one for each"
            )
        texts = _checked(text, "text", split_into_words)
        return texts, _checked(text_pair, "text_pair", split_into_words), True
    if not split_into_words and any(isinstance(item, sequence) for item in text):
        for index, item in enumerate(text):
            if not isinstance(item, sequence) or len(item) != 2:
                raise InputError(
                    f"text[{index}] is not a pair of texts, but others are; for lists of words pass "
                    "is_split_into_words=True"
                )
        firsts, seconds = ([item[side] for item in text] for side in (0, 1))
        return _checked(firsts, "text", False), _checked(seconds, "text", False), True
    return _checked(text, "text", split_into_words), None, True


def _listed(value: Any) -> Any:
    """A column of a table, an array, a view of a data set: as a list. Everything else as it is."""
    if isinstance(value, (str, bytes, list, tuple, Mapping)) or not isinstance(value, Iterable):
        return value
    return list(value)


def _checked(items: Sequence[Any], name: str, split_into_words: bool, *, single: bool = False) -> list[Any]:
    for index, item in enumerate(items):
        where = name if single else f"{name}[{index}]"
        if not split_into_words:
            if not isinstance(item, str):
                raise InputError(f"{where} must be a str; it is {_shown(item)}")
        elif not isinstance(item, (list, tuple)):
            raise InputError(f"{where} must be a list of words; it is {_shown(item)}")
        else:
            for position, word in enumerate(item):
                if not isinstance(word, str):
                    raise InputError(f"{where}[{position}] must be a str; it is {_shown(word)}")
    return list(items)


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '…'} ({type(value).__name__})"
