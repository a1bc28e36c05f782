"""The content behind a path: an ordinary file in git, or a large file that a pointer in git stands for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from enfold.hub.records import links
from enfold.hub.records.schema import Repository
from enfold.hub.server.state import HubState
from enfold.hub.store import LargeFile, ObjectStore, Pointer, parse_pointer

__all__ = ["Content", "content_from_upstream", "large_content", "open_content", "pointer_at"]

_POINTER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent for a file.

    Attributes:
        size: its bytes.
        etag: the git id of an ordinary file, the sha256 of a large one.
        is_large: whether it is a large file.
        read: gives bytes from a place on, so many, in pieces of at most a mebibyte.
        file: a local file that holds exactly these bytes, for sendfile; None where there is none.
        arriving: gives bytes as ``read`` does, of a file that is still on its way here; None where all of it is here.
    """

    size: int
    etag: str
    is_large: bool
    read: Callable[[int, int], Iterator[bytes]]
    file: Path | None = None
    arriving: Callable[[int, int], AsyncIterator[bytes]] | None = None

    def beginning(self, length: int) -> bytes:
        """At most so many of the first bytes."""
        return b"".join(self.read(0, min(length, self.size)))


def pointer_at(store: ObjectStore, oid: str) -> Pointer | None:
    """The pointer that a blob is, or None when it is an ordinary file."""
    return parse_pointer(store.blob(oid)) if store.size(oid) < _POINTER_BYTES else None


def open_content(
    state: HubState, session: Session, repository: Repository, oid: str, *, raw: bool = False
) -> Content | None:
    """The content of a blob of a repository; None for a large file that the repository may not use.

    Args:
        state: the hub.
        session: a transaction.
        repository: whose blob it is.
        oid: the blob.
        raw: what is in git, a pointer as it is.
    """
    store = state.objects(repository)
    pointer = None if raw else pointer_at(store, oid)
    if pointer is None:
        return _ordinary(store, oid)
    if not links.is_linked(session, repository, pointer.sha256):
        return None
    large = links.large_file(session, pointer.sha256)
    return None if large is None or large.size != pointer.size else large_content(state, large)


def content_from_upstream(
    state: HubState, repository: Repository, oid: str, *, only_head: bool = False
) -> Content | None:
    """The content of a large file that a mirror has not kept yet; None where the upstream hub does not give it.

    Args:
        state: the hub.
        repository: whose blob it is; the caller may have its files.
        oid: the blob.
        only_head: nothing of the file itself is asked for.

    Raises:
        HubError: the upstream hub does not answer, or the file is one that this hub refuses.
    """
    if state.mirror is None or not repository.mirrored:
        return None
    pointer = pointer_at(state.objects(repository), oid)
    if pointer is None:
        return None
    return state.mirror.large(repository, pointer.sha256, pointer.size, only_head=only_head)


def _ordinary(store: ObjectStore, oid: str) -> Content:
    def read(start: int, length: int) -> Iterator[bytes]:
        yield store.blob(oid)[start : start + length]

    return Content(store.size(oid), oid, False, read)


def large_content(state: HubState, large: LargeFile) -> Content:
    """The content of a large file; that the caller may have it was decided before."""

    def read(start: int, length: int) -> Iterator[bytes]:
        return state.large_files.read(large, start, length)

    return Content(large.size, large.sha256, True, read, _whole_file(state, large))


def _whole_file(state: HubState, large: LargeFile) -> Path | None:
    if len(large.extents) != 1 or large.extents[0].start:
        return None
    path = state.blobs.path(large.extents[0].blob)
    return path if path is not None and path.stat().st_size == large.size else None
