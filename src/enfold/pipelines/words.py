"""Which tokens make one word, in any script.

A tokenizer's own words are what it splits at before it looks at its vocabulary. Where that is at blanks, a "word" of
Chinese, Japanese or Thai is a whole sentence, and one of English has its comma. So a word here also ends at
punctuation and at every character of a script that is written without blanks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["words_of_tokens"]

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x20000, 0x3FFFF),  # Han, extensions B and later
)


def words_of_tokens(
    text: str, offsets: Sequence[tuple[int, int]], word_ids: Sequence[int | None]
) -> list[tuple[int, int]]:
    """The words of a row of tokens: (first token, one past the last).

    Args:
        text: what the offsets index.
        offsets: the characters of each token.
        word_ids: the tokenizer's own word of each token.
    """
    words: list[tuple[int, int]] = []
    for place, (start, end) in enumerate(offsets):
        goes_on = (
            place > 0
            and word_ids[place] is not None
            and word_ids[place] == word_ids[place - 1]
            and _joined(text, offsets[place - 1], (start, end))
        )
        if goes_on:
            words[-1] = (words[-1][0], place + 1)
        else:
            words.append((place, place + 1))
    return words


def _joined(text: str, before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Whether two neighbouring tokens can belong to one word, by the characters where they meet."""
    if before == after:  # the bytes of one character
        return True
    if before[1] == before[0] or after[1] == after[0]:
        return True
    if before[1] < after[0]:
        return False
    return _in_word(text[before[1] - 1]) and _in_word(text[after[0]])


def _in_word(character: str) -> bool:
    if any(low <= ord(character) <= high for low, high in _UNSPACED):
        return False
    return character.isalnum() or unicodedata.category(character).startswith("M")
