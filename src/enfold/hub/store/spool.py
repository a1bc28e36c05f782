"""Writing files that survive a crash, and the folder where what arrives is collected until it is checked.

The order is always: temporary file, fsync, rename, fsync of the folder. A folder that is made on the way is made
durable by an fsync of the one above it.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from enfold.errors import ServiceError

__all__ = [
    "WRITE_BACK_BYTES",
    "Buffer",
    "Spool",
    "SpoolWriter",
    "StorageFull",
    "full_disk_named",
    "make_folder",
    "start_write_back",
    "sync_folder",
    "write_durably",
    "write_fully",
]

Buffer = bytes | bytearray | memoryview

# Dirty pages are handed to the disk while an upload still runs, so that the last fsync has little left to do.
WRITE_BACK_BYTES = 32 * 1024 * 1024
# os.writev takes at most this many buffers (IOV_MAX on Linux).
_MOST_BUFFERS = 1024


class StorageFull(ServiceError):
    """There is no room for an upload (HTTP 507)."""


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Turn "no space left" into :class:`StorageFull`, which names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"the disk that holds {folder} is full; free some space and upload again") from error
        raise


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def write_fully(descriptor: int, pieces: list[memoryview]) -> None:
    """Write all bytes of ``pieces``, in as few calls as the system allows; the list is used up."""
    while pieces:
        written = os.writev(descriptor, pieces[:_MOST_BUFFERS])
        done = 0
        while done < len(pieces) and written >= len(pieces[done]):
            written -= len(pieces[done])
            done += 1
        del pieces[:done]
        if written:
            pieces[0] = pieces[0][written:]


def write_durably(file: Path, data: bytes) -> None:
    """Write a small file whole or not at all, durably."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    with full_disk_named(file.parent), temporary.open("xb") as written:
        written.write(data)
        written.flush()
        os.fsync(written.fileno())
    temporary.replace(file)
    sync_folder(file.parent)


def start_write_back(descriptor: int, start: int, length: int) -> None:
    """Ask the system to begin writing a range of a file to disk, without waiting for it."""
    if hasattr(os, "posix_fadvise"):
        # Linux starts the write-back of dirty pages on this advice, and drops only what is clean.
        os.posix_fadvise(descriptor, start, length, os.POSIX_FADV_DONTNEED)


class Spool:
    """A folder of files that are not complete yet.

    Args:
        folder: made if it is not there.
        reserve: bytes of its disk that uploads never use.
    """

    def __init__(self, folder: Path, *, reserve: int = 0) -> None:
        self.folder = folder
        self.reserve = reserve
        make_folder(folder)

    def check_room(self, expected: int) -> None:
        """Raise ``StorageFull`` unless ``expected`` bytes fit and the reserve stays free."""
        free = shutil.disk_usage(self.folder).free
        if free < self.reserve + expected:
            raise StorageFull(
                f"the disk that holds {self.folder} has {free} bytes free; {expected} are wanted and {self.reserve} "
                "stay in reserve: free some space and upload again"
            )

    def writer(self, key: str, adopt: Callable[[str, Path], None], *, expected: int = 0) -> SpoolWriter:
        """Begin a blob that ``adopt(key, file)`` will put in its place."""
        self.check_room(expected)
        return SpoolWriter(self, key, adopt)

    def remove_abandoned(self, older_than: float) -> int:
        """Remove what interrupted uploads left more than ``older_than`` seconds ago; the number removed."""
        oldest, removed = time.time() - older_than, 0
        for item in self.folder.iterdir():
            try:
                if max(part.stat().st_mtime for part in (item, *item.glob("*"))) >= oldest:
                    continue
                shutil.rmtree(item) if item.is_dir() else item.unlink()
            except FileNotFoundError:
                continue
            removed += 1
        return removed


class SpoolWriter:
    """A blob while it is written; see ``BlobWriter`` for the methods."""

    def __init__(self, spool: Spool, key: str, adopt: Callable[[str, Path], None]) -> None:
        self.key = key
        self.written = 0
        self._spool = spool
        self._adopt = adopt
        self._started = 0
        self._file = spool.folder / f"blob-{secrets.token_hex(12)}"
        self._descriptor: int | None = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)

    def write(self, *pieces: Buffer) -> None:
        """Append bytes."""
        descriptor = self._open()
        views = [memoryview(piece) for piece in pieces if len(piece)]
        total = sum(len(view) for view in views)
        with full_disk_named(self._spool.folder):
            write_fully(descriptor, views)
        self.written += total
        if self.written - self._started >= WRITE_BACK_BYTES:
            start_write_back(descriptor, self._started, self.written - self._started)
            self._started = self.written
            self._spool.check_room(0)

    def commit(self) -> None:
        """Make the blob visible under its key, durably."""
        descriptor, self._descriptor = self._open(), None
        try:
            # The file stays open until it is fsynced: what went wrong in an earlier write-back is reported then.
            self._adopt(self.key, self._file)
        finally:
            os.close(descriptor)

    def abort(self) -> None:
        """Drop what was written; harmless after a commit."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._file.unlink(missing_ok=True)

    def _open(self) -> int:
        if self._descriptor is None:
            raise ServiceError(f"blob {self.key} is already closed")
        return self._descriptor

    def __enter__(self) -> SpoolWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()
