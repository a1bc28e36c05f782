"""The child process that reads strangers' tables. It runs confined, and knows nothing of the hub.

It gets open files and writes one JSON object; whatever kills it is the parent's "no preview".

    preview_child.py '{"kind": "csv", "parts": [[fd, start, length], …], "first": 0, "count": 50}'
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import sys
from typing import Any

LONGEST_CELL = 400
MOST_COLUMNS = 60
IN_MEMORY = 128 * 2**20


class Parts(io.RawIOBase):
    """Stretches of open files, read as one file."""

    def __init__(self, parts: list[tuple[int, int, int]]) -> None:
        self.parts = parts
        self.size = sum(length for _, _, length in parts)
        self.at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at most so much as fits."""
        place = 0
        for descriptor, start, length in self.parts:
            inside = self.at - place
            if 0 <= inside < length:
                data = os.pread(descriptor, min(len(buffer), length - inside), start + inside)
                buffer[: len(data)] = data
                self.at += len(data)
                return len(data)
            place += length
        return 0


def cell(value: object) -> str | None:
    """A value as a short text; None is nothing."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value
    elif isinstance(value, bytes):
        text = f"<{len(value)} bytes>"
    elif isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def read_csv(file: io.TextIOWrapper, first: int, count: int, separator: str) -> dict[str, Any]:
    """Rows of a CSV file whose first line names the columns."""
    rows = csv.reader(file, delimiter=separator)
    columns = next(rows, [])
    found = list(itertools.islice(rows, first, first + count + 1))
    width = min(max([len(columns), *map(len, found)], default=0), MOST_COLUMNS)
    names = (columns + [""] * width)[:width]
    return {
        "columns": [cell(name) for name in names],
        "rows": [[cell(value) for value in row[:width]] + [None] * (width - len(row)) for row in found[:count]],
        "more": len(found) > count,
        "total": None,
        "hidden": max(len(columns) - width, 0),
    }


def read_jsonl(file: io.TextIOWrapper, first: int, count: int) -> dict[str, Any]:
    """Rows of a file with one JSON object a line."""
    lines = (line for line in file if line.strip())
    found = [json.loads(line) for line in itertools.islice(lines, first, first + count + 1)]
    objects = [each if isinstance(each, dict) else {"": each} for each in found]
    columns = list(dict.fromkeys(name for each in objects for name in each))
    shown = columns[:MOST_COLUMNS]
    return {
        "columns": [cell(name) for name in shown],
        "rows": [[cell(each.get(name)) for name in shown] for each in objects[:count]],
        "more": len(found) > count,
        "total": None,
        "hidden": len(columns) - len(shown),
    }


def read_parquet(parts: list[tuple[int, int, int]], first: int, count: int) -> dict[str, Any]:
    """Rows of a Parquet file."""
    import polars

    descriptor, start, length = parts[0]
    if len(parts) == 1 and start == 0 and os.fstat(descriptor).st_size == length:
        table = polars.scan_parquet(f"/dev/fd/{descriptor}")
    else:
        whole = Parts(parts)
        if whole.size > IN_MEMORY:
            raise ValueError("the file lies in several pieces and is too large to be put together")
        table = polars.scan_parquet(io.BytesIO(io.BufferedReader(whole).read()))
    columns = table.collect_schema().names()
    shown = columns[:MOST_COLUMNS]
    total = int(table.select(polars.len()).collect().item())
    rows = table.select(shown).slice(first, count).collect().rows() if shown else []
    return {
        "columns": [cell(name) for name in shown],
        "rows": [[cell(value) for value in row] for row in rows],
        "more": first + count < total,
        "total": total,
        "hidden": len(columns) - len(shown),
    }


def main() -> None:
    """Do what the first argument says."""
    asked = json.loads(sys.argv[1])
    parts = [tuple(part) for part in asked["parts"]]
    first, count = asked["first"], asked["count"]
    if asked["kind"] == "parquet":
        found = read_parquet(parts, first, count)
    else:
        file = io.TextIOWrapper(io.BufferedReader(Parts(parts), 1 << 20), "utf-8-sig", errors="replace", newline="")
        if asked["kind"] == "jsonl":
            found = read_jsonl(file, first, count)
        else:
            found = read_csv(file, first, count, "\t" if asked["kind"] == "tsv" else ",")
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
