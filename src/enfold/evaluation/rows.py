"""Labelled rows out of whatever form the data is in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from enfold.errors import DataError, near
from enfold.evaluation.answers import LabelledRows
from enfold.values import LabelSet

if TYPE_CHECKING:
    import polars

__all__ = ["labelled_rows"]


def labelled_rows(
    data: Any, *, text: str = "text", label: str = "label", labels: LabelSet | None = None, source: str | None = None
) -> LabelledRows:
    """Read texts and right labels.

    Args:
        data: what :func:`enfold.data.as_table` accepts: rows, a table, a ``datasets.Dataset``, a path.
        text: name of the text column.
        label: name of the label column. Labels are names; a whole number that is no name counts as the model's
            own number of a label.
        labels: labels of the model, to read such numbers by.
        source: what to call the data in messages and reports; by default its path, or ``"the data"``.

    Raises:
        DataError: a column is missing, there are no rows, or a row lacks its text or label.
    """
    from enfold.data import as_table

    if source is None:
        source = str(data) if isinstance(data, (str, Path)) else "the data"
    table = as_table(data, source=source)
    if not table.height:
        raise DataError(f"{source} has no rows to evaluate on")
    texts, names = _column(table, text, source), _column(table, label, source)
    for row, (value, name) in enumerate(zip(texts, names, strict=True), 1):
        if not isinstance(value, str):
            raise DataError(f"row {row} of {source} has no text: {text!r} holds {value!r}")
        if name is None or name == "":
            raise DataError(f"row {row} of {source} has no label: {label!r} is empty")
    return LabelledRows(
        texts=tuple(texts),
        labels=tuple(_name(name, labels) for name in names),
        source=source,
        columns={name: table[name].to_list() for name in table.columns if name not in (text, label)},
    )


def _column(table: polars.DataFrame, name: str, source: str) -> list[Any]:
    if name not in table.columns:
        known = ", ".join(table.columns)
        raise DataError(f"column {name!r} not in {source}; it has: {known}{near(name, table.columns)}")
    return table[name].to_list()


def _name(value: Any, labels: LabelSet | None) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    name = str(value)
    if isinstance(value, int) and labels is not None and name not in labels and 0 <= value < len(labels):
        return labels.names[value]
    return name
