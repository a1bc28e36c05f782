"""The distinct texts of a table: exact duplicates become one row, with the label most of them have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from enfold.data.identity import content_id

__all__ = ["Contradiction", "DistinctRows", "Row", "distinct_rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """A distinct text."""

    id: str
    text: str
    label: str
    number: int
    """Where it first is in the data, counted from 1."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A text that the data gives several labels."""

    id: str
    text: str
    counts: dict[str, int]
    """How many rows say what, the most frequent first."""
    chosen: str | None
    """The label that most rows have; None where none has a majority, and the text is left out."""


@dataclass(frozen=True, slots=True)
class DistinctRows:
    """The rows that stand for all, ordered by id, and what became of the others."""

    rows: list[Row]
    empty: int
    unlabelled: int
    exact: int
    """Rows for which another row with the same text stands."""
    contradictory: int
    """Rows left out because their text has several labels, none with a majority."""
    contradictions: list[Contradiction]


def distinct_rows(texts: Sequence[str], labels: Sequence[str | None]) -> DistinctRows:
    """Make one row of all rows with the same content id; which one does not depend on their order."""
    alike: dict[str, list[int]] = defaultdict(list)
    empty = unlabelled = 0
    for position, (text, label) in enumerate(zip(texts, labels, strict=True)):
        if not text:
            empty += 1
        elif label is None:
            unlabelled += 1
        else:
            alike[content_id(text)].append(position)
    rows, contradictions = [], []
    exact = contradictory = 0
    for row, positions in sorted(alike.items()):
        # Of spellings of one text that differ by case or blanks, the first in order.
        text = min(texts[position] for position in positions)
        counts = Counter(str(labels[position]) for position in positions)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        chosen = ranked[0][0] if len(ranked) == 1 or ranked[0][1] > ranked[1][1] else None
        if len(ranked) > 1:
            contradictions.append(Contradiction(row, text, dict(ranked), chosen))
        if chosen is None:
            contradictory += len(positions)
            continue
        exact += len(positions) - 1
        rows.append(Row(row, text, chosen, positions[0] + 1))
    return DistinctRows(rows, empty, unlabelled, exact, contradictory, contradictions)
