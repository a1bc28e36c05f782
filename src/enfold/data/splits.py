"""Training, validation and test: drawn by content, kept for ever.

Near duplicates stay together. A new group goes where the hash of its label and its id says, so that the
shares are approximate within each label, and neither the order of rows nor other rows decide. What was decided is
kept in a ledger, and the ledger comes first:

- a row once in a split stays there, also when it was away for a while;
- a new row near rows of one split joins them, so that a new row near a test row goes to test;
- a new row near rows of two splits is left out, since either place would leak into the other;
- should rows of two splits be near each other (after a row comes back), test outranks validation and
  validation training; the lesser are left out and keep their place in the ledger.

A label that the hash left without any text in some split gets its nearest new group moved there, training first,
then test, then validation; a label with too few groups for that is named.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import polars as pl

from enfold.data.duplicates import NearDuplicates
from enfold.data.parquet import write_parquet
from enfold.errors import DataError, SettingsError

__all__ = ["Assignment", "Shares", "Split", "SplitLedger", "assign_splits"]

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
# Which wins where near rows were put apart; also the order in which a small class is spread.
_RANK: dict[str, int] = {"test": 0, "validation": 1, "train": 2}
_NEEDED: tuple[Split, ...] = ("train", "test", "validation")


@dataclass(frozen=True, slots=True)
class Shares:
    """Which share of the groups of each label goes where; the three add up to 1."""

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in SPLITS}
        shown = ", ".join(f"{name} {share}" for name, share in given.items())
        if any(not 0 <= share <= 1 for share in given.values()) or self.train <= 0:
            raise SettingsError(f"shares must lie between 0 and 1 and leave something to train on; they are: {shown}")
        if abs(sum(given.values()) - 1) > 1e-6:
            raise SettingsError(f"shares must add up to 1; they are: {shown}, together {sum(given.values()):g}")

    def at(self, fraction: float) -> Split:
        """The split of a place between 0 and 1."""
        if fraction < self.test:
            return "test"
        return "validation" if fraction < self.test + self.validation else "train"


@dataclass(frozen=True, slots=True)
class SplitLedger:
    """Which text is in which split, by content id. Rows are added, never changed and never removed."""

    splits: Mapping[str, Split] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "splits", MappingProxyType(dict(self.splits)))

    def __len__(self) -> int:
        return len(self.splits)

    def __contains__(self, row: object) -> bool:
        return row in self.splits

    def __getitem__(self, row: str) -> Split:
        return self.splits[row]

    def with_rows(self, rows: Mapping[str, Split]) -> SplitLedger:
        """The ledger and some more rows.

        Raises:
            DataError: a row is in another split already.
        """
        for row, split in rows.items():
            if self.splits.get(row, split) != split:
                raise DataError(
                    f"row {row} is in {self.splits[row]} and cannot be put into {split}: splits are kept for ever"
                )
        return SplitLedger({**self.splits, **rows})

    @classmethod
    def load(cls, path: str | Path) -> SplitLedger:
        """Read a ledger; where there is no file yet, an empty one.

        Raises:
            DataError: the file is no ledger. It is not drawn anew in silence: test rows would become training rows.
        """
        file = Path(path)
        if not file.exists():
            return cls()
        way_out = "restore it from a copy; deleting it draws new splits, after which old test scores mean nothing"
        try:
            table = pl.read_parquet(file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(
                f"the split ledger {file} cannot be read ({str(error).splitlines()[0]}); {way_out}"
            ) from error
        if not {"id", "split"} <= set(table.columns) or not set(table["split"].unique().to_list()) <= set(SPLITS):
            raise DataError(f"{file} is not a split ledger (columns id and split); {way_out}")
        return cls(dict(zip(table["id"].to_list(), table["split"].to_list(), strict=True)))

    def save(self, path: str | Path) -> None:
        """Write the ledger as Parquet, whole or not at all, ordered by id.

        Raises:
            EnfoldError: the disk is full.
        """
        rows = sorted(self.splits.items())
        table = pl.DataFrame(
            {"id": [row for row, _ in rows], "split": [split for _, split in rows]},
            schema={"id": pl.String, "split": pl.String},
        )
        write_parquet(table, path)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where each row went."""

    splits: list[Split | None]
    """One a row; None for a row that is left out."""
    groups: list[str]
    """The near-duplicate group of each row: the smallest content id in it."""
    left_out: dict[int, str]
    """Why, for each position that is left out."""
    ledger: SplitLedger
    notes: list[str]


@dataclass(slots=True)
class _Group:
    label: str
    split: Split
    fraction: float
    new: bool


def assign_splits(
    ids: Sequence[str],
    labels: Sequence[str],
    near: NearDuplicates,
    *,
    shares: Shares,
    ledger: SplitLedger | None = None,
) -> Assignment:
    """Put rows into splits.

    Args:
        ids: content ids, all different.
        labels: one a row.
        near: the near duplicates of texts whose first ``len(ids)`` are the rows' texts.
        shares: how much goes where.
        ledger: what was decided before.

    Returns:
        The splits, the groups and the ledger with the new rows.
    """
    ledger = ledger or SplitLedger()
    left_out: dict[int, str] = {}
    splits: list[Split | None] = [ledger.splits.get(row) for row in ids]
    known = [position for position, split in enumerate(splits) if split is not None]
    for members in _components(near, known):
        first = min((splits[position] for position in members), key=lambda split: _RANK[str(split)])
        for position in members:
            if splits[position] != first:
                left_out[position] = f"in {splits[position]} before, and near a {first} row"
                splits[position] = None

    components = _components(near, [position for position in range(len(ids)) if position not in left_out])
    bridges = _bridges(components, splits)
    if bridges:
        # Without them, what they tied together falls apart again.
        left_out.update(bridges)
        components = _components(near, [position for position in range(len(ids)) if position not in left_out])
    groups = list(ids)
    for members in components:
        group = min(ids[position] for position in members)
        for position in members:
            groups[position] = group
    notes = _fill(components, ids, labels, splits, groups, shares)
    added = {ids[position]: split for position, split in enumerate(splits) if split is not None}
    return Assignment(splits, groups, left_out, ledger.with_rows(added), notes)


def _components(near: NearDuplicates, positions: list[int]) -> list[list[int]]:
    if not positions:
        return []
    members: dict[int, list[int]] = defaultdict(list)
    for position, group in zip(positions, near.groups(positions), strict=True):
        members[group].append(position)
    return list(members.values())


def _bridges(components: list[list[int]], splits: Sequence[Split | None]) -> dict[int, str]:
    """New rows that are near rows of more than one split, and which splits those are."""
    found = {}
    for members in components:
        held = sorted({str(splits[position]) for position in members if splits[position] is not None})
        if len(held) > 1:
            reason = f"near rows of {' and '.join(held)}"
            found.update({position: reason for position in members if splits[position] is None})
    return found


def _fill(
    components: list[list[int]],
    ids: Sequence[str],
    labels: Sequence[str],
    splits: list[Split | None],
    groups: list[str],
    shares: Shares,
) -> list[str]:
    """Give every row without a split that of its group; new groups are drawn. Returns what to say."""
    by_label: dict[str, list[_Group]] = defaultdict(list)
    drawn: list[tuple[_Group, list[int]]] = []
    for members in components:
        held = next((splits[position] for position in members if splits[position] is not None), None)
        counts = Counter(labels[position] for position in members)
        label = min(counts, key=lambda name: (-counts[name], name))
        fraction = _fraction(label, groups[members[0]])
        group = _Group(label, held or shares.at(fraction), fraction, held is None)
        by_label[label].append(group)
        drawn.append((group, members))
    for label in sorted(by_label):
        _spread(by_label[label], shares)
    for group, members in drawn:
        for position in members:
            splits[position] = splits[position] or group.split
    return _too_small(labels, splits, shares)


def _fraction(label: str, group: str) -> float:
    digest = hashlib.sha256(f"{label}\0{group}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _spread(groups: list[_Group], shares: Shares) -> None:
    """Move new groups of one label so that each split has one, as far as they go."""
    wanted = [split for split in _NEEDED if getattr(shares, split) > 0]
    for split in wanted:
        held = Counter(group.split for group in groups)
        if held[split]:
            continue
        # Training may take the last group of a lesser split; the others only what leaves one behind.
        spare = 0 if split == "train" else 1
        movable = [group for group in groups if group.new and held[group.split] > spare]
        if movable:
            min(movable, key=lambda group: (-held[group.split], group.fraction)).split = split


def _too_small(labels: Sequence[str], splits: Sequence[Split | None], shares: Shares) -> list[str]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for label, split in zip(labels, splits, strict=True):
        if split is not None:
            counts[label][split] += 1
    notes = []
    for label in sorted(counts):
        missing = [split for split in SPLITS if getattr(shares, split) > 0 and not counts[label][split]]
        if missing:
            notes.append(
                f"class {label!r} is too small for every split: {counts[label].total()} different texts, "
                f"none in {' or '.join(missing)}"
            )
    return notes
