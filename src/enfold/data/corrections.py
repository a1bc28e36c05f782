"""What users corrected, merged into the training rows and into nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from enfold.data.duplicates import NearDuplicates
from enfold.data.identity import content_id
from enfold.data.labels import LabelColumn
from enfold.data.repair import repair_text
from enfold.data.rows import Row
from enfold.data.splits import Assignment
from enfold.errors import DataError, near

__all__ = ["Corrected", "Correction", "apply_corrections", "read_corrections"]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Correction:
    """A text and the label a user says is right."""

    id: str
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of the corrections."""

    added: list[tuple[Correction, str]] = field(default_factory=list)
    """New training rows, each with its near-duplicate group."""
    relabelled: dict[str, str] = field(default_factory=dict)
    """The new label of each training row that gets one, by content id."""
    confirmed: int = 0
    """Corrections that say what a training row says already."""
    left_out: list[tuple[Correction, str]] = field(default_factory=list)
    """Corrections that were not taken, and why."""

    def notes(self) -> list[str]:
        """What was done, in words. Texts are named by the beginning of their id: they are users' own."""
        lines = []
        if self.added:
            lines.append(f"{len(self.added)} corrections became training rows")
        if self.relabelled:
            shown = _some([f"{row[:8]} to {label!r}" for row, label in sorted(self.relabelled.items())])
            lines.append(f"corrections changed the label of {len(self.relabelled)} training rows: {shown}")
        if self.confirmed:
            lines.append(f"{self.confirmed} corrections say what a training row says already")
        reasons: dict[str, list[str]] = defaultdict(list)
        for correction, reason in self.left_out:
            reasons[reason].append(correction.id[:8])
        for reason, rows in sorted(reasons.items()):
            lines.append(f"corrections left out, {reason}: {len(rows)} ({_some(sorted(rows))})")
        return lines


def read_corrections(table: pl.DataFrame | None) -> list[Correction]:
    """Read the columns ``text`` and ``label``; texts are mended as those of the data are. Ordered by id.

    Raises:
        DataError: a column is missing or does not hold texts.
    """
    if table is None or table.height == 0:
        return []
    for name in ("text", "label"):
        if name not in table.columns:
            raise DataError(
                f"column {name!r} not in the corrections; it has: {', '.join(table.columns)}{near(name, table.columns)}"
            )
        if table.schema[name] != pl.String or table[name].null_count():
            raise DataError(f"column {name!r} of the corrections must hold texts in every row")
    texts = [repair_text(text) for text in table["text"].to_list()]
    pairs = zip(texts, table["label"].to_list(), strict=True)
    return sorted(
        (Correction(content_id(text), text, label) for text, label in pairs),
        key=lambda item: (item.id, item.label, item.text),
    )


def apply_corrections(
    corrections: Sequence[Correction],
    rows: Sequence[Row],
    assigned: Assignment,
    near: NearDuplicates,
    names: LabelColumn,
) -> Corrected:
    """Decide on each correction.

    Args:
        corrections: in the order of ``near``.
        rows: the distinct rows of the data.
        assigned: where those went.
        near: the near duplicates of the rows' texts followed by the corrections' texts.
        names: the labels of the data.
    """
    done = Corrected()
    if not corrections:
        return done
    place = {row.id: position for position, row in enumerate(rows)}
    said: dict[str, set[str | None]] = defaultdict(set)
    for correction in corrections:
        said[correction.id].add(names.name_of(correction.label))
    kept = [position for position in range(len(rows)) if position not in assigned.left_out]
    looked_at = kept + list(range(len(rows), len(rows) + len(corrections)))
    components = dict(zip(looked_at, near.groups(looked_at), strict=True))
    held: dict[int, Counter[str]] = defaultdict(Counter)
    train_groups: dict[int, str] = {}
    for position in kept:
        component = components[position]
        held[component][str(assigned.splits[position])] += 1
        train_groups[component] = min(train_groups.get(component, assigned.groups[position]), assigned.groups[position])
    new_groups: dict[int, str] = {}
    for index, correction in enumerate(corrections):
        component = components[len(rows) + index]
        new_groups[component] = min(new_groups.get(component, correction.id), correction.id)

    seen: set[str] = set()
    confirmed = 0
    for index, correction in enumerate(corrections):
        component = components[len(rows) + index]
        label = names.name_of(correction.label)
        reason = _reason(correction, label, said[correction.id], held[component], place.get(correction.id), assigned)
        if reason is not None:
            done.left_out.append((correction, reason))
        elif correction.id in seen:
            confirmed += 1
        elif correction.id in place:
            if rows[place[correction.id]].label == label:
                confirmed += 1
            else:
                done.relabelled[correction.id] = str(label)
        else:
            group = train_groups.get(component, new_groups[component])
            done.added.append((Correction(correction.id, correction.text, str(label)), group))
        seen.add(correction.id)
    return Corrected(done.added, done.relabelled, confirmed, done.left_out)


def _reason(
    correction: Correction,
    label: str | None,
    said: set[str | None],
    held: Counter[str],
    place: int | None,
    assigned: Assignment,
) -> str | None:
    """Why a correction is not taken, or None."""
    if not correction.text:
        return "without text"
    if label is None:
        return f"with a label the data does not have ({correction.label!r})"
    if len(said) > 1:
        return "contradicted by another correction of the same text"
    before = assigned.ledger.splits.get(correction.id)
    for split in ("test", "validation"):
        if before == split or held[split]:
            return f"near a {split} row"
    if place is not None and place in assigned.left_out:
        return "of a text that was left out itself"
    return None


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
