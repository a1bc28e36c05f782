"""Files of labelled text as tables: CSV, TSV, JSON lines, Parquet, and a folder of text files by class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from enfold.data.delimited import open_delimited
from enfold.data.opening import data_suffix, require_file, text_lines, whole_text
from enfold.data.tables import kind_of, series
from enfold.errors import DataError

__all__ = ["iter_tables", "read_table"]

_DELIMITED = (".csv", ".tsv", ".tab")
_JSON_LINES = (".jsonl", ".ndjson")
_PARQUET = (".parquet", ".pq")
_KNOWN = (*_DELIMITED, *_JSON_LINES, *_PARQUET)
_BLOCK = 20_000
# Parquet is decoded in slices this large whatever the batch: a slice inside a row group decodes from its beginning.
_PARQUET_SLICE = 50_000


def read_table(
    path: str | Path,
    *,
    source: str | None = None,
    encoding: str = "utf-8",
    separator: str | None = None,
    header: bool | None = None,
) -> pl.DataFrame:
    """Read a file, or a folder of text files by class, as one table.

    CSV and TSV columns are texts as written; JSON and Parquet values keep their types. A column of mixed types
    keeps its values (dtype Object), so that whoever uses it as texts or labels can say which row is wrong.

    Args:
        path: ``.csv``, ``.tsv``, ``.jsonl`` (each also ``.gz`` or ``.bz2``), ``.parquet``, or a folder whose
            subfolders are classes holding ``.txt`` files (columns ``text``, ``label``, ``file``).
        source: what to call it in messages; by default its name.
        encoding: of text files; a byte order mark is understood.
        separator: of CSV; see :func:`enfold.data.delimited.open_delimited`.
        header: whether the first line of a CSV holds the names. None: it must look as if it did; nothing is guessed.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, damaged, or has a fault that the message
            names by byte, line or row.
    """
    file, source = _found(path, source)
    if file.is_dir():
        table = _read_folder(file, source, encoding)
    elif (suffix := data_suffix(file)) in _DELIMITED:
        opened = open_delimited(file, source=source, encoding=encoding, separator=separator, header=header)
        blocks = [_strings(opened.names, block) for block in _blocks(opened.rows(), _BLOCK)]
        table = pl.concat(blocks) if blocks else _strings(opened.names, [])
    elif suffix in _JSON_LINES:
        table = _objects_table(list(_json_objects(file, source, encoding)))
    else:
        try:
            table = pl.read_parquet(file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(_broken_parquet(source, error)) from error
    if table.height == 0:
        names = ", ".join(table.columns)
        raise DataError(f"{source} has no rows" + (f", only a header ({names})" if names else ""))
    return table


def iter_tables(
    path: str | Path,
    *,
    batch: int = 10_000,
    source: str | None = None,
    encoding: str = "utf-8",
    separator: str | None = None,
    header: bool | None = None,
) -> Iterator[pl.DataFrame]:
    """Read a file in tables of at most ``batch`` rows, never holding more than a few of them.

    A ``.txt`` file is read as one text a line, in a column ``text``; the other kinds and the arguments are those
    of :func:`read_table`. The types of a JSON column may differ between tables.

    Raises:
        DataError: as in :func:`read_table`, when the faulty place is reached.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    file, source = _found(path, source, also=(".txt",))
    suffix = data_suffix(file)
    if file.is_dir():
        yield from read_table(file, source=source, encoding=encoding).iter_slices(batch)
    elif suffix in _DELIMITED:
        opened = open_delimited(file, source=source, encoding=encoding, separator=separator, header=header)
        for block in _blocks(opened.rows(), batch):
            yield _strings(opened.names, block)
    elif suffix in _JSON_LINES:
        for block in _blocks(_json_objects(file, source, encoding), batch):
            yield _objects_table(block)
    elif suffix == ".txt":
        lines = ([line.rstrip("\r\n")] for line in text_lines(file, source=source, encoding=encoding))
        for block in _blocks(lines, batch):
            yield _strings(("text",), block)
    else:
        yield from _parquet_slices(file, source, batch)


def _found(path: str | Path, source: str | None, also: tuple[str, ...] = ()) -> tuple[Path, str]:
    file = Path(path).expanduser()
    source = source or file.name
    require_file(file, source=source)
    suffix = data_suffix(file)
    if not file.is_dir() and suffix not in (*_KNOWN, *also):
        way_out = "; export the sheet as CSV" if suffix in (".xlsx", ".xls", ".ods") else ""
        way_out = "; write one object a line and call it .jsonl" if suffix == ".json" else way_out
        raise DataError(
            f"{source} is of no known kind ({suffix or 'no suffix'}); Enfold reads .csv, .tsv, .jsonl (also .gz, "
            f".bz2), .parquet and folders of .txt files by class{way_out}"
        )
    if suffix in _PARQUET and file.suffix.lower() not in _PARQUET:
        raise DataError(f"{source}: Parquet is compressed inside; unpack the file first")
    return file, source


def _blocks(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    block = []
    for row in rows:
        block.append(row)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block


def _strings(names: tuple[str, ...], rows: list[list[str]]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pl.DataFrame([pl.Series(name, column, dtype=pl.String) for name, column in zip(names, columns, strict=True)])


def _json_objects(path: Path, source: str, encoding: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text_lines(path, source=source, encoding=encoding), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            hint = (
                "; it looks like one JSON array over several lines: write one object a line"
                if line.lstrip()[0] == "["
                else ""
            )
            raise DataError(
                f"line {number} of {source} is not JSON: {error.msg} (column {error.colno}){hint}"
            ) from error
        except RecursionError as error:
            raise DataError(f"line {number} of {source} is nested too deeply to be read") from error
        if not isinstance(value, dict):
            raise DataError(
                f'line {number} of {source} is a {kind_of(value)}; each line must be an object such as {{"text": …}}'
            )
        yield value


def _objects_table(objects: list[dict[str, Any]]) -> pl.DataFrame:
    names: dict[str, None] = {}
    for item in objects:
        names.update(dict.fromkeys(item))
    return pl.DataFrame([series(name, [item.get(name) for item in objects]) for name in names])


def _broken_parquet(source: str, error: Exception) -> str:
    return f"{source} is not a whole Parquet file: {str(error).splitlines()[0]}"


def _parquet_slices(path: Path, source: str, batch: int) -> Iterator[pl.DataFrame]:
    try:
        scan = pl.scan_parquet(path)
        rows = scan.select(pl.len()).collect().item()
        if rows == 0:
            raise DataError(f"{source} has no rows")
        size = max(batch, _PARQUET_SLICE // batch * batch)
        for offset in range(0, rows, size):
            yield from scan.slice(offset, size).collect().iter_slices(batch)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(_broken_parquet(source, error)) from error


def _read_folder(folder: Path, source: str, encoding: str) -> pl.DataFrame:
    """A subfolder is a class, a file in it a text; hidden files and files beside the classes are passed over."""
    classes = sorted(item for item in folder.iterdir() if item.is_dir() and not item.name.startswith("."))
    if not classes:
        tables = sorted(item.name for item in folder.iterdir() if data_suffix(item) in _KNOWN)
        if tables:
            raise DataError(f"{source} is a folder that holds {', '.join(tables)}; give one of these files")
        raise DataError(
            f"{source} is a folder without subfolders; a folder of texts needs one subfolder a class, of .txt files"
        )
    rows = []
    for label in classes:
        for file in sorted(item for item in label.iterdir() if not item.name.startswith(".")):
            name = file.relative_to(folder).as_posix()
            if file.is_dir():
                raise DataError(
                    f"{source} has folders inside its folders ({name}); give the one whose subfolders are the classes, "
                    f"such as {source}/{label.name}"
                )
            if data_suffix(file) not in (".txt", "") and not data_suffix(file)[1:].isdigit():
                raise DataError(f"{source} holds a file that is not a text: {name}; move it away, or rename it to .txt")
            if file.stat().st_size == 0:
                rows.append(["", label.name, name])
            else:
                rows.append([whole_text(file, source=f"{source}/{name}", encoding=encoding), label.name, name])
    return _strings(("text", "label", "file"), rows)
