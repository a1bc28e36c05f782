"""Invented texts of varied lengths, for measurements where the user gives none."""

from __future__ import annotations

import math
import random

__all__ = ["invented_sentence", "invented_texts"]

_WHO = (
    "the baker", "my neighbour", "a retired teacher", "our ferry captain", "the night nurse", "someone from accounts",
    "the youngest of the three sisters", "an engineer from Porto", "the committee", "half of the village",
    "a reviewer who had read the book twice", "the new goalkeeper", "her uncle", "the tenant on the third floor",
)  # fmt: skip
_DID = (
    "repaired", "returned", "complained about", "praised", "photographed", "sold", "forgot", "measured", "painted",
    "found a use for", "wrote a long letter about", "laughed at", "waited three weeks for", "could not explain",
)  # fmt: skip
_WHAT = (
    "the old bridge", "a box of green lamps", "the late train", "an excellent bowl of soup", "half of the film",
    "a broken keyboard", "the museum's garden", "two tickets to the opera", "the annual report", "a very small boat",
    "the recipe for plum cake", "a map of the harbour", "the noise in the lift", "that disappointing hotel",
)  # fmt: skip
_WHEN = (
    "before sunrise", "in the middle of winter", "on a Tuesday", "after the storm had passed", "without being asked",
    "although nobody had noticed", "because the price had doubled", "for the first time since 1987", "in Lisbon",
    "while the others slept", "with more patience than skill", "and was glad of it", "to everyone's surprise", "again",
)  # fmt: skip
_ENDS = (".", ".", ".", ".", "!", "?", "; that much is certain.", ", or so the newspaper said.")


def invented_sentence(chance: random.Random) -> str:
    """One sentence of 6 to 30 words."""
    parts = [chance.choice(_WHO), chance.choice(_DID), chance.choice(_WHAT)]
    parts += chance.sample(_WHEN, chance.choice((0, 1, 1, 2, 3)))
    sentence = " ".join(parts)
    return sentence[0].upper() + sentence[1:] + chance.choice(_ENDS)


def invented_texts(count: int = 64, *, median: int = 40, longest: int = 350, seed: int = 0) -> list[str]:
    """Texts whose lengths in words are log-normal, as those of real messages and reviews are.

    Args:
        count: how many.
        median: words of the middle one.
        longest: words of a text at most.
        seed: the same seed gives the same texts.
    """
    chance = random.Random(seed)
    texts = []
    for _ in range(count):
        wanted = min(longest, max(3, round(chance.lognormvariate(math.log(median), 0.8))))
        words: list[str] = []
        while len(words) < wanted:
            words += invented_sentence(chance).split()
        texts.append(" ".join(words[:wanted]))
    return texts
