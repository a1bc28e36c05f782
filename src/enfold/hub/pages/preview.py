"""The rows of a table, by page, read in a child process that may die of what it reads without harm."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore

from enfold.hub.scans.confinement import confined
from enfold.hub.server.contents import Content
from enfold.hub.server.state import HubState

__all__ = ["ROWS", "Preview", "kind_of", "preview"]

ROWS = 50
"""Rows of a page."""
_KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_SECONDS = 12
_LONGEST_ANSWER = 4_000_000
_COPIED = 64_000_000
_AT_ONCE = BoundedSemaphore(2)
_WAIT = 10.0
_CHILD = Path(__file__).with_name("preview_child.py")


@dataclass(frozen=True, slots=True)
class Preview:
    """Rows of a table as short texts; without columns there is no preview."""

    columns: list[str]
    rows: list[list[str | None]]
    more: bool
    total: int | None
    hidden: int
    """Columns that are not shown."""


def kind_of(path: str) -> str | None:
    """What a file of this name is read as, or None when it is no table."""
    return _KINDS.get(os.path.splitext(path.lower())[1])  # noqa: PTH122 — a path in a repository


def preview(state: HubState, content: Content, path: str, page: int) -> Preview | None:
    """A page of the rows of a file, or None when there is no preview of it.

    Args:
        state: the hub.
        content: the file.
        path: its name decides what it is read as.
        page: from 1 on.
    """
    if not _AT_ONCE.acquire(timeout=_WAIT):
        return None
    try:
        with ExitStack() as stack:
            part = _opened(stack, state, content)
            if part is None:
                return None
            asked = {"kind": kind_of(path), "parts": [part], "first": (page - 1) * ROWS, "count": ROWS}
            return _ask(json.dumps(asked), part[0])
    finally:
        _AT_ONCE.release()


def _opened(stack: ExitStack, state: HubState, content: Content) -> tuple[int, int, int] | None:
    """The content as an open file that the child inherits; what is no file of its own is copied into one."""
    if content.file is not None:
        return stack.enter_context(content.file.open("rb")).fileno(), 0, content.size
    if content.size > _COPIED:
        return None
    copy = stack.enter_context(tempfile.TemporaryFile(dir=state.root.tmp))  # noqa: SIM115 — closed by the stack
    for piece in content.read(0, content.size):
        copy.write(piece)
    copy.flush()
    # Opened again for reading alone: the child may not write, not even here.
    name = Path(f"/dev/fd/{copy.fileno()}")
    return stack.enter_context(name.open("rb")).fileno(), 0, content.size


def _ask(asked: str, descriptor: int) -> Preview | None:
    process = confined(_CHILD, asked, memory="data", inherited=(descriptor,))
    try:
        answer, _ = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    if process.returncode != 0 or len(answer) > _LONGEST_ANSWER:
        return None
    return Preview(**json.loads(answer))
