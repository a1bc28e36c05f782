"""The files of a backup: a folder, to which only what is new is added, or one archive (.tar).

manifest.json                   what the backup holds; written last, so that a backup without one is none
records-<moment>.jsonl.gz       all rows of the records
repos/<uid[:2]>/<uid>/packs/    git objects
blobs/<key>                     large content
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from enfold.errors import ServiceError, SettingsError
from enfold.hub.store.spool import full_disk_named, make_folder, sync_folder

__all__ = ["BACKUP_FORMAT", "MANIFEST", "BackupReader", "BackupWriter", "backup_reader", "backup_writer", "read_pieces"]

BACKUP_FORMAT = 1
MANIFEST = "manifest.json"
_PIECE = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class BackupWriter(Protocol):
    """A backup while it is made."""

    def has(self, name: str, size: int) -> bool:
        """Whether a file that never changes is in it already."""

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Add a file of ``size`` bytes."""

    def finish(self, manifest: dict[str, Any], keep: set[str]) -> None:
        """Write the manifest, durably; then files that are not in ``keep`` go."""

    def abandon(self) -> None:
        """Leave an earlier backup as it was; harmless after :meth:`finish`."""


class BackupReader(Protocol):
    """A backup that is read."""

    manifest: dict[str, Any]

    def names(self, prefix: str) -> Iterator[str]:
        """The files whose names begin with ``prefix``."""

    def open(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, in pieces. Raises SettingsError when it is not there."""


def backup_writer(path: Path, store: str) -> BackupWriter:
    """Begin a backup of a store.

    Raises:
        SettingsError: the folder holds something else, or the backup of another hub.
    """
    if path.suffix == ".tar":
        if path.is_dir():
            raise SettingsError(f"{path} is a folder; name a file that ends in .tar, or a folder that does not")
        return _TarWriter(path)
    return _FolderWriter(path, store)


def backup_reader(path: Path) -> BackupReader:
    """Open a backup.

    Raises:
        SettingsError: it is none, or damaged.
        ServiceError: its format is newer than this version reads.
    """
    reader: BackupReader = _FolderReader(path) if path.is_dir() else _TarReader(path)
    number = reader.manifest.get("backup")
    if not isinstance(number, int):
        raise SettingsError(f"{path} is no backup of a hub: its {MANIFEST} says something else")
    if number > BACKUP_FORMAT:
        raise ServiceError(
            f"{path} is a backup of format {number}, newer than {BACKUP_FORMAT}, the newest that this version reads; "
            "upgrade Enfold: pip install --upgrade enfold"
        )
    return reader


def read_pieces(source: Any) -> Iterator[bytes]:
    """A file object's bytes in pieces of a mebibyte."""
    while piece := source.read(_PIECE):
        yield piece


class _FolderWriter:
    def __init__(self, folder: Path, store: str) -> None:
        self._folder = folder
        self._changed: set[Path] = set()
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"{folder} is a file; name a folder, or a file that ends in .tar")
        manifest = folder / MANIFEST
        if manifest.exists():
            found = _FolderReader(folder).manifest.get("store")
            if found != store:
                raise SettingsError(f"{folder} holds the backup of another hub (store {found}); give each its own")
        elif folder.exists() and any(
            entry.name not in ("repos", "blobs") and not entry.name.startswith((".", "records-"))
            for entry in folder.iterdir()
        ):
            raise SettingsError(f"{folder} is no backup of a hub, and not empty; give an empty or a new folder")
        make_folder(folder)
        folder.chmod(0o700)

    def has(self, name: str, size: int) -> bool:
        try:
            return (self._folder / name).stat().st_size == size
        except FileNotFoundError:
            return False

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        file = self._folder / name
        make_folder(file.parent)
        draft = file.with_name(f".{secrets.token_hex(8)}")
        try:
            with full_disk_named(self._folder):
                with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
                    for piece in pieces:
                        out.write(piece)
                    out.flush()
                    os.fsync(out.fileno())
                if draft.stat().st_size != size:
                    raise ServiceError(f"{name} has {draft.stat().st_size} bytes, {size} were expected; run it again")
                draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
        self._changed.add(file.parent)

    def finish(self, manifest: dict[str, Any], keep: set[str]) -> None:
        for folder in self._changed:
            sync_folder(folder)
        data = json.dumps(manifest, indent=2).encode()
        self.add(MANIFEST, len(data), [data])
        sync_folder(self._folder)
        for file in list(self._folder.rglob("*")):
            name = file.relative_to(self._folder).as_posix()
            if file.is_file() and name not in keep and name != MANIFEST:
                file.unlink()

    def abandon(self) -> None:
        return


class _TarWriter:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        make_folder(path.parent.absolute())
        self._file = os.fdopen(os.open(self._draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._names: set[str] = set()

    def has(self, name: str, size: int) -> bool:
        return name in self._names

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        about = tarfile.TarInfo(name)
        about.size, about.mode = size, 0o600
        with full_disk_named(self._path.parent):
            self._tar.addfile(about, io.BufferedReader(_Pieces(pieces), _PIECE))
        self._names.add(name)

    def finish(self, manifest: dict[str, Any], keep: set[str]) -> None:
        data = json.dumps(manifest, indent=2).encode()
        self.add(MANIFEST, len(data), [data])
        with full_disk_named(self._path.parent):
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        self._draft.replace(self._path)
        sync_folder(self._path.parent.absolute())

    def abandon(self) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file to read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not len(self._left):
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


class _FolderReader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            raise SettingsError(f"{folder} is no backup of a hub: it has no {MANIFEST}") from None
        except ValueError as error:
            raise SettingsError(f"{folder / MANIFEST} is damaged; take an earlier backup") from error

    def names(self, prefix: str) -> Iterator[str]:
        for file in sorted((self._folder / prefix).rglob("*")):
            if file.is_file() and not file.name.startswith("."):
                yield file.relative_to(self._folder).as_posix()

    def open(self, name: str) -> Iterator[bytes]:
        try:
            with (self._folder / name).open("rb") as source:
                yield from read_pieces(source)
        except FileNotFoundError:
            raise SettingsError(f"{self._folder} lacks {name}; take an earlier backup") from None


class _TarReader:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 — read until the process ends
            self._members = {member.name: member for member in self._tar.getmembers() if member.isreg()}
            found = self._tar.extractfile(self._members[MANIFEST])
            self.manifest: dict[str, Any] = json.loads(found.read() if found else b"")
        except FileNotFoundError:
            raise SettingsError(f"there is no backup at {path}") from None
        except (tarfile.TarError, KeyError, ValueError, EOFError) as error:
            raise SettingsError(f"{path} is no backup of a hub, or is cut off: it has no {MANIFEST}") from error

    def names(self, prefix: str) -> Iterator[str]:
        for name in sorted(self._members):
            if name.startswith(prefix) and _NAME.fullmatch(name):
                yield name

    def open(self, name: str) -> Iterator[bytes]:
        if name not in self._members:
            raise SettingsError(f"{self._path} lacks {name}; take an earlier backup")
        found = self._tar.extractfile(self._members[name])
        assert found is not None, "it is a file"
        with found:
            yield from read_pieces(found)
