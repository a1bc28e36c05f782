"""A repository of a Hub as a folder of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from enfold.errors import InputError
from enfold.files import atomic_folder
from enfold.hub.client import MODEL_FILES, snapshot
from enfold.hub.pushing import REPOSITORY
from enfold.hub.references import HubRepository

__all__ = ["pull"]

_BESIDE = ("*.md", "LICENSE*", "NOTICE*")


def pull(repository: str, folder: Path | None = None, *, revision: str | None = None) -> tuple[Path, str, int]:
    """Fetch a model repository into a folder: whole, or not at all.

    Args:
        repository: ``owner/name``.
        folder: to write, which must not be there; by default one of the repository's name in the working folder.
        revision: branch, tag or commit; the main branch unless given.

    Returns:
        the folder, the commit (40 hex digits), and how many files there are.

    Raises:
        InputError: ``repository`` is not ``owner/name``, or the folder is there already.
        SourceError: there is no such repository or revision, or the Hub cannot be reached.
    """
    if not REPOSITORY.fullmatch(repository):
        raise InputError(f"a repository is written owner/name; it is {repository!r}")
    target = folder or Path(repository.split("/")[1])
    if target.exists():
        raise InputError(f"{target} is there already: name another folder, or remove it")
    found, commit = snapshot(HubRepository(repository, revision), kind="model", only=(*MODEL_FILES, *_BESIDE))
    with atomic_folder(target) as temporary:
        shutil.copytree(found, temporary, dirs_exist_ok=True)
        count = sum(path.is_file() for path in temporary.rglob("*"))
    return target, commit, count
