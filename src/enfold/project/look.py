"""A first look at a file of labelled text: what it holds, and settings that fit it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from enfold.data import find_columns, read_table
from enfold.data.labels import label_names, require_classes
from enfold.data.streaming import require_usable_texts
from enfold.errors import DataError
from enfold.hub import locate
from enfold.project.settings import DataSettings, ProjectSettings, Settings


def look(file: str, folder: Path, *, text: str | None, label: str | None) -> tuple[Settings, list[str]]:
    """Read the file far enough to name its columns and labels.

    Args:
        file: a path or another data reference.
        folder: of the project, to which a path is written relatively.
        text: column that holds the text, where it is known.
        label: column that holds the label, where it is known.

    Returns:
        Settings, and what to tell the user, a line each.

    Raises:
        DataError: the file cannot be read, its columns cannot be told apart, or it has fewer than two classes.
        SourceError: there is no such file.
    """
    found = locate(file, kind="data")
    source = found.path.name
    table = read_table(found.path, source=source)
    columns = find_columns(table, text=text, label=label, source=source)
    require_usable_texts(table[columns.text], source=source)
    named = label_names(table[columns.label], source=source)
    texts = table[columns.text].to_list()
    rows = [
        (name, str(words)) for name, words in zip(named.names, texts, strict=True) if name and str(words or "").strip()
    ]
    if not rows:
        raise DataError(f"{source} has no row with both a text and a label; columns: {columns.text}, {columns.label}")
    require_classes([name for name, _ in rows], source=source)
    counts = Counter(name for name, _ in rows)
    settings = Settings(
        project=ProjectSettings(name=_name(file)),
        data=DataSettings(file=_written(file, folder), text=columns.text, label=columns.label, labels=sorted(counts)),
    )
    balance = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(12))
    more = f" and {len(counts) - 12} more" if len(counts) > 12 else ""
    findings = [
        f"{source}: {table.height:,} rows; text in '{columns.text}', label in '{columns.label}' ({columns.found})",
        f"{len(counts)} labels: {balance}{more}",
        *named.notes,
    ]
    return settings, findings


def _name(file: str) -> str:
    """The last part of a reference, without its suffixes."""
    return Path(file.rstrip("/")).name.split(".", 1)[0] or "project"


def _written(file: str, folder: Path) -> str:
    """A path as the settings of the project name it; other references as they are."""
    path = Path(file)
    if not path.exists():
        return file
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
