"""What can be wrong with git objects, packs and paths.

GitError               (an EnfoldError)
 ├─ MissingObject      this repository has no object of that id (also a KeyError)
 ├─ MalformedObject    bytes that are not the object they claim to be (also a ValueError)
 ├─ MalformedPath      a path that a repository must not hold (also a ValueError)
 ├─ MissingPath        a tree has nothing at that path (also a KeyError)
 ├─ PathConflict       a file would stand where a folder is, or the other way round
 └─ RefusedPack        a pack that is damaged, too large, or not closed; nothing of it was kept
"""

from __future__ import annotations

from enfold.errors import EnfoldError

__all__ = [
    "GitError",
    "MalformedObject",
    "MalformedPath",
    "MissingObject",
    "MissingPath",
    "PathConflict",
    "RefusedPack",
]


class GitError(EnfoldError):
    """Something is wrong with a git object, a pack or a path."""


class MissingObject(GitError, KeyError):
    """This repository has no object of that id."""

    def __init__(self, oid: str) -> None:
        super().__init__(f"object {oid} is not in this repository")
        self.oid = oid

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr


class MalformedObject(GitError, ValueError):
    """Bytes that are not the object they claim to be, or that git would refuse."""


class MalformedPath(GitError, ValueError):
    """A path that a repository must not hold."""


class MissingPath(GitError, KeyError):
    """A tree has nothing at that path."""

    def __init__(self, path: bytes) -> None:
        super().__init__(f"'{path.decode('utf-8', 'replace')}' does not exist in this revision")
        self.path = path

    def __str__(self) -> str:
        return str(self.args[0])


class PathConflict(GitError):
    """A file would stand where a folder is, or the other way round."""


class RefusedPack(GitError):
    """A pack that is damaged, over a limit, or not closed; nothing of it was kept."""
