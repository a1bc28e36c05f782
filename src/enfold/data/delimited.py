"""CSV and TSV, row by row, with the line of every fault.

The standard library's reader is used rather than Polars' because it knows the line it is on: a ragged row, a
quote that is never closed or a NUL can be named. It reads some 75 MB/s, well above what cleaning the texts takes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from enfold.data.opening import text_lines
from enfold.errors import DataError

__all__ = ["Delimited", "open_delimited"]

# The standard library's own limit is 128 KiB a field; a text above ours is named by its row later.
_LARGEST_FIELD = 1 << 30
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_LONGEST_NAME = 64
_MOST_WORDS = 4
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")
_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Delimited:
    """A CSV or TSV file whose first line was understood."""

    path: Path
    source: str
    encoding: str
    separator: str
    quoting: bool
    names: tuple[str, ...]
    has_header: bool

    def rows(self) -> Iterator[list[str]]:
        """The rows after the header, each as long as the header.

        Raises:
            DataError: a row has more or fewer fields (its line is named), or the quotes do not fit.
        """
        rows = _rows(self.path, self.source, self.encoding, self.separator, self.quoting)
        if self.has_header:
            next(rows, None)
        width = len(self.names)
        for line, row in rows:
            if len(row) != width:
                raise DataError(self._ragged(line, len(row)))
            yield row

    def _ragged(self, line: int, fields: int) -> str:
        against = (
            f"the header has {len(self.names)} ({', '.join(self.names)})"
            if self.has_header
            else (f"the first line has {len(self.names)}")
        )
        separator = {",": "comma", "\t": "tab", ";": "semicolon"}.get(self.separator, repr(self.separator))
        way_out = f'put a field that holds a {separator} in quotes ("…"), or mend the line'
        return f"line {line} of {self.source} has {fields} field{'s' * (fields != 1)}, {against}; {way_out}"


def open_delimited(path: Path, *, source: str, encoding: str, separator: str | None, header: bool | None) -> Delimited:
    """Look at a CSV or TSV file: its separator, its quoting and its column names.

    Args:
        path: the file; a name in .tsv or .tab means tabs.
        source: what to call it in messages.
        encoding: of the text.
        separator: one character. None: a tab for .tsv; for .csv a comma, or the semicolon or tab of a first line
            that has no comma.
        header: whether the first line holds the names. None: it is taken to, and refused where it looks like data.

    Raises:
        DataError: no lines, names given twice, or a first line that looks like data.
    """
    if separator is None:
        separator = _separator(path, source, encoding)
    elif len(separator) != 1:
        raise DataError(f"the separator must be one character, not {separator!r}")
    quoting = separator != "\t" or _tabs_with_quotes(path, source, encoding)
    first: list[str] | None = None
    sample: list[list[str]] = []
    for _, row in _rows(path, source, encoding, separator, quoting):
        if first is None:
            first = row
            if header is not None:
                break
        else:
            sample.append(row)
        if len(sample) == _LOOKED_AT:
            break
    if first is None:
        raise DataError(f"{source} holds no rows, only blank lines")
    if header is None:
        _refuse_data_as_header(first, sample, source)
    if header is False:
        names = [f"column_{index}" for index in range(1, len(first) + 1)]
    else:
        names = [name.strip() or f"column_{index}" for index, name in enumerate(first, 1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{source} has more than one column named {', '.join(map(repr, twice))}; rename one in its first line"
        )
    return Delimited(path, source, encoding, separator, quoting, tuple(names), header is not False)


def _rows(path: Path, source: str, encoding: str, separator: str, quoting: bool) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line each begins on, counted from 1; blank lines are left out."""
    if csv.field_size_limit() < _LARGEST_FIELD:
        csv.field_size_limit(_LARGEST_FIELD)
    reader = csv.reader(
        text_lines(path, source=source, encoding=encoding),
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
        strict=True,
    )
    begins = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(_quotes(str(error), begins, reader.line_num, source)) from error
        if row:
            yield begins, row
        begins = reader.line_num + 1


def _quotes(error: str, begins: int, line: int, source: str) -> str:
    if "unexpected end" in error:
        return (
            f"a quote opened in the row at line {begins} of {source} is never closed; "
            f'close it, or double a quote that belongs to the text ("")'
        )
    if "expected after" in error:
        return f'line {line} of {source} has a quote inside a quoted field; double it ("")'
    return f"line {line} of {source} cannot be read: {error}"


def _separator(path: Path, source: str, encoding: str) -> str:
    if {suffix.lower() for suffix in path.suffixes} & {".tsv", ".tab"}:
        return "\t"
    first = next(text_lines(path, source=source, encoding=encoding), "")
    if "," not in first:
        for other in (";", "\t"):
            if other in first:
                return other
    return ","


def _tabs_with_quotes(path: Path, source: str, encoding: str) -> bool:
    """Whether a tab-separated file quotes its fields as CSV does.

    Most do not: a quote there is a character of the text, and a text may well begin with one. Quotes around all the
    names say that they do. Else, where every line has as many tabs as the first, quotes count only if each field that
    begins with one is quoted properly.
    """
    width = None
    began = proper = 0
    for line in text_lines(path, source=source, encoding=encoding):
        fields = line.rstrip("\r\n").split("\t")
        if fields == [""]:
            continue
        if width is None:
            width = len(fields)
            if all(_QUOTED.fullmatch(field) for field in fields):
                return True
        if len(fields) != width:
            return True
        for field in fields:
            if field.startswith('"'):
                began += 1
                proper += _QUOTED.fullmatch(field) is not None
    return began > 0 and began == proper


def _refuse_data_as_header(first: list[str], sample: list[list[str]], source: str) -> None:
    """Refuse a first line that looks like a row: losing it, or training on a header, would both be silent."""
    from enfold.data.columns import known_name

    if any(known_name(cell) for cell in first):
        return
    signs = [
        cell
        for index, cell in enumerate(first)
        if _looks_like_data(cell, [row[index] for row in sample if index < len(row)])
    ]
    if signs:
        shown = signs[0] if len(signs[0]) <= 40 else signs[0][:39] + "…"
        raise DataError(
            f"the first line of {source} looks like data, not like column names ({shown!r}); add a line of names, "
            f"or say header=False (columns are then column_1, column_2, …) or header=True"
        )


def _looks_like_data(cell: str, below: list[str]) -> bool:
    if len(cell) > _LONGEST_NAME or len(cell.split()) > _MOST_WORDS or cell.rstrip().endswith(_SENTENCE_ENDS):
        return True
    try:
        float(cell)
    except ValueError:
        pass
    else:
        return True
    # The cell comes back further down, in a column of few different values: a label.
    return bool(cell) and cell in below and len(set(below)) <= max(1, len(below) // 2)
