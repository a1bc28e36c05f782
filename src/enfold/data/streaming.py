"""The texts of a file of any size, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from enfold.data.columns import find_text_column
from enfold.data.reading import iter_tables
from enfold.data.tables import kind_of
from enfold.errors import DataError

__all__ = ["MAX_TEXT_BYTES", "iter_texts", "require_usable_texts"]

MAX_TEXT_BYTES = 1_000_000
"""Above this a text is taken for an accident, such as a whole file in one field."""


def iter_texts(
    path: str | Path,
    column: str | None = None,
    batch: int = 1000,
    *,
    source: str | None = None,
    encoding: str = "utf-8",
    separator: str | None = None,
    header: bool | None = None,
    max_text_bytes: int = MAX_TEXT_BYTES,
) -> Iterator[list[str]]:
    """Read the texts of a file in lists of at most ``batch``, in order, without holding the file.

    A missing text is read as an empty one, so that answers line up with rows.

    Args:
        path: a file that :func:`enfold.data.read_table` reads, or a ``.txt`` file of one text a line.
        column: the text column; None: found by name or by content, in the first batch.
        batch: texts a list.
        source: what to call the file in messages.
        encoding: of text files.
        separator: of CSV.
        header: of CSV; see :func:`enfold.data.read_table`.
        max_text_bytes: what a text may have at most, in UTF-8.

    Raises:
        DataError: the file, the column or a row is wrong; rows are named by number.
    """
    name = source or Path(path).name
    row = 0
    for table in iter_tables(path, batch=batch, source=name, encoding=encoding, separator=separator, header=header):
        if column is None or row == 0:
            column = find_text_column(table, text=column, source=name)
        if column not in table.columns:
            values: list[object] = [None] * table.height
        else:
            values = table[column].to_list()
        for number, value in enumerate(values, row + 1):
            if value is not None and not isinstance(value, str):
                raise DataError(
                    f"row {number} of column {column!r} in {name} is a {kind_of(value)} ({value!r}), not a text"
                )
        texts = pl.Series(column, values, dtype=pl.String)
        require_usable_texts(texts, source=name, first_row=row + 1, max_text_bytes=max_text_bytes)
        row += table.height
        yield texts.fill_null("").to_list()


def require_usable_texts(
    texts: pl.Series, *, source: str, first_row: int = 1, max_text_bytes: int = MAX_TEXT_BYTES
) -> None:
    """Refuse a text that is far too long or that holds a NUL character.

    Raises:
        DataError: names the row and, for a long text, its size and the limit.
    """
    sizes = texts.str.len_bytes()
    if sizes.len() and (sizes.max() or 0) > max_text_bytes:  # type: ignore[operator]
        row = int((sizes > max_text_bytes).arg_max() or 0)
        raise DataError(
            f"row {row + first_row} of {source} has a text of {sizes[row]:,} bytes, the limit is {max_text_bytes:,}; "
            f"cut it into parts, leave it out, or raise the limit (max_text_bytes)"
        )
    nul = texts.str.contains("\0", literal=True).fill_null(False)
    if nul.any():
        row = int(nul.arg_max() or 0)
        raise DataError(f"row {row + first_row} of {source} holds a NUL character in its text; remove it")
