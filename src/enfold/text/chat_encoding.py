"""A text whose control tokens are at known places, to ids; whatever looks like one elsewhere is plain text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import count
from weakref import WeakKeyDictionary

from tokenizers import AddedToken

from enfold.text.engine import Engine

__all__ = ["encode_with_control_tokens"]

Token = tuple[int, int, int]
"""An id, and the characters it stands for: the first, and the one behind the last."""


def encode_with_control_tokens(
    engine: Engine, text: str, own: Sequence[tuple[int, int]], special: re.Pattern[str]
) -> list[Token]:
    """Encode a text without putting anything around it.

    Where the text has no other special token than those that are its own, this is what the engine makes of it.
    Otherwise each of its own ones is replaced by a character that occurs nowhere, which a copy of the engine knows as a
    token, and special tokens are read as plain text. So one pass over the whole text splits it just as if the tokens
    stood there.

    Args:
        engine: the tokenizer's.
        text: the text.
        own: where control tokens stand that are to be parsed, in order.
        special: matches every special token of the engine.
    """
    if [match.span() for match in special.finditer(text)] == list(own):
        (encoding,), _ = engine.encode([text], split_special_tokens=False, add_special_tokens=False)
        if _special_ids_in(engine, encoding.ids) <= len(own):
            return [(number, *span) for number, span in zip(encoding.ids, encoding.offsets, strict=True)]
    return _encode_replaced(engine, text, own)


def _special_ids_in(engine: Engine, ids: Sequence[int]) -> int:
    """How many control tokens there are among ids; the unknown token is none."""
    unknown = getattr(engine.raw.model, "unk_token", None)
    special = {number for number, token in engine.added.items() if token.special and token.content != unknown}
    return sum(number in special for number in ids)


class _Replacing:
    """An engine that also knows one character for each special token of another."""

    def __init__(self, engine: Engine, avoid: str) -> None:
        special = {number: token for number, token in engine.added.items() if token.special}
        free = (chr(number) for number in count(0x100000) if chr(number) not in avoid)
        self.letters = {token.content: next(free) for token in special.values()}
        self.engine = engine.extended(
            [
                AddedToken(self.letters[token.content], normalized=False, lstrip=token.lstrip, rstrip=token.rstrip)
                for token in special.values()
            ]
        )
        self.ids = {self.engine.id_of(self.letters[token.content]): number for number, token in special.items()}


_REPLACING: WeakKeyDictionary[Engine, _Replacing] = WeakKeyDictionary()


def _replacing(engine: Engine, text: str) -> _Replacing:
    """The engine's companion; a new one for a text that holds its characters."""
    known = _REPLACING.get(engine)
    if known is None:
        known = _REPLACING[engine] = _Replacing(engine, "")
    if any(letter in text for letter in known.letters.values()):
        return _Replacing(engine, text)
    return known


def _encode_replaced(engine: Engine, text: str, own: Sequence[tuple[int, int]]) -> list[Token]:
    other = _replacing(engine, text)
    parts: list[str] = []
    # Where each stretch of the new text begins, and how much further on that is in the old one.
    begins, shifts = [0], [0]
    position = length = 0
    for start, end in own:
        parts += [text[position:start], other.letters[text[start:end]]]
        length += start - position + 1
        begins.append(length)
        shifts.append(end - length)
        position = end
    parts.append(text[position:])
    (encoding,), _ = other.engine.encode(["".join(parts)], split_special_tokens=True, add_special_tokens=False)
    return [
        (other.ids.get(number, number), _original(start, begins, shifts), _original(end, begins, shifts))
        for number, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
    ]


def _original(place: int, begins: Sequence[int], shifts: Sequence[int]) -> int:
    return place + shifts[bisect_right(begins, place) - 1]
