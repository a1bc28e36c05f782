"""Tables out of what people already hold: lists of dicts, columns, pandas, Polars, Arrow, ``datasets``.

Nothing but Polars is imported; the others are recognised by what they offer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import polars as pl

from enfold.errors import DataError

__all__ = ["as_table", "kind_of", "mend_surrogates", "series"]


def kind_of(value: object) -> str:
    """The plain word for what a value is, as messages use it."""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return "true/false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Integral):
        return "whole number"
    if isinstance(value, Real):
        return "number"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, (list, tuple)):
        return "list"
    return type(value).__name__


def mend_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def series(name: str, values: Sequence[Any]) -> pl.Series:
    """A column of Python values; one whose values are of mixed kinds keeps them as they are (dtype Object).

    Polars alone would refuse such a column, or turn 1 and "1" into the same.
    """
    plain = [_plain(value) for value in values]
    kinds = {kind_of(value) for value in plain if value is not None}
    if not kinds or kinds == {"text"}:
        try:
            return pl.Series(name, plain, dtype=pl.String)
        except UnicodeEncodeError:
            return pl.Series(name, [value and mend_surrogates(value) for value in plain], dtype=pl.String)
    if kinds == {"true/false"}:
        return pl.Series(name, plain, dtype=pl.Boolean)
    if kinds == {"whole number"} and all(value is None or abs(value) < 2**63 for value in plain):
        return pl.Series(name, plain, dtype=pl.Int64)
    if kinds <= {"number", "whole number"}:
        return pl.Series(name, [None if value is None else float(value) for value in plain], dtype=pl.Float64)
    if len(kinds) == 1 and not kinds & {"number", "whole number"}:
        try:
            return pl.Series(name, plain, strict=True)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            pass
    return pl.Series(name, plain, dtype=pl.Object)


def _plain(value: Any) -> Any:
    """NumPy scalars as Python's own; what pandas writes for a missing value as None."""
    if value is None or isinstance(value, (str, bool, int)):
        return str(value) if type(value) is not str and isinstance(value, str) else value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return _plain(value.item())
    return value


def as_table(
    data: Any, *, source: str = "the data", resolve: Callable[[str], Path] | None = None, encoding: str = "utf-8"
) -> pl.DataFrame:
    """Make one Polars table of whatever holds the rows.

    Args:
        data: a path; a Polars data frame or lazy frame; a pandas data frame; a ``datasets.Dataset`` (class numbers
            become the names its features give); an Arrow table; rows as an iterable of mappings; or a mapping
            of columns.
        source: what to call the data in messages.
        resolve: what turns a reference that is no local path into a path.
        encoding: of the file, when ``data`` is a path.

    Raises:
        DataError: it is none of these, a file cannot be read, or it holds several splits.
    """
    if isinstance(data, (str, Path)):
        from enfold.data.reading import read_table

        path = Path(data).expanduser()
        if not path.exists() and resolve is not None and isinstance(data, str):
            path = resolve(data)
        return read_table(path, encoding=encoding)
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if hasattr(data, "features") and hasattr(data, "column_names"):
        return _from_datasets(data, source)
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        frame: Any = data
        return pl.DataFrame([series(str(name), frame[name].astype(object).tolist()) for name in frame.columns])
    if hasattr(data, "column_names") and hasattr(data, "to_pylist"):
        arrow: Any = data
        return pl.DataFrame([series(name, arrow.column(name).to_pylist()) for name in arrow.column_names])
    if isinstance(data, Mapping):
        return _from_columns(data, source)
    if isinstance(data, Iterable):
        return _from_rows(data, source)
    raise DataError(
        f"{source}: cannot make a table of {type(data).__name__}; give a path, rows as dicts or a data frame"
    )


def _from_columns(data: Mapping[Any, Any], source: str) -> pl.DataFrame:
    if any(hasattr(value, "column_names") for value in data.values()):
        raise DataError(f"{source} holds several splits ({', '.join(map(str, data))}); give one of them")
    columns = {str(name): list(values) for name, values in data.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"{source}: the columns differ in length: {shown}")
    return pl.DataFrame([series(name, values) for name, values in columns.items()])


def _from_rows(data: Iterable[Any], source: str) -> pl.DataFrame:
    rows = list(data)
    names: dict[str, None] = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise DataError(
                f"{source}: row {number} is a {type(row).__name__}; rows must be dicts: {{'text': …, 'label': …}}"
            )
        names.update(dict.fromkeys(row))
    return pl.DataFrame([series(str(name), [row.get(name) for row in rows]) for name in names])


def _from_datasets(data: Any, source: str) -> pl.DataFrame:
    if isinstance(data, Mapping):
        raise DataError(f"{source} holds several splits ({', '.join(map(str, data))}); give one of them")
    plain = data.with_format(None)
    columns = []
    for name in plain.column_names:
        values = list(plain[name])
        names = getattr((plain.features or {}).get(name), "names", None)
        if names:
            # -1 is how `datasets` writes "no label".
            values = [None if value is None or value < 0 else names[value] for value in values]
        columns.append(series(name, values))
    return pl.DataFrame(columns)
