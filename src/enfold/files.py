"""Files and folders written whole or not at all, and the fingerprints of what is in them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from enfold.errors import EnfoldError

__all__ = ["atomic_file", "atomic_folder", "fingerprint", "fingerprint_of", "read_json", "write_json"]


@contextmanager
def _clear_when_full(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EnfoldError(
                f"the disk is full: {target} was not written; free some space and run it again"
            ) from error
        raise


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on leaving without an error, fsync it and rename it there.

    A reader sees the old file or the new one, never half of one; on an error nothing is left behind.

    Raises:
        EnfoldError: the disk is full.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        with _clear_when_full(target):
            yield temporary
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; on leaving without an error, fsync its files and put it in place.

    A folder that stood there before is replaced: it stays readable until the new one is complete, and
    files that are still memory-mapped stay valid.

    Raises:
        EnfoldError: the disk is full.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    previous = target.with_name(f".{target.name}.{secrets.token_hex(6)}.old")
    temporary.mkdir()
    try:
        with _clear_when_full(target):
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with file.open("rb+") as written:
                        os.fsync(written.fileno())
            if target.exists():
                target.replace(previous)
            temporary.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if previous.exists():
            if not target.exists():
                previous.replace(target)
            shutil.rmtree(previous, ignore_errors=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically, in UTF-8."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file in UTF-8."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def fingerprint(path: str | Path) -> str:
    """The sha256 of a file's bytes, or of a folder's relative names and bytes, as 64 hex digits."""
    root = Path(path)
    if root.is_file():
        with root.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in sorted(item for item in root.rglob("*") if item.is_file()):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + fingerprint(file).encode() + b"\0")
    return digest.hexdigest()


def fingerprint_of(value: Any) -> str:
    """The sha256 of a JSON-serialisable value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
