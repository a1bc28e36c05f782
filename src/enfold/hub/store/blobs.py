"""Large content on disk or in an object store, one blob a key.

A blob appears whole or not at all and never changes; its key is made of the hash of what it holds. Two stores speak the
protocol: :class:`LocalBlobs` here, and ``ObjectStoreBlobs`` of ``enfold.hub.store.remote_blobs``.

On disk a blob is written to a temporary file, fsynced, renamed, and its folder is fsynced: after ``commit`` it survives
a crash of the machine.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from enfold.errors import InputError, ServiceError

__all__ = ["BlobInfo", "BlobWriter", "Blobs", "Buffer", "LocalBlobs", "MissingBlob", "StorageFull"]

Buffer = bytes | bytearray | memoryview

READ_BYTES = 1024 * 1024
"""Size of the pieces that readers give, in bytes."""

# Dirty pages are handed to the disk while the upload still runs, so that the last fsync has little left to do.
_WRITE_BACK_BYTES = 32 * 1024 * 1024
# os.writev takes at most this many buffers (IOV_MAX on Linux).
_MOST_BUFFERS = 1024

_KEY = re.compile(r"[a-z0-9-]+(/[a-z0-9][a-z0-9._-]*)+")


class MissingBlob(ServiceError):
    """A blob is not in the store; ``key`` names it."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"blob {key} is not in the store; `enfold hub verify` lists what is missing")


class StorageFull(ServiceError):
    """There is no room for an upload (HTTP 507)."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A blob as :meth:`Blobs.list` shows it: its key, its bytes, and when it was written (seconds since 1970)."""

    key: str
    size: int
    modified: float


class BlobWriter(Protocol):
    """A blob while it is written; leaving the ``with`` block without a commit leaves nothing behind."""

    def write(self, *pieces: Buffer) -> None:
        """Append bytes."""

    def commit(self) -> None:
        """Make the blob visible under its key, durably. A blob that has the key already is replaced by its equal."""

    def abort(self) -> None:
        """Drop what was written; harmless after a commit."""

    def __enter__(self) -> BlobWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Blobs(Protocol):
    """Where blobs are kept. Safe to use from several threads and processes."""

    def check_room(self, expected: int) -> None:
        """Raise ``StorageFull`` unless ``expected`` bytes fit and the reserve stays free."""

    def create(self, key: str, *, expected: int = 0) -> BlobWriter:
        """Begin a blob; ``expected`` bytes must fit, or ``StorageFull`` is raised."""

    def adopt(self, key: str, file: Path) -> None:
        """Make a complete local file the blob ``key``, durably; the file itself is gone afterwards."""

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """A blob's bytes at once: for small blobs and small ranges."""

    def open_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """A range of a blob, in pieces of at most ``READ_BYTES``."""

    def size(self, key: str) -> int:
        """The bytes of a blob."""

    def exists(self, key: str) -> bool:
        """Whether there is a blob under this key."""

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""

    def path(self, key: str) -> Path | None:
        """The blob as a local file, for sendfile; None where the store has no local files."""

    def list(self, prefix: str = "") -> Iterator[BlobInfo]:
        """All blobs whose key begins with the folder ``prefix``, in no particular order."""


def checked(key: str) -> str:
    """``key`` itself, if it can be one: lower-case pieces between slashes, none of which begins with a dot.

    Raises:
        InputError: it cannot.
    """
    if not _KEY.fullmatch(key):
        raise InputError(f"{key[:200]!r} is not the key of a blob")
    return key


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
    """Write all bytes of ``pieces``, in as few calls as the system allows."""
    while pieces:
        written = os.writev(descriptor, pieces[:_MOST_BUFFERS])
        while pieces and written >= len(pieces[0]):
            written -= len(pieces.pop(0))
        if pieces and written:
            pieces[0] = pieces[0][written:]


def start_write_back(descriptor: int, start: int, length: int) -> None:
    """Ask the system to begin writing a range of a file to disk, without waiting for it."""
    if hasattr(os, "posix_fadvise"):
        # Linux starts the write-back of dirty pages on this advice; what is still dirty is not dropped.
        os.posix_fadvise(descriptor, start, length, os.POSIX_FADV_DONTNEED)


class LocalBlobs:
    """Blobs as files under one folder.

    Args:
        folder: where they are; made if it is not there.
        tmp: where they are written first, on the same file system; ``.tmp`` in the folder if not given.
        reserve: bytes of the disk that uploads never use.
    """

    def __init__(self, folder: Path, *, tmp: Path | None = None, reserve: int = 0) -> None:
        self.folder = folder
        self.tmp = tmp or folder / ".tmp"
        self.reserve = reserve
        make_folder(self.folder)
        make_folder(self.tmp)

    def __repr__(self) -> str:
        return f"LocalBlobs({str(self.folder)!r})"

    def _file(self, key: str) -> Path:
        return self.folder / checked(key)

    def check_room(self, expected: int) -> None:
        """See :meth:`Blobs.check_room`."""
        free = shutil.disk_usage(self.tmp).free
        if free < self.reserve + expected:
            raise StorageFull(
                f"the disk that holds {self.folder} has {free} bytes free; {expected} are wanted and {self.reserve} "
                "stay in reserve: free some space and upload again"
            )

    def create(self, key: str, *, expected: int = 0) -> LocalWriter:
        """See :meth:`Blobs.create`."""
        self._file(key)
        self.check_room(expected)
        return LocalWriter(self, key)

    def adopt(self, key: str, file: Path) -> None:
        """See :meth:`Blobs.adopt`; ``file`` must be on the same file system."""
        target = self._file(key)
        make_folder(target.parent)
        with full_disk_named(self.folder):
            with file.open("rb+") as written:
                os.fsync(written.fileno())
            file.replace(target)
            sync_folder(target.parent)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See :meth:`Blobs.read`."""
        file = self._file(key)
        try:
            with file.open("rb") as source:
                source.seek(start)
                data = source.read() if length is None else source.read(length)
        except FileNotFoundError as error:
            raise MissingBlob(key) from error
        if length is not None and len(data) != length:
            raise _cut_off(key, start + length, start + len(data))
        return data

    def open_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """See :meth:`Blobs.open_range`."""
        try:
            descriptor = os.open(self._file(key), os.O_RDONLY)
        except FileNotFoundError as error:
            raise MissingBlob(key) from error
        try:
            place, behind = start, start + length
            while place < behind:
                data = os.pread(descriptor, min(READ_BYTES, behind - place), place)
                if not data:
                    raise _cut_off(key, behind, place)
                place += len(data)
                yield data
        finally:
            os.close(descriptor)

    def size(self, key: str) -> int:
        """See :meth:`Blobs.size`."""
        try:
            return self._file(key).stat().st_size
        except FileNotFoundError as error:
            raise MissingBlob(key) from error

    def exists(self, key: str) -> bool:
        """See :meth:`Blobs.exists`."""
        return self._file(key).is_file()

    def delete(self, key: str) -> None:
        """See :meth:`Blobs.delete`."""
        self._file(key).unlink(missing_ok=True)

    def path(self, key: str) -> Path | None:
        """See :meth:`Blobs.path`.

        Raises:
            MissingBlob: there is no such blob.
        """
        file = self._file(key)
        if not file.is_file():
            raise MissingBlob(key)
        return file

    def list(self, prefix: str = "") -> Iterator[BlobInfo]:
        """See :meth:`Blobs.list`."""
        for parent, folders, names in os.walk(self.folder / prefix):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                file = Path(parent) / name
                try:
                    status = file.stat()
                except FileNotFoundError:
                    continue
                yield BlobInfo(file.relative_to(self.folder).as_posix(), status.st_size, status.st_mtime)

    def remove_abandoned(self, older_than: float) -> int:
        """Remove what interrupted uploads left in ``tmp`` more than ``older_than`` seconds ago; the number removed."""
        oldest, removed = time.time() - older_than, 0
        for item in self.tmp.iterdir():
            try:
                newest = max([item.stat().st_mtime, *(inner.stat().st_mtime for inner in item.glob("*"))])
                if newest >= oldest:
                    continue
                shutil.rmtree(item) if item.is_dir() else item.unlink()
            except FileNotFoundError:
                continue
            removed += 1
        return removed


class LocalWriter:
    """A blob of :class:`LocalBlobs` while it is written."""

    def __init__(self, blobs: LocalBlobs, key: str) -> None:
        self.key = key
        self.written = 0
        self._blobs = blobs
        self._started = 0
        self._file = blobs.tmp / f"blob-{secrets.token_hex(12)}"
        self._descriptor: int | None = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)

    def write(self, *pieces: Buffer) -> None:
        """See :meth:`BlobWriter.write`."""
        if self._descriptor is None:
            raise ServiceError(f"blob {self.key} is already closed")
        views = [memoryview(piece) for piece in pieces if len(piece)]
        total = sum(len(view) for view in views)
        with full_disk_named(self._blobs.folder):
            write_fully(self._descriptor, views)
        self.written += total
        if self.written - self._started >= _WRITE_BACK_BYTES:
            start_write_back(self._descriptor, self._started, self.written - self._started)
            self._started = self.written
            self._blobs.check_room(0)

    def commit(self) -> None:
        """See :meth:`BlobWriter.commit`."""
        if self._descriptor is None:
            raise ServiceError(f"blob {self.key} is already closed")
        target = self._blobs.folder / self.key
        with full_disk_named(self._blobs.folder):
            make_folder(target.parent)
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
            self._file.replace(target)
            sync_folder(target.parent)

    def abort(self) -> None:
        """See :meth:`BlobWriter.abort`."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._file.unlink(missing_ok=True)

    def __enter__(self) -> LocalWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def _cut_off(key: str, wanted: int, found: int) -> ServiceError:
    return ServiceError(
        f"blob {key} ends at byte {found}, {wanted} are wanted; `enfold hub verify` lists damaged blobs"
    )
