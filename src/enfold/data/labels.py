"""Label columns as names: one spelling a class, one type a column, enough examples a class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from enfold.data.identity import normal_form
from enfold.data.tables import kind_of
from enfold.errors import DataError

__all__ = ["LabelColumn", "label_names", "require_classes"]

_WHOLE = re.compile(r"-?\d+(?:\.0+)?")
_NUMBER = re.compile(r"-?\d*\.?\d+(?:[eE][-+]?\d+)?")
_MOST_FRACTIONS = 20
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """The labels of a table, row by row."""

    names: list[str | None]
    """None where a row has no label."""
    spellings: dict[str, str] = field(default_factory=dict)
    """The normal form of each label to the name that stands for it."""
    notes: list[str] = field(default_factory=list)
    """What was merged or rewritten, in words."""

    def name_of(self, label: str) -> str | None:
        """The name that stands for a label however it is spelled; None if the data has no such label."""
        return self.spellings.get(normal_form(label))


def label_names(column: pl.Series, *, source: str) -> LabelColumn:
    """Read a column as label names.

    Whole numbers, also where written ``1.0``, and true/false become names (``"1"``, ``"true"``). Spellings that
    differ by case, width or blanks become the most frequent one (of equally frequent ones the first in order).

    Raises:
        DataError: the values are of mixed types, are fractions, lists or dates, or there is no label at all.
    """
    where = f"column {column.name!r} of {source}"
    spelled, notes = _as_names(column, where)
    counts = Counter(name for name in spelled if name is not None)
    if not counts:
        raise DataError(f"{where} has no labels: all {len(spelled)} rows are empty there")
    by_form: dict[str, list[str]] = {}
    for name in sorted(counts):
        by_form.setdefault(normal_form(name), []).append(name)
    spellings = {}
    for form, names in by_form.items():
        chosen = max(names, key=lambda name: (counts[name], [-ord(letter) for letter in name]))
        spellings[form] = chosen
        if len(names) > 1:
            others = ", ".join(f"{name!r} ({counts[name]})" for name in names if name != chosen)
            notes.append(f"label {chosen!r} ({counts[chosen]} rows) is also spelled {others}: merged")
    _refuse_values(spellings, len(spelled), where)
    return LabelColumn([None if name is None else spellings[normal_form(name)] for name in spelled], spellings, notes)


def require_classes(labels: Sequence[str], *, source: str, rows: Sequence[int] | None = None) -> None:
    """Refuse labels that no classifier can be trained on.

    Args:
        labels: one a distinct text.
        source: what to call the data in messages.
        rows: the row of each text in the data, counted from 1, for the message.

    Raises:
        DataError: there is one class only, or a class has a single example.
    """
    counts = Counter(labels)
    if len(counts) == 1:
        ((name, count),) = counts.items()
        raise DataError(f"{source} has only one class, {name!r} ({count} texts); a classifier needs at least two")
    single = sorted(name for name, count in counts.items() if count == 1)
    if single:
        shown = ", ".join(
            repr(name) + (f" (row {rows[list(labels).index(name)]})" if rows else "") for name in single[:_MOST_SHOWN]
        )
        more = f" and {len(single) - _MOST_SHOWN} more" if len(single) > _MOST_SHOWN else ""
        raise DataError(
            f"{source} has a class with 1 example: {shown}{more}; training and testing need 2 different "
            f"texts at least: add some, or remove or rename the class"
        )


def _as_names(column: pl.Series, where: str) -> tuple[list[str | None], list[str]]:
    dtype = column.dtype
    if dtype == pl.Object:
        raise DataError(_mixed(column, where))
    if dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
        dtype = pl.String()
    if dtype == pl.Boolean:
        return [None if value is None else str(value).lower() for value in column.to_list()], [
            "labels true/false are names"
        ]
    if dtype.is_integer():
        return [None if value is None else str(value) for value in column.to_list()], []
    if dtype.is_float():
        return _from_numbers([None if value is None else repr(value) for value in column.to_list()], where)
    if dtype == pl.Null:
        return [None] * len(column), []
    if dtype != pl.String:
        raise DataError(f"{where} holds {dtype}, which cannot be label names")
    stripped = [" ".join(value.split()) if value else "" for value in column.to_list()]
    names = [value or None for value in stripped]
    present = [name for name in names if name is not None]
    if present and all(_NUMBER.fullmatch(name) for name in present):
        return _from_numbers(names, where)
    return names, []


def _from_numbers(names: list[str | None], where: str) -> tuple[list[str | None], list[str]]:
    present = {name for name in names if name is not None and name != "nan"}
    if all(_WHOLE.fullmatch(name) for name in present):
        notes = ["labels written as 1.0, 2.0, … are the names 1, 2, …"] if any("." in name for name in present) else []
        return [None if name is None or name == "nan" else name.split(".")[0] for name in names], notes
    if len(present) > _MOST_FRACTIONS:
        row = next(row for row, name in enumerate(names, 1) if name and not _WHOLE.fullmatch(name))
        raise DataError(
            f"{where} holds numbers with fractions ({names[row - 1]}, row {row}), {len(present)} different ones; "
            f"classes need names: put the numbers into ranges first"
        )
    return names, []


def _mixed(column: pl.Series, where: str) -> str:
    first: dict[str, tuple[int, object]] = {}
    for row, value in enumerate(column.to_list(), 1):
        if value is not None:
            first.setdefault(kind_of(value), (row, value))
    shown = ", ".join(f"{kind} ({value!r}, row {row})" for kind, (row, value) in first.items())
    if len(first) == 1:
        return f"{where} holds values that cannot be label names: {shown}"
    return f"{where} mixes types: {shown}; write all labels as texts"


def _refuse_values(spellings: dict[str, str], rows: int, where: str) -> None:
    """A column with nearly as many values as rows is an id or a text, not a label."""
    if rows >= 20 and len(spellings) > rows / 2:
        raise DataError(
            f"{where} has {len(spellings)} different values in {rows} rows; these are not labels: "
            f"name another column (--label)"
        )
