"""The file that repositories travel in.

    ENFOLD-HUB-EXPORT 1\\n     20 bytes
    public key                32 bytes, of the hub that signed it: a hint, trusted only if the importer names it
    signature                 64 bytes, ed25519 of the manifest
    length of the manifest    8 bytes, big-endian
    manifest                  JSON
    contents                  end to end: the pack of each repository, then each large file, as the manifest lists them

The manifest holds the sha256 and the size of every content, so that its signature covers all of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enfold.errors import InputError
from enfold.hub.exchange.keys import is_signed_by

__all__ = ["MAGIC", "Bundle", "Content", "Exported", "Manifest", "opened"]

MAGIC = b"ENFOLD-HUB-EXPORT 1\n"
_LONGEST = 256 << 20
_PIECE = 1 << 20

Oid = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Content(_Part):
    """Bytes of the file."""

    sha256: Sha256
    size: int = Field(ge=0)


class Exported(_Part):
    """One repository."""

    type: Literal["model", "dataset", "space"]
    name: str
    private: bool
    gated: Literal["auto", "manual"] | None
    description: str | None
    sdk: str | None
    refs: dict[str, tuple[Oid, Oid]]
    """The object and the commit that each ref points to."""
    pack: Content
    """Its git objects."""
    large: tuple[Sha256, ...]
    """The large files that it may use."""


class Manifest(_Part):
    """All that is in the file."""

    made: str
    enfold: str
    repositories: tuple[Exported, ...] = Field(min_length=1)
    large: tuple[Content, ...]

    @property
    def contents(self) -> Iterator[Content]:
        """The contents in the order of the file."""
        yield from (each.pack for each in self.repositories)
        yield from self.large


@dataclass(frozen=True, slots=True)
class Bundle:
    """A file whose manifest was read; its contents are read in their order, once."""

    path: Path
    manifest: Manifest
    start: int
    file: IO[bytes]

    def check(self) -> None:
        """Hold every content against the manifest; afterwards `pieces` begins anew.

        Raises:
            InputError: a content is not what it was, or the file is cut off or goes on.
        """
        for content in self.manifest.contents:
            for _ in self.pieces(content):
                pass
        if self.file.read(1):
            raise InputError(f"{self.path} goes on after its last content: it was altered; nothing was imported")
        self.file.seek(self.start)

    def pieces(self, content: Content) -> Iterator[bytes]:
        """The next content, piece by piece; an error comes before the last piece is given.

        Raises:
            InputError: it is not what the manifest says, or the file is cut off.
        """
        digest, left = hashlib.sha256(), content.size
        while True:
            piece = self.file.read(min(_PIECE, left))
            digest.update(piece)
            left -= len(piece)
            if left and not piece:
                raise InputError(f"{self.path} is cut off: {left:,} bytes of a content are missing; copy it again")
            if not left:
                break
            yield piece
        if digest.hexdigest() != content.sha256:
            raise InputError(f"{self.path} was altered: a content has another sha256 than its manifest says")
        yield piece


@contextmanager
def opened(path: Path, trust: Ed25519PublicKey | None) -> Iterator[Bundle]:
    """Open a file and read its manifest, once its signature holds.

    Args:
        path: of the file.
        trust: the key that must have signed it; None for a file from anybody.

    Raises:
        InputError: it is no such file, was signed with another key, or its manifest was altered.
    """
    if not path.is_file():
        raise InputError(f"no file {path}")
    with path.open("rb") as file:
        magic, public, signature = file.read(len(MAGIC)), file.read(32), file.read(64)
        if magic != MAGIC:
            raise InputError(f"{path} is no export of a hub, or one of a newer version")
        length = int.from_bytes(file.read(8), "big")
        data = file.read(min(length, _LONGEST + 1))
        if length > _LONGEST or len(data) != length:
            raise InputError(f"{path} is cut off or was altered: its manifest is not whole; copy it again")
        if trust is not None and not is_signed_by(trust, signature, MAGIC + data):
            signer = public.hex()
            if public == trust.public_bytes_raw():
                raise InputError(f"{path} was altered: its signature does not hold; nothing was imported")
            raise InputError(f"{path} is not signed with the trusted key; it names {signer}; nothing was imported")
        try:
            manifest = Manifest.model_validate_json(data)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))[:200]
            raise InputError(f"the manifest of {path} is not one this version reads, at {where!r}") from None
        yield Bundle(path, manifest, file.tell(), file)
