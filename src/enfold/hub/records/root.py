"""The folder of a hub: what is where in it, its format, and the lock that keeps a second server away.

DIR/format.json     {"format": 1, "store": "<random id>", "generation": 1}
DIR/upkeep.lock     held by a backup or a clean-up
DIR/hub.sqlite      the records, unless another database is named
DIR/repos/          git objects: repos/<uid[:2]>/<uid>/
DIR/blobs/          large content
DIR/tmp/            temporary files, on the same file system
DIR/lock
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enfold.errors import ServiceError, SettingsError

__all__ = ["FORMAT", "HubRoot"]

FORMAT = 1
"""The format of the folder that this version of Enfold reads and writes."""
_ABANDONED_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class HubRoot:
    """An opened root folder."""

    path: Path
    store: str
    """A random id of this store; a restored copy gets another."""

    @classmethod
    def open(cls, path: str | Path, *, make: bool = True) -> HubRoot:
        """Open a root, or make one in an empty or missing folder.

        Raises:
            SettingsError: the folder holds something else, or nothing and ``make`` is false.
            ServiceError: its format is newer than this version reads, or it cannot be written.
        """
        folder = Path(path).expanduser().absolute()
        try:
            if not (folder / "format.json").exists():
                if not make:
                    raise SettingsError(f"{folder} is no hub; start one there with: enfold hub serve --root {folder}")
                _make(folder)
            facts = _facts(folder)
            for name in ("repos", "blobs", "tmp"):
                (folder / name).mkdir(exist_ok=True)
        except OSError as error:
            raise ServiceError(f"cannot use {folder} as the root of a hub: {error.strerror or error}") from error
        return cls(folder, facts["store"])

    @classmethod
    def planned(cls, path: str | Path) -> HubRoot:
        """A root to be, in an empty or missing folder: nothing serves it before :meth:`settle`.

        Raises:
            SettingsError: there is something in the folder.
            ServiceError: it cannot be written.
        """
        folder = Path(path).expanduser().absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            others = sorted(entry.name for entry in folder.iterdir())
            if others:
                raise SettingsError(f"{folder} is not empty: it holds {others[0]!r}; give an empty or a new folder")
            for name in ("repos", "blobs", "tmp"):
                (folder / name).mkdir()
        except OSError as error:
            raise ServiceError(f"cannot use {folder} as the root of a hub: {error.strerror or error}") from error
        return cls(folder, secrets.token_hex(8))

    def settle(self) -> None:
        """Make a planned root a hub's, durably."""
        _write_facts(self.path, {"format": FORMAT, "store": self.store, "generation": 1}, replace=False)

    @property
    def generation(self) -> int:
        """Raised before content is removed, so that clients forget what they believe to be here.

        It is read each time: another process may raise it while a server runs.
        """
        generation: int = _facts(self.path)["generation"]
        return generation

    def raise_generation(self) -> int:
        """Begin the next generation, durably; its number. Only under the lock of the upkeep."""
        facts = _facts(self.path)
        generation: int = facts["generation"] + 1
        _write_facts(self.path, {"format": FORMAT, **facts, "generation": generation}, replace=True)
        return generation

    @property
    def database(self) -> Path:
        """The SQLite file, when no other database is named."""
        return self.path / "hub.sqlite"

    @property
    def blobs(self) -> Path:
        """Large content."""
        return self.path / "blobs"

    @property
    def tmp(self) -> Path:
        """Temporary files."""
        return self.path / "tmp"

    def repository(self, uid: str) -> Path:
        """The folder of a repository's git objects."""
        return self.path / "repos" / uid[:2] / uid

    def make_repository(self, uid: str) -> None:
        """Make the folder of a repository to be, so that it is still there after a power cut."""
        folder = self.path / "repos"
        for name in (uid[:2], uid, "packs"):
            folder = folder / name
            with suppress(FileExistsError):
                folder.mkdir()
            _sync(folder.parent)

    @contextmanager
    def only_server(self) -> Iterator[None]:
        """Be the one server of this root while the block runs.

        Raises:
            ServiceError: there is one already.
        """
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ServiceError(
                    f"a hub is being served from {self.path} already; stop it first, or choose another --root"
                ) from None
            yield

    def remove_repository(self, uid: str) -> None:
        """Remove a repository's git objects; out of sight first, so that what is left over is only rubbish."""
        folder = self.repository(uid)
        away = self.tmp / f"deleted-{uid}-{secrets.token_hex(4)}"
        with suppress(FileNotFoundError):
            folder.rename(away)
            _sync(folder.parent)
            shutil.rmtree(away, ignore_errors=True)

    def remove_abandoned(self) -> None:
        """Remove temporary files, and folders of them, that nobody has touched for a day."""
        oldest = time.time() - _ABANDONED_SECONDS
        for entry in self.tmp.iterdir():
            with suppress(OSError):
                if max(part.stat().st_mtime for part in (entry, *entry.glob("*"))) > oldest:
                    continue
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _make(folder: Path) -> None:
    """Write ``format.json`` into an empty folder; two that start at once end up with the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".format-"))
    if others and "format.json" not in others:
        raise SettingsError(f"{folder} is no hub, and not empty: it holds {others[0]!r}; give an empty or a new folder")
    _write_facts(folder, {"format": FORMAT, "store": secrets.token_hex(8), "generation": 1}, replace=False)


def _write_facts(folder: Path, facts: dict[str, Any], *, replace: bool) -> None:
    draft = folder / f".format-{secrets.token_hex(8)}"
    try:
        with draft.open("w", encoding="ascii") as file:
            json.dump(facts, file)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(folder / "format.json")
        else:
            with suppress(FileExistsError):
                os.link(draft, folder / "format.json")
    finally:
        draft.unlink(missing_ok=True)
    _sync(folder)


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / "format.json").read_text(encoding="ascii"))
        number, store, generation = facts["format"], facts["store"], facts["generation"]
        fits = isinstance(number, int) and isinstance(store, str) and isinstance(generation, int)
    except (ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        raise SettingsError(f"{folder / 'format.json'} is damaged; restore it from a backup")
    if number > FORMAT:
        raise ServiceError(
            f"{folder} has format {number}, newer than {FORMAT}, the newest that this version reads; upgrade Enfold: "
            "pip install --upgrade enfold"
        )
    return {"store": store, "generation": generation}


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
