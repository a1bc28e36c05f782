"""Encodings as plain values, and long texts as overlapping windows."""

from __future__ import annotations

from collections.abc import Sequence

from enfold.errors import InputError
from enfold.text.engine import Engine, RawEncoding
from enfold.text.truncation import Truncation
from enfold.values import Cut, Encoding

__all__ = ["to_value", "windows_of"]


def windows_of(
    engine: Engine, texts: Sequence[str], *, max_length: int, stride: int, split_special_tokens: bool
) -> list[list[Encoding]]:
    """Every text as windows of at most ``max_length`` tokens, special tokens included; nothing is lost.

    Consecutive windows share ``stride`` tokens. A text that fits is one window.

    Raises:
        InputError: a text is no text, or the sizes contradict each other.
    """
    truncation = Truncation(max_length, stride=stride, keep_overflow=True)
    room = truncation.room(engine.raw.num_special_tokens_to_add(False))
    if stride >= room:
        raise InputError(f"stride={stride} must be less than the {room} tokens of text in a window of {max_length}")
    encodings, _ = engine.encode(texts, split_special_tokens=split_special_tokens, truncation=truncation)
    return [[to_value(window) for window in (encoding, *encoding.overflowing)] for encoding in encodings]


def to_value(encoding: RawEncoding, cut: tuple[Cut, ...] = ()) -> Encoding:
    """What the engine made of a text, as a value."""
    return Encoding(
        ids=tuple(encoding.ids),
        type_ids=tuple(encoding.type_ids),
        tokens=tuple(encoding.tokens),
        offsets=tuple(encoding.offsets),
        word_ids=tuple(encoding.word_ids),
        sequence_ids=tuple(encoding.sequence_ids),
        special_tokens_mask=tuple(encoding.special_tokens_mask),
        cut=cut,
    )
