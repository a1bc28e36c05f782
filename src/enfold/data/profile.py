"""What a data set is like: printed when it is prepared, kept as JSON beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from enfold.data.repair import Repairs
from enfold.data.suspicious import Suspicious

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Lengths", "Profile"]

_QUANTILES = {
    "shortest": 0.0,
    "5 %": 0.05,
    "25 %": 0.25,
    "median": 0.5,
    "75 %": 0.75,
    "95 %": 0.95,
    "99 %": 0.99,
    "longest": 1.0,
}
_MOST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the texts are."""

    unit: str
    """``tokens``, or ``characters`` where no tokenizer was given."""
    mean: float
    quantiles: dict[str, int]
    """From ``shortest`` to ``longest``."""
    total: int
    context: int | None = None
    """The most tokens the model reads at once."""
    beyond: float | None = None
    """Share of the texts that are longer than that, from 0 to 1."""

    @classmethod
    def of(cls, lengths: Sequence[int], *, unit: str, context: int | None = None) -> Lengths:
        """Sum up the lengths of some texts, at least one."""
        values = np.asarray(lengths)
        quantiles = {name: int(np.quantile(values, at, method="nearest")) for name, at in _QUANTILES.items()}
        beyond = float((values > context).mean()) if context is not None else None
        return cls(unit, float(values.mean()), quantiles, int(values.sum()), context, beyond)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A data set in numbers and words."""

    source: str
    text_column: str
    label_column: str
    rows: int
    """Rows of the file."""
    kept: int
    """Rows of the prepared table that came from the file."""
    corrections: int
    """Rows that carry a label from feedback."""
    classes: dict[str, dict[str, int]]
    """Rows of each label in each split."""
    lengths: Lengths
    empty_texts: int
    unlabelled: int
    exact_duplicates: int
    """Rows left out because the same text came before."""
    contradictory: int
    """Rows left out because the same text has several labels and none has a majority."""
    near_groups: int
    """Groups of two or more different texts that are near duplicates."""
    near_rows: int
    """Texts in such groups."""
    left_out: int
    """Rows that were left out to keep the splits apart."""
    repairs: Repairs
    suspicious: list[Suspicious] = field(default_factory=list)
    """The rows to look at first; at most 50."""
    suspicious_found: int = 0
    """How many there are in all."""
    notes: list[str] = field(default_factory=list)
    """What was decided on the way and should be known."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Profile:
        """Read what :meth:`to_json` wrote."""
        return cls(
            **{
                **value,
                "lengths": Lengths(**value["lengths"]),
                "repairs": Repairs(**value["repairs"]),
                "suspicious": [Suspicious(**row) for row in value["suspicious"]],
            }
        )

    @property
    def splits(self) -> dict[str, int]:
        """Rows of each split."""
        counts: Counter[str] = Counter()
        for split in self.classes.values():
            counts.update(split)
        return dict(counts)

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.markup import escape
        from rich.table import Table
        from rich.text import Text

        splits = [
            split for split in ("train", "validation", "test") if any(split in row for row in self.classes.values())
        ]
        balance = Table(title=f"{escape(self.source)}: {self.kept:,} of {self.rows:,} rows", title_justify="left")
        for heading in ("label", "share", *splits):
            balance.add_column(heading, justify="left" if heading == "label" else "right")
        everything = sum(sum(row.values()) for row in self.classes.values())
        for name, row in sorted(self.classes.items(), key=lambda item: (-sum(item[1].values()), item[0])):
            share = sum(row.values()) / max(everything, 1)
            balance.add_row(escape(name), f"{share:.1%}", *(f"{row.get(split, 0):,}" for split in splits))
        parts: list[RenderableType] = [balance, Text(self._lengths_line())]
        parts += [Text(line) for line in self._counts()]
        parts += [Text(f"note: {note}") for note in self.notes]
        if self.suspicious:
            parts.append(Text(f"labels to look at: {self.suspicious_found:,}", style="bold"))
            parts += [
                Text(
                    f"  {row.label} → {row.other or '?'}  ({row.reason})  {row.text}", no_wrap=True, overflow="ellipsis"
                )
                for row in self.suspicious[:_MOST_SHOWN]
            ]
        return Group(*parts)

    def _lengths_line(self) -> str:
        at = self.lengths.quantiles
        line = (
            f"lengths in {self.lengths.unit}: median {at['median']:,}, 95 % under {at['95 %']:,}, "
            f"longest {at['longest']:,}, {self.lengths.total:,} in all"
        )
        if self.lengths.context is not None:
            line += f"; {self.lengths.beyond:.1%} beyond the model's {self.lengths.context}"
        return line

    def _counts(self) -> list[str]:
        lines = [
            ("rows without text, left out", self.empty_texts),
            ("rows without label, left out", self.unlabelled),
            ("exact duplicates, left out", self.exact_duplicates),
            ("rows with contradictory labels, left out", self.contradictory),
            ("rows left out to keep the splits apart", self.left_out),
            ("near duplicates, each group in one split", self.near_rows),
            ("labels from feedback", self.corrections),
            ("mended: encoding", self.repairs.encoding),
            ("mended: HTML", self.repairs.html),
            ("mended: control or invisible characters", self.repairs.control),
        ]
        return [f"{what}: {count:,}" for what, count in lines if count]
