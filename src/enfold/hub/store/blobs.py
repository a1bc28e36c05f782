"""Large content on disk or in an object store, one blob a key.

A blob appears whole or not at all and never changes; its key is made of the hash of what it holds. Two stores speak the
protocol: :class:`LocalBlobs` here, and ``ObjectStoreBlobs`` of ``enfold.hub.store.remote_blobs``.

On disk a blob is written to a temporary file, fsynced, renamed, and its folder is fsynced: after ``commit`` it survives
a crash of the machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from enfold.errors import InputError, ServiceError
from enfold.hub.store.spool import Buffer, Spool, SpoolWriter, full_disk_named, make_folder, sync_folder

__all__ = ["READ_BYTES", "BlobInfo", "BlobWriter", "Blobs", "DamagedBlob", "LocalBlobs", "MissingBlob", "checked"]

READ_BYTES = 1024 * 1024
"""Size of the pieces that readers give, in bytes."""

_KEY = re.compile(r"[a-z0-9-]+(/[a-z0-9][a-z0-9._-]*)+")


class MissingBlob(ServiceError):
    """A blob is not in the store; ``key`` names it."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"blob {key} is not in the store; `enfold hub verify` lists what is missing")


class DamagedBlob(ServiceError):
    """What is in the store is not what was put there."""


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

    spool: Spool
    """Where uploads are collected; its ``check_room`` and ``remove_abandoned`` keep the disk in order."""

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


class LocalBlobs:
    """Blobs as files under one folder.

    Args:
        folder: where they are; made if it is not there.
        tmp: where they are written first, on the same file system; ``.tmp`` in the folder if not given.
        reserve: bytes of the disk that uploads never use.
    """

    def __init__(self, folder: Path, *, tmp: Path | None = None, reserve: int = 0) -> None:
        self.folder = folder
        make_folder(folder)
        self.spool = Spool(tmp or folder / ".tmp", reserve=reserve)
        self._durable: set[Path] = set()

    def __repr__(self) -> str:
        return f"LocalBlobs({str(self.folder)!r})"

    def _file(self, key: str) -> Path:
        return self.folder / checked(key)

    def create(self, key: str, *, expected: int = 0) -> SpoolWriter:
        """See :meth:`Blobs.create`."""
        return self.spool.writer(checked(key), self.adopt, expected=expected)

    def adopt(self, key: str, file: Path) -> None:
        """See :meth:`Blobs.adopt`; ``file`` must be on the same file system."""
        target = self._file(key)
        with full_disk_named(self.folder):
            self._prepare(target.parent)
            with file.open("rb+") as written:
                os.fsync(written.fileno())
            file.replace(target)
            sync_folder(target.parent)

    def _prepare(self, folder: Path) -> None:
        # Another process may have made the folder and not synced it yet: each process syncs it once for itself.
        if folder not in self._durable:
            make_folder(folder)
            above = folder
            while above != self.folder:
                above = above.parent
                sync_folder(above)
            self._durable.add(folder)

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


def _cut_off(key: str, wanted: int, found: int) -> DamagedBlob:
    return DamagedBlob(f"blob {key} ends at byte {found}, {wanted} are wanted; `enfold hub verify` lists damaged blobs")
