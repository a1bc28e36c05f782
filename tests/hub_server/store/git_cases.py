"""A real git repository beside an object store, for tests that compare the two."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from enfold.hub.store.commit_objects import Commit, Signature
from enfold.hub.store.git_objects import GitObject
from enfold.hub.store.object_store import ObjectStore

ANN = Signature("Ann", "ann@example.org", 1_700_000_000, 60)
ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "LC_ALL": "C",
}


def git(folder: Path, *arguments: str, data: bytes | None = None, check: bool = True, when: int | None = None) -> bytes:
    """Run the real git in a folder and give what it printed."""
    environment = dict(ENVIRONMENT)
    if when is not None:
        environment["GIT_AUTHOR_DATE"] = environment["GIT_COMMITTER_DATE"] = f"{when} +0100"
    result = subprocess.run(
        ["git", "-C", str(folder), *arguments], input=data, capture_output=True, env=environment, check=False
    )
    if check and result.returncode:
        raise AssertionError(f"git {' '.join(arguments)}: {result.stderr.decode()}")
    return result.stdout


def git_lines(folder: Path, *arguments: str) -> list[str]:
    return git(folder, *arguments).decode().splitlines()


def bare(folder: Path) -> Path:
    """An empty bare repository."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main")
    return folder


def worktree(folder: Path) -> Path:
    """An empty repository with a working tree."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


def store_of(repository: Path) -> ObjectStore:
    """The packs of a real repository, read in place."""
    inner = repository / ".git" if (repository / ".git").exists() else repository
    return ObjectStore(inner / "objects" / "pack")


def commit_files(repository: Path, files: dict[str, bytes | None], message: str, when: int) -> str:
    """Write (or with None delete) files, commit them with git, and give the commit's id."""
    for name, content in files.items():
        path = repository / name
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "-m", message, when=when)
    return git(repository, "rev-parse", "HEAD").decode().strip()


def new_commit(store: ObjectStore, tree: str, parents: tuple[str, ...], message: str, when: int = 1_700_000_000) -> str:
    """A commit of an existing tree, written to the store."""
    who = Signature("Ann", "ann@example.org", when, 60)
    made = Commit(tree, parents, who, who, message.encode()).encode()
    store.add([made])
    return made.oid


def blob(text: str | bytes) -> GitObject:
    return GitObject("blob", text.encode() if isinstance(text, str) else text)
