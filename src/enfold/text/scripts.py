"""Which script a character, and which a text, is written in (Unicode Standard Annex 24).

Scripts go by their ISO 15924 codes: ``Latn``, ``Cyrl``, ``Hani``, …; ``Zyyy`` is what many scripts share (digits,
punctuation, blanks, symbols), ``Zinh`` what takes the script of the character before it (accents), ``Zzzz`` unassigned.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import cache

from enfold.text.script_ranges import RANGES, SCRIPT_NAMES

__all__ = ["SCRIPT_NAMES", "main_script", "script_of", "script_runs", "script_shares"]

_SHARED = ("Zyyy", "Zinh", "Zzzz")
_NO_CHARACTERS = ("Cn", "Co", "Cs")
_JAPANESE = {"Hira", "Kana"}


@cache
def _table() -> tuple[list[int], list[int], list[str]]:
    """Where each range begins, where it ends, and its script."""
    found = []
    for line in RANGES.strip().splitlines():
        script, *ranges = line.split()
        for one in ranges:
            first, _, last = one.partition("-")
            found.append((int(first, 16), int(last or first, 16), script))
    found.sort()
    starts, ends, scripts = zip(*found, strict=True)
    return list(starts), list(ends), list(scripts)


def script_of(character: str) -> str:
    """The script of one character."""
    starts, ends, scripts = _table()
    number = ord(character)
    place = bisect_right(starts, number) - 1
    if place >= 0 and number <= ends[place]:
        return scripts[place]
    return "Zzzz" if unicodedata.category(character) in _NO_CHARACTERS else "Zyyy"


def script_shares(text: str) -> dict[str, float]:
    """Each script of a text with its share of the characters that belong to one, the largest first; empty where none
    does."""
    counts = Counter(script_of(character) for character in text)
    for shared in _SHARED:
        counts.pop(shared, None)
    total = counts.total()
    return {script: count / total for script, count in counts.most_common()}


def main_script(text: str) -> str | None:
    """The script that most of a text is written in; None for one without letters.

    Japanese is ``Jpan`` where there is any kana beside Chinese characters, since no other language has it.
    """
    shares = script_shares(text)
    if not shares:
        return None
    japanese = sum(shares.get(script, 0.0) for script in _JAPANESE)
    first = next(iter(shares))
    if japanese and japanese + shares.get("Hani", 0.0) > 0.5:
        return "Jpan" if "Hani" in shares or len(_JAPANESE & shares.keys()) > 1 else first
    return first


def script_runs(text: str) -> Iterator[tuple[int, int, str]]:
    """Stretches of a text in one script: start, end (exclusive), script.

    What scripts share goes with the stretch before it, or at the beginning with the one after it. A text without
    letters is one stretch of ``Zyyy``.
    """
    start, current = 0, ""
    for place, character in enumerate(text):
        script = script_of(character)
        if script in _SHARED or script == current:
            continue
        if current:
            yield start, place, current
            start = place
        current = script
    if text:
        yield start, len(text), current or "Zyyy"
