"""A large file as a list of stretches of blobs, and how a range of it is read.

A file that came by LFS is one extent. A file that came by Xet is made of stretches of decoded xorbs; neighbours that
touch are one extent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from enfold.errors import InputError
from enfold.hub.store.blobs import Blobs

__all__ = ["Extent", "LargeFile", "Segment", "cut", "merged", "read", "segments"]


@dataclass(frozen=True, slots=True)
class Extent:
    """``length`` bytes of the blob ``blob`` (its key), from byte ``start`` on."""

    blob: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Segment:
    """``length`` bytes of a local file, from byte ``start`` on: what one sendfile call takes."""

    path: Path
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A large file: its hexadecimal sha256, its bytes, and where they are, in order."""

    sha256: str
    size: int
    extents: tuple[Extent, ...]


def merged(extents: Iterable[Extent]) -> tuple[Extent, ...]:
    """The same bytes in as few extents as possible; empty ones are left out."""
    found: list[Extent] = []
    for extent in extents:
        last = found[-1] if found else None
        if last and last.blob == extent.blob and last.start + last.length == extent.start:
            found[-1] = Extent(last.blob, last.start, last.length + extent.length)
        elif extent.length:
            found.append(extent)
    return tuple(found)


def cut(extents: Sequence[Extent], start: int, length: int) -> tuple[Extent, ...]:
    """The extents that hold ``length`` bytes from byte ``start`` on.

    Raises:
        InputError: the range is not inside the file.
    """
    size = sum(extent.length for extent in extents)
    if start < 0 or length < 0 or start + length > size:
        raise InputError(f"bytes {start} to {start + length} are not inside a file of {size} bytes")
    found = []
    place, behind = 0, start + length
    for extent in extents:
        low, high = max(start - place, 0), min(behind - place, extent.length)
        if low < high:
            found.append(Extent(extent.blob, extent.start + low, high - low))
        place += extent.length
        if place >= behind:
            break
    return tuple(found)


def read(blobs: Blobs, extents: Sequence[Extent], start: int, length: int) -> Iterator[bytes]:
    """``length`` bytes from byte ``start`` on, in pieces of at most a mebibyte.

    Raises:
        InputError: the range is not inside the file.
        MissingBlob: a blob is gone.
    """
    for extent in cut(extents, start, length):
        yield from blobs.open_range(extent.blob, extent.start, extent.length)


def segments(blobs: Blobs, extents: Sequence[Extent], start: int, length: int) -> list[Segment] | None:
    """The same range as parts of local files, for sendfile; None where the store has no local files.

    Raises:
        InputError: the range is not inside the file.
        MissingBlob: a blob is gone.
    """
    found = []
    for extent in cut(extents, start, length):
        path = blobs.path(extent.blob)
        if path is None:
            return None
        found.append(Segment(path, extent.start, extent.length))
    return found
