"""ROUGE (Lin, 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"): how much of a summary is shared.

ROUGE-1 and ROUGE-2 count shared words and pairs of words (section 2), ROUGE-L the longest sequence of words that stands
in both in this order (section 3.1). Each is a precision, a recall and their harmonic mean; the score of a set of texts
is the mean over them. Words are not stemmed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from enfold.errors import InputError

__all__ = ["Overlap", "RougeScores", "rouge", "words_of"]

# Scripts that put no blank between words: each character counts as one.
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two texts share."""

    precision: float
    """The share of the prediction that is in the reference."""
    recall: float
    """The share of the reference that is in the prediction."""
    f1: float
    """The harmonic mean of the two; of several texts, the mean of theirs."""


@dataclass(frozen=True, slots=True)
class RougeScores:
    """The scores of a set of texts, each from 0 to 1."""

    rouge1: Overlap
    rouge2: Overlap
    rougeL: Overlap  # noqa: N815  (the field's name for it)

    @property
    def metrics(self) -> dict[str, float]:
        """The F1 of each, by the name it is reported under."""
        return {"rouge1": self.rouge1.f1, "rouge2": self.rouge2.f1, "rougeL": self.rougeL.f1}


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation; in Chinese and Japanese each character is one."""
    return _WORD.findall(text.lower())


def rouge(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str]],
    *,
    words: Callable[[str], Sequence[str]] = words_of,
) -> RougeScores:
    """Compare texts that were written with those that were asked for.

    Args:
        predictions: what was written.
        references: for each the text that is right, or several; the one that fits best counts, for each score.
        words: from a text to its words.

    Raises:
        InputError: the numbers of texts differ, there are none, or a text has no reference.
    """
    if len(predictions) != len(references):
        raise InputError(f"{len(predictions)} predictions but {len(references)} references: there must be as many")
    if not len(predictions):
        raise InputError("there are no texts to score; give at least one")
    found: list[tuple[Overlap, ...]] = []
    for number, (prediction, given) in enumerate(zip(predictions, references, strict=True)):
        right = [given] if isinstance(given, str) else list(given)
        if not right:
            raise InputError(f"text {number} has no reference to compare it with")
        mine = words(prediction)
        pairs = [_scores(mine, words(one)) for one in right]
        found.append(tuple(max(kind, key=lambda score: score.f1) for kind in zip(*pairs, strict=True)))
    return RougeScores(*(_mean(kind) for kind in zip(*found, strict=True)))


def _scores(mine: Sequence[str], right: Sequence[str]) -> tuple[Overlap, Overlap, Overlap]:
    parts = []
    for n in (1, 2):
        left, other = _ngrams(mine, n), _ngrams(right, n)
        parts.append(_overlap((left & other).total(), left.total(), other.total()))
    return parts[0], parts[1], _overlap(_longest_shared(mine, right), len(mine), len(right))


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def _longest_shared(mine: Sequence[str], right: Sequence[str]) -> int:
    """How many words the longest common subsequence has, row by row of the usual table."""
    above = [0] * (len(right) + 1)
    for word in mine:
        row = [0]
        for place, other in enumerate(right):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[place]))
        above = row
    return above[-1]


def _overlap(shared: int, mine: int, right: int) -> Overlap:
    precision, recall = (shared / mine if mine else 0.0), (shared / right if right else 0.0)
    return Overlap(precision, recall, 2 * shared / (mine + right) if shared else 0.0)


def _mean(scores: Sequence[Overlap]) -> Overlap:
    count = len(scores)
    return Overlap(
        sum(one.precision for one in scores) / count,
        sum(one.recall for one in scores) / count,
        sum(one.f1 for one in scores) / count,
    )
