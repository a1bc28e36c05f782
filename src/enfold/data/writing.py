"""Rows out to a file as they come: CSV, TSV, JSON lines or Parquet, whole or not at all."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import polars as pl

from enfold.data.opening import data_suffix
from enfold.data.parquet import plain_disk_errors
from enfold.data.tables import series
from enfold.errors import DataError
from enfold.files import atomic_file

__all__ = ["TableWriter"]

_KINDS = (".csv", ".tsv", ".jsonl", ".parquet")
_BLOCK = 20_000
# What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class TableWriter:
    """Write rows to a file as they come; the file appears when the ``with`` block ends well, and not before.

    The suffix decides the kind: ``.csv``, ``.tsv``, ``.jsonl`` (each also with ``.gz`` or ``.bz2``) or
    ``.parquet``. Text files are UTF-8 with ``\\n`` line ends. In CSV and TSV lists and objects are written as JSON, and
    a missing value as nothing.

    Texts are written exactly as they are: a text such as ``=HYPERLINK(…)`` is a formula to a spreadsheet. Say
    ``for_spreadsheets=True`` for a CSV that people will open in one: such cells get an apostrophe in front, and no
    longer equal what they were.

    Args:
        path: where to.
        columns: their names and order; None: those of the first row. A row may lack some, and may not have others.
        for_spreadsheets: disarm formulas in CSV and TSV.

    Raises:
        DataError: the suffix is none of these, or a row has an unknown column.
        EnfoldError: the disk is full.
    """

    def __init__(
        self, path: str | Path, *, columns: Sequence[str] | None = None, for_spreadsheets: bool = False
    ) -> None:
        self.path = Path(path)
        self.kind = data_suffix(self.path)
        if self.kind not in _KINDS or (self.kind == ".parquet" and self.path.suffix.lower() != ".parquet"):
            raise DataError(
                f"{self.path.name}: tables are written as {', '.join(_KINDS)}; choose one of these suffixes"
            )
        self.columns = tuple(columns) if columns is not None else None
        self.rows = 0
        self._disarm = for_spreadsheets
        self._stack = ExitStack()
        self._waiting: list[Mapping[str, Any]] = []
        self._parts: list[Path] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._temporary = stack.enter_context(atomic_file(self.path))
            if self.kind == ".parquet":
                self._folder = self._temporary.with_suffix(".parts")
                self._folder.mkdir()
                stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            else:
                self._stream = _text_stream(stack, self._temporary, self.path.suffix.lower())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
                if self.kind == ".parquet":
                    self._join_parts()
        except BaseException as failure:
            # The stack must see the failure, or it would put the unfinished file in place.
            if not self._stack.__exit__(type(failure), failure, failure.__traceback__):
                raise
        else:
            self._stack.__exit__(kind, error, trace)

    def write(self, rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> None:
        """Add rows: mappings from column to value, or a data frame."""
        for row in rows.iter_rows(named=True) if isinstance(rows, pl.DataFrame) else rows:
            if self.columns is None:
                self.columns = tuple(row)
            unknown = [name for name in row if name not in self.columns]
            if unknown:
                known = ", ".join(self.columns)
                raise DataError(
                    f"row {self.rows + 1} for {self.path.name} has a column {unknown[0]!r} "
                    f"that the first row lacks; it has: {known}"
                )
            self._waiting.append(row)
            self.rows += 1
            if len(self._waiting) >= _BLOCK:
                self._flush()

    def _flush(self) -> None:
        rows, self._waiting = self._waiting, []
        if self.kind == ".parquet":
            if rows:
                names = self.columns or ()
                part = self._folder / f"{len(self._parts):06}.parquet"
                table = pl.DataFrame([series(name, [row.get(name) for row in rows]) for name in names])
                with plain_disk_errors():
                    table.write_parquet(part)
                self._parts.append(part)
        elif self.kind == ".jsonl":
            for row in rows:
                self._stream.write(json.dumps(dict(row), ensure_ascii=False) + "\n")
        else:
            names = self.columns or ()
            separator = "\t" if self.kind == ".tsv" else ","
            if names and self.rows == len(rows):
                # Quoted names say that the fields of a TSV are quoted too; without them a quote may be part of a text.
                self._stream.write(_line(names, separator, always=self.kind == ".tsv"))
            for row in rows:
                self._stream.write(_line([self._cell(row.get(name)) for name in names], separator))

    def _join_parts(self) -> None:
        if not self._parts:
            pl.DataFrame(schema=dict.fromkeys(self.columns or (), pl.String)).write_parquet(self._temporary)
            return
        # A column that was empty in one part may be of any type in the next: the wider one holds.
        parts = [pl.scan_parquet(part) for part in self._parts]
        with plain_disk_errors():
            pl.concat(parts, how="vertical_relaxed").sink_parquet(self._temporary)

    def _cell(self, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (dict, list, tuple)):
            value = json.dumps(value, ensure_ascii=False)
        if self._disarm and isinstance(value, str) and value.startswith(_FORMULA):
            return "'" + value
        return str(value)


def _line(cells: Sequence[str], separator: str, *, always: bool = False) -> str:
    """A line of CSV (RFC 4180). The standard library's writer leaves a lone carriage return without quotes."""
    marks = (separator, '"', "\n", "\r")
    quoted = [
        '"' + cell.replace('"', '""') + '"' if always or any(mark in cell for mark in marks) else cell for cell in cells
    ]
    # A line without anything would be no row.
    return (separator.join(quoted) or '""') + "\n"


def _text_stream(stack: ExitStack, path: Path, suffix: str) -> IO[str]:
    binary: Any = stack.enter_context(path.open("wb"))
    if suffix == ".gz":
        # Neither time nor name in the header: the same rows give the same bytes.
        binary = stack.enter_context(gzip.GzipFile(filename="", fileobj=binary, mode="wb", mtime=0))
    elif suffix == ".bz2":
        binary = stack.enter_context(bz2.BZ2File(binary, "wb"))
    return stack.enter_context(io.TextIOWrapper(binary, encoding="utf-8", newline=""))
