"""What was fetched, kept by content under ``$ENFOLD_HOME`` (``~/.cache/enfold`` unless set).

    wheels/<sha256>/<file>.whl            a wheel as it came
    wheels/<sha256>/unpacked/<key>/<name> one inner path of it
    releases/<name>==<version>.json       which wheel that release is: its file name and sha256

Everything is written beside its place and renamed there, so that two processes that fetch the same thing at the same
time end with one whole copy. Repositories of a Hub stay in the Hub client's own cache, which other tools share.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from enfold.errors import EnfoldError

__all__ = ["home", "is_offline", "keep", "scratch"]

_TRUE = {"1", "on", "true", "yes"}


def home() -> Path:
    """The folder of the cache, from ``$ENFOLD_HOME``."""
    named = os.environ.get("ENFOLD_HOME")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "enfold"


def is_offline() -> bool:
    """Whether the network must not be used: ``ENFOLD_OFFLINE=1`` or ``HF_HUB_OFFLINE=1``."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("ENFOLD_OFFLINE", "HF_HUB_OFFLINE"))


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder on the cache's own disk, gone afterwards: what is fetched there can be renamed to its place.

    Raises:
        EnfoldError: the folder of the cache cannot be written.
    """
    folder = home() / f".fetching-{secrets.token_hex(6)}"
    _make(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Return ``folder``, made by ``fill`` if it is not there yet: whole, or not at all.

    What is kept is named by its content, so when two processes make it at once the first wins and the other's copy is
    dropped: they are the same.

    Args:
        folder: where it belongs.
        fill: writes the contents into the empty folder it is given.

    Raises:
        EnfoldError: the folder of the cache cannot be written, or the disk is full.
    """
    if folder.is_dir():
        return folder
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}.tmp")
    _make(temporary)
    try:
        fill(temporary)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():  # somebody else's copy is as good as ours
                raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EnfoldError(
                f"the disk is full: {folder} was not written; free some space or set ENFOLD_HOME"
            ) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise EnfoldError(
            f"the cache cannot be written: {error.strerror}: {folder.parent}; set ENFOLD_HOME to a folder that can"
        ) from error
