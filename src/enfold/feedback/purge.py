"""Removing texts from the files of a project: tables, records, predictions and reports.

How a text is recognised, in words:

- By its content id, wherever a value is one.
- In a column or under a key that holds texts (``text``, unless others are named), when the value has the same content
  id: so a spelling that differs in case or blanks is found too.
- In any other place when it has 20 characters or more in its normal form, inside longer values too. A shorter one,
  such as "test", would be found where it is no one's text.
- Cut short, as a report prints long texts: a value that ends in an ellipsis, has 20 characters or more before it,
  and is how the text begins.

A user's name is recognised in a column or under a key named ``user``, and in sentences such as ``user 'alice' supplied
…``, the way the reasons and warnings of `enfold.feedback.rules` write it.

What is done: a row of a Parquet, CSV, TSV or JSONL table that holds the text in any cell is removed, and the table is
written anew, whole or not at all; in a JSON file the innermost object that holds it inside a list is removed from that
list. A file that cannot lose the text this way (an HTML report; JSON with the text outside a list) is derived from
others and is deleted. Plain text that holds it is only reported. The files of a tokenizer and of a model's
configuration are passed over: they hold words, not texts. So is ``lineage.json``: the content ids in it are how the
models that were trained on a forgotten text are found.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, Any, Literal

from enfold.data.identity import content_id, normal_form
from enfold.files import atomic_file, write_json

__all__ = ["Found", "purge_files"]

_LONG = 20
"""Characters of the normal form from which a text is looked for in every value, and inside it."""
_ELLIPSIS = re.compile(r"(…|\.\.\.)$")
_LINES = {".csv": ",", ".tsv": "\t", ".jsonl": None}
_PACKED: dict[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".bz2": bz2.open}
_PLAIN = {".txt", ".md", ".log", ".toml", ".yaml", ".yml"}
_OF_MODELS = {
    "added_tokens.json",
    "config.json",
    "generation_config.json",
    "lineage.json",
    "merges.txt",
    "model.safetensors.index.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file in which texts were found, and what became of it."""

    path: Path
    action: Literal["rewritten", "deleted", "left", "unreadable"]
    """``left``: it holds a text and is for a person to look at. ``unreadable``: it is not what its name says, so that
    nobody knows what it holds."""
    rows: int = 0
    """Rows or objects removed from a file that was rewritten."""


def purge_files(
    folder: str | Path, texts: Iterable[str], *, users: Collection[str] = (), columns: Collection[str] = ("text",)
) -> list[Found]:
    """Remove texts, and the names of users, from the files under a folder; see the rules at the top of this file.

    Databases, weights and files of other kinds are not looked into; a table may be packed as ``.gz`` or ``.bz2``. Call
    it only on what the project made: neither a user's own data file nor foreign pages are among that.

    Args:
        folder: where to look, all folders below and hidden ones included; links are not followed. Or one file.
        texts: the texts, as `Forgotten.texts` gives them.
        users: the names to remove as well.
        columns: names of the columns and JSON keys whose values are texts.

    Returns:
        The files in which a text was found, and those that could not be read, sorted by path.
    """
    sought = _Sought(texts, users, columns)
    found = []
    for path in sorted(_files(Path(folder))) if sought else []:
        try:
            result = _purge_file(path, sought)
        except (ValueError, csv.Error, EOFError, gzip.BadGzipFile, _unreadable_parquet()):
            result = Found(path=path, action="unreadable")
        if result:
            found.append(result)
    return found


class _Sought:
    """The texts and names that are looked for."""

    def __init__(self, texts: Iterable[str], users: Collection[str], columns: Collection[str]) -> None:
        forms = {content_id(text): normal_form(text) for text in texts}
        self.columns = frozenset(columns)
        self._ids = frozenset(forms)
        self._long = [form for form in forms.values() if len(form) >= _LONG]
        self._users = frozenset(users)
        self._mentions = [f"user {user!r}" for user in users]

    def __bool__(self) -> bool:
        return bool(self._ids or self._users)

    def holds(self, value: str, column: str | None = None) -> bool:
        """Whether a value is a text or its id, holds one, or is the beginning of one; or names a user."""
        if column == "user" and value in self._users:
            return True
        if any(mention in value for mention in self._mentions):
            return True
        if value in self._ids or (column in self.columns and content_id(value) in self._ids):
            return True
        if len(value) < _LONG or not self._long:
            return False
        form = normal_form(value)
        if any(text in form for text in self._long):
            return True
        beginning = _ELLIPSIS.sub("", form).rstrip()
        return beginning != form and len(beginning) >= _LONG and any(text.startswith(beginning) for text in self._long)


def _purge_file(path: Path, sought: _Sought) -> Found | None:
    packed = path.suffix.lower() in _PACKED
    kind = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    if packed and kind not in _LINES:
        return None
    if kind == ".parquet":
        return _purge_parquet(path, sought)
    if kind in _LINES:
        return _purge_lines(path, sought, delimiter=_LINES[kind])
    if kind == ".json":
        return _purge_json(path, sought)
    if kind in (".html", ".htm"):
        return _purge_html(path, sought)
    if kind in _PLAIN and sought.holds(path.read_text(encoding="utf-8", errors="replace")):
        return Found(path=path, action="left")
    return None


def _purge_parquet(path: Path, sought: _Sought) -> Found | None:
    import polars as pl

    table = pl.read_parquet(path)
    keep = [True] * table.height
    for column in table.iter_columns():
        if column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == pl.Boolean:
            continue
        for row, value in enumerate(column):
            if keep[row] and _any_holds(
                value.to_list() if isinstance(value, pl.Series) else value, sought, column.name
            ):
                keep[row] = False
    if all(keep):
        return None
    metadata = {name: value for name, value in pl.read_parquet_metadata(path).items() if name != "ARROW:schema"}
    with _rewritten(path) as temporary:
        table.filter(pl.Series(keep, dtype=pl.Boolean)).write_parquet(temporary, metadata=metadata or None)
    return Found(path=path, action="rewritten", rows=keep.count(False))


def _purge_lines(path: Path, sought: _Sought, *, delimiter: str | None) -> Found | None:
    """A table whose rows are lines. The lines that stay are kept as they are, byte for byte."""
    rows = sum(not stays for _, stays in _lines(path, sought, delimiter))
    if not rows:
        return None
    with _rewritten(path) as temporary, _text(path, "wt", at=temporary) as target:
        target.writelines(raw for raw, stays in _lines(path, sought, delimiter) if stays)
    return Found(path=path, action="rewritten", rows=rows)


def _lines(path: Path, sought: _Sought, delimiter: str | None) -> Iterator[tuple[str, bool]]:
    """Each row as it stands in the file, and whether it stays."""
    with _text(path, "rt") as source:
        if delimiter is None:
            for raw in source:
                yield raw, not raw.strip() or not _any_holds(json.loads(raw), sought)
            return
        lines: list[str] = []

        def noted() -> Iterator[str]:
            for line in source:
                lines.append(line)
                yield line

        header: list[str] = []
        with _long_fields():
            for number, row in enumerate(csv.reader(noted(), delimiter=delimiter)):
                raw = "".join(lines)
                lines.clear()
                if number == 0:
                    header = [name.lstrip("\ufeff") for name in row]
                    yield raw, True
                else:
                    names = [*header, *[""] * (len(row) - len(header))]
                    yield raw, not any(sought.holds(cell, name) for name, cell in zip(names, row, strict=False))


def _text(path: Path, mode: Literal["rt", "wt"], *, at: Path | None = None) -> IO[str]:
    """Open a file, packed or not as its name says, so that any bytes come back as they were."""
    unpacked = _PACKED.get(path.suffix.lower(), open)
    return unpacked(at or path, mode, encoding="utf-8", errors="surrogateescape", newline="")


def _purge_json(path: Path, sought: _Sought) -> Found | None:
    if path.name in _OF_MODELS:
        return None
    value, rows, holds = _without(json.loads(path.read_text(encoding="utf-8")), sought)
    if holds:
        path.unlink()
        return Found(path=path, action="deleted")
    if rows:
        mode = path.stat().st_mode
        write_json(path, value)
        path.chmod(mode)
        return Found(path=path, action="rewritten", rows=rows)
    return None


def _without(value: Any, sought: _Sought, key: str | None = None) -> tuple[Any, int, bool]:
    """A JSON value without the objects that hold a text, how many those were, and whether it still holds one."""
    if isinstance(value, str):
        return value, 0, sought.holds(value, key)
    if isinstance(value, list):
        results = [_without(item, sought, key) for item in value]
        kept = [item for item, _, holds in results if not holds]
        return kept, sum(rows for _, rows, _ in results) + len(results) - len(kept), False
    if isinstance(value, dict):
        entries = {name: _without(item, sought, name) for name, item in value.items() if not sought.holds(name)}
        removed = len(value) - len(entries) + sum(rows for _, rows, _ in entries.values())
        return {name: item for name, (item, _, _) in entries.items()}, removed, any(e[2] for e in entries.values())
    return value, 0, False


def _any_holds(value: Any, sought: _Sought, key: str | None = None) -> bool:
    """Whether a value of a cell or a line holds a text at any depth."""
    if isinstance(value, str):
        return sought.holds(value, key)
    if isinstance(value, list):
        return any(_any_holds(item, sought, key) for item in value)
    if isinstance(value, dict):
        return any(sought.holds(name) or _any_holds(item, sought, name) for name, item in value.items())
    return False


class _Values(HTMLParser):
    """What an HTML page holds: the text between tags, values of attributes, and embedded scripts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.values: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.values += [value for _, value in attrs if value]

    def handle_data(self, data: str) -> None:
        self.values.append(data)


def _purge_html(path: Path, sought: _Sought) -> Found | None:
    """A report that may hold a text is deleted at the slightest sign: it is made again in a moment."""
    page = path.read_text(encoding="utf-8", errors="replace")
    values = _Values(page).values
    # Marks inside a text cut it into several values, with blanks between them or without.
    values += ["".join(values), " ".join(values)]
    text_column = next(iter(sought.columns), None)
    if any(sought.holds(value, text_column) or _any_holds(_as_json(value), sought) for value in values):
        path.unlink()
        return Found(path=path, action="deleted")
    return None


def _as_json(value: str) -> Any:
    """What a script or an attribute holds as JSON, where texts are spelt with escapes; nothing where it is none."""
    if value.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return None


def _files(folder: Path) -> Iterator[Path]:
    paths = [folder] if folder.is_file() else folder.rglob("*")
    return (path for path in paths if path.is_file() and not path.is_symlink())


@contextmanager
def _rewritten(path: Path) -> Iterator[Path]:
    """The file written anew, with the permissions it had."""
    with atomic_file(path) as temporary:
        yield temporary
        shutil.copymode(path, temporary)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let the csv module read cells of any length; its limit holds for the whole process, so it is put back."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _unreadable_parquet() -> type[Exception]:
    from polars.exceptions import PolarsError

    return PolarsError
