"""A long text in parts that a model can read: whole sentences where they fit, nothing lost between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from enfold.text.sentences import split_sentences

__all__ = ["Part", "in_parts"]


class Part(NamedTuple):
    """A part of a text, and the blanks that stood before it."""

    before: str
    text: str


def in_parts(
    text: str, count: Callable[[Sequence[str]], list[int]], longest: int, *, by_sentence: bool = False
) -> list[Part]:
    """A text as parts of at most ``longest`` tokens, cut between sentences, within one only where it is longer.

    Args:
        text: any text.
        count: texts to their numbers of tokens, special ones included.
        longest: tokens of a part.
        by_sentence: a part for each sentence, instead of as many as fit.

    Returns:
        the parts in order; together with the blanks before each they are the text without blanks at its end.
    """
    pieces = _pieces(text, count, longest)
    if by_sentence:
        return pieces
    parts: list[Part] = []
    sizes = count([piece.text for piece in pieces])
    filled = 0
    for piece, size in zip(pieces, sizes, strict=True):
        if parts and filled + size <= longest:
            last = parts.pop()
            joined = last.text + piece.before + piece.text
            parts.append(Part(last.before, joined))
            filled += size
        else:
            parts.append(piece)
            filled = size
    return parts


def _pieces(text: str, count: Callable[[Sequence[str]], list[int]], longest: int) -> list[Part]:
    """Sentences, those that are too long in halves."""
    pieces: list[Part] = []
    end = 0
    for sentence in split_sentences(text):
        before = text[end : sentence.start]
        for number, own in enumerate(_short(sentence.text, count, longest)):
            pieces.append(Part(before if number == 0 else own.before, own.text))
        end = sentence.end
    return pieces


def _short(text: str, count: Callable[[Sequence[str]], list[int]], longest: int) -> list[Part]:
    """A sentence, halved at a blank near its middle, or anywhere in a script without blanks, until each half fits."""
    if len(text) < 2 or count([text])[0] <= longest:
        return [Part("", text)]
    middle = len(text) // 2
    blanks = [place for place, letter in enumerate(text) if letter.isspace()]
    cut = min(blanks, key=lambda place: abs(place - middle), default=middle)
    first, second = text[:cut].rstrip(), text[cut:].lstrip()
    if not first or not second:
        first, second = text[:middle], text[middle:]
    between = text[len(first) : len(text) - len(second)]
    head, *tail = _short(second, count, longest)
    return [*_short(first, count, longest), Part(between, head.text), *tail]
