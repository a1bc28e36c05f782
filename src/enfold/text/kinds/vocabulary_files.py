"""``vocab.txt``, ``vocab.json`` and ``merges.txt``, and what is wrong with them where something is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from enfold.errors import CheckpointError

__all__ = ["read_ids", "read_lines", "read_merges"]


def read_lines(source: Path | str | Mapping[str, int]) -> dict[str, int]:
    """A ``vocab.txt``: one token a line, its id the number of the line; where a token comes twice, the last counts.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    if isinstance(source, Mapping):
        return dict(source)
    return {line: number for number, line in enumerate(_text(Path(source), "vocabulary").split("\n")[:-1])}


def read_ids(source: Path | str | Mapping[str, int], *, needed: Sequence[str] = ()) -> dict[str, int]:
    """A ``vocab.json``: token to id.

    Args:
        source: the file, or what it would hold.
        needed: tokens that it must have.

    Raises:
        CheckpointError: the file is missing or damaged, a token has no id of its own, or one that is needed is missing.
    """
    if isinstance(source, Mapping):
        ids, where = dict(source), "the vocabulary"
    else:
        file = Path(source)
        where = str(file)
        try:
            ids = json.loads(_text(file, "vocabulary"))
        except json.JSONDecodeError as error:
            raise CheckpointError(f"{file} is damaged: {error}") from error
        if not isinstance(ids, dict):
            raise CheckpointError(f"{file} must hold a JSON object of tokens and ids; it holds a {type(ids).__name__}")
    owners: dict[int, str] = {}
    for token, number in ids.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise CheckpointError(f"{where}: the token {token!r} has no id; it has {number!r}")
        if number in owners:
            raise CheckpointError(f"{where}: the tokens {owners[number]!r} and {token!r} have the same id {number}")
        owners[number] = token
    for token in needed:
        if token not in ids:
            raise CheckpointError(f"{where} lacks the token {token!r}, among {len(ids)}")
    return ids


def read_merges(
    source: Path | str | Sequence[Any], *, header: bool = True, counts: bool = False
) -> list[tuple[str, str]]:
    """A ``merges.txt``: two symbols a line, in the order in which they are merged.

    Args:
        source: the file, or the merges.
        header: whether lines that begin with ``#version`` are left out.
        counts: whether a third column, how often a merge was seen, may follow.

    Raises:
        CheckpointError: the file is missing or damaged, or a line holds no two symbols (the message says which).
    """
    if not isinstance(source, (str, Path)):
        return [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in source]  # type: ignore[misc]
    file = Path(source)
    lines = _text(file, "merges").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    merges: list[tuple[str, str]] = []
    for number, line in enumerate(lines, start=1):
        if header and line.startswith("#version"):
            continue
        symbols = line.rstrip("\r").split(" ")
        if counts and len(symbols) == 3:
            symbols = symbols[:2]
        if len(symbols) != 2 or not all(symbols):
            raise CheckpointError(
                f"{file}, line {number}: a merge is two symbols with a blank between; this is {line!r}"
            )
        merges.append((symbols[0], symbols[1]))
    return merges


def _text(file: Path, name: str) -> str:
    try:
        with file.open(encoding="utf-8", newline="\n") as handle:
            text = handle.read()
    except FileNotFoundError as error:
        raise CheckpointError(f"no {name} at {file}") from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{file} is damaged: invalid UTF-8 at byte {error.start}") from error
    return text if text.endswith("\n") or not text else text + "\n"
