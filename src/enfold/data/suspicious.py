"""Rows whose label looks wrong: twins that disagree, and a simple model that is sure of something else.

The second is confident learning in its plainest form (Northcutt, Jiang and Chuang 2021): each row is judged by a
TF-IDF + logistic regression model that did not see it, nor any near duplicate of it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Suspicious", "disagreeing_groups", "doubtful_labels"]

_FOLDS = 3
_FEWEST_ROWS = 60
_MOST_ROWS = 10_000
_MOST_CHARACTERS = 1500
_SURE, _DOUBTED = 0.9, 0.05
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Suspicious:
    """A row to look at."""

    id: str
    text: str
    """Its beginning, 120 characters at most."""
    label: str
    other: str
    """The label its twin has, or that the model is sure of."""
    reason: str
    """``near texts disagree`` or ``a model disagrees``."""
    score: float
    """How sure, from 0 to 1: the share of the group's other labels, or the model's probability."""


def excerpt(text: str, length: int = 120) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def disagreeing_groups(
    ids: Sequence[str], texts: Sequence[str], labels: Sequence[str], groups: Sequence[str]
) -> list[Suspicious]:
    """Rows of near-duplicate groups whose labels differ: those that the majority of the group contradicts.

    Where no label has a majority, all rows but those of the label that comes first by name.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for position, group in enumerate(groups):
        members[group].append(position)
    found = []
    for group in sorted(members):
        inside = [labels[position] for position in members[group]]
        if len(set(inside)) == 1:
            continue
        usual = min(set(inside), key=lambda name: (-inside.count(name), name))
        for position in members[group]:
            if labels[position] != usual:
                share = inside.count(usual) / len(inside)
                row = Suspicious(
                    ids[position], excerpt(texts[position]), labels[position], usual, "near texts disagree", share
                )
                found.append(row)
    return sorted(found, key=lambda row: (-row.score, row.id))


def doubtful_labels(
    ids: Sequence[str], texts: Sequence[str], labels: Sequence[str], groups: Sequence[str]
) -> list[Suspicious]:
    """Rows whose label a model trained on the other groups finds very unlikely, the surest first.

    At most 10,000 rows are looked at, chosen by id. Under 60 rows nothing can be said.
    """
    order = sorted(range(len(ids)), key=lambda position: ids[position])[:_MOST_ROWS]
    names = sorted({labels[position] for position in order})
    if len(order) < _FEWEST_ROWS or len(names) < 2:
        return []
    targets = np.array([names.index(labels[position]) for position in order])
    folds = np.array([int(groups[position][-8:], 16) % _FOLDS for position in order])
    scores = _out_of_fold([texts[position][:_MOST_CHARACTERS] for position in order], targets, folds, len(names))
    guesses = scores.argmax(axis=1)
    rows = np.arange(len(order))
    doubtful = (guesses != targets) & (scores[rows, guesses] >= _SURE) & (scores[rows, targets] <= _DOUBTED)
    found = [
        Suspicious(
            ids[order[row]],
            excerpt(texts[order[row]]),
            labels[order[row]],
            names[guesses[row]],
            "a model disagrees",
            round(float(scores[row, guesses[row]]), 4),
        )
        for row in np.flatnonzero(doubtful).tolist()
    ]
    return sorted(found, key=lambda row: (-row.score, row.id))


def _out_of_fold(texts: list[str], targets: np.ndarray, folds: np.ndarray, classes: int) -> np.ndarray:
    """Probabilities, shape (rows, classes), of each row from the model of the other folds."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    sample = "".join(texts[:500])
    by_character = len(_UNSPACED.findall(sample)) > 0.2 * max(len(sample), 1)
    options = {"analyzer": "char", "ngram_range": (1, 2)} if by_character else {"token_pattern": r"(?u)\b\w+\b"}
    features = TfidfVectorizer(min_df=2, max_features=50_000, sublinear_tf=True, **options)
    try:
        matrix = features.fit_transform(texts)
    except ValueError:  # no word occurs twice
        return np.zeros((len(texts), classes))
    scores = np.zeros((len(texts), classes))
    # The solver's products are tiny: more threads only wait for each other, on a busy machine for minutes.
    with threadpool_limits(1):
        for fold in range(_FOLDS):
            held, seen = folds == fold, folds != fold
            if not held.any() or len(set(targets[seen].tolist())) < 2:
                continue
            model = LogisticRegression(C=5.0, max_iter=200).fit(matrix[seen], targets[seen])
            scores[np.ix_(np.flatnonzero(held), model.classes_)] = model.predict_proba(matrix[held])
    return scores
