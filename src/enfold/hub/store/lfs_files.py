"""Large files that arrive as they are: in one piece, or in numbered parts.

Size and sha256 are checked before anything becomes visible; what does not fit leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from enfold.errors import InputError
from enfold.hub.store.blobs import Blobs, BlobWriter, DamagedBlob
from enfold.hub.store.extents import Extent, LargeFile, Segment, read, segments
from enfold.hub.store.parts import PartedUpload, PartWriter, UploadRefused
from enfold.hub.store.spool import Buffer

__all__ = ["LargeFiles", "Upload", "UploadRefused"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
# Below this many bytes handing a piece to another thread costs more than hashing it here.
_WORTH_A_THREAD = 128 * 1024


class LargeFiles:
    """The large files of a store.

    Args:
        blobs: where their bytes are kept; parts are collected in its spool.
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self._hashing = ThreadPoolExecutor(max_workers=os.cpu_count() or 2, thread_name_prefix="sha256")

    def begin_upload(self, sha256: str, size: int) -> Upload:
        """Begin a file that arrives in one piece.

        Raises:
            InputError: ``sha256`` is not 64 lower-case hexadecimal digits, or ``size`` is negative.
            StorageFull: there is no room for it.
        """
        key = _key(sha256, size)
        return Upload(self.blobs.create(key, expected=size), sha256, size, key, self._hashing)

    def adopt(self, sha256: str, size: int, file: Path) -> LargeFile:
        """Take a local file on the store's own disk, whose size and sha256 the caller has checked; it is moved.

        Raises:
            InputError: ``sha256`` or ``size`` cannot be.
            StorageFull: the disk is full.
        """
        key = _key(sha256, size)
        self.blobs.adopt(key, file)
        return LargeFile(sha256, size, _whole(key, size))

    def read(self, file: LargeFile, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """A range of a file, to its end by default, in pieces of at most a mebibyte."""
        return read(self.blobs, file.extents, start, file.size - start if length is None else length)

    def segments(self, file: LargeFile, start: int = 0, length: int | None = None) -> list[Segment] | None:
        """The same range as parts of local files, for sendfile; None where the store has no local files."""
        return segments(self.blobs, file.extents, start, file.size - start if length is None else length)

    def check(self, file: LargeFile) -> None:
        """Read a whole file and hold it against its sha256.

        Raises:
            MissingBlob: a blob is gone.
            DamagedBlob: the bytes are damaged.
        """
        digest = hashlib.sha256()
        for data in self.read(file):
            digest.update(data)
        if digest.hexdigest() != file.sha256:
            raise DamagedBlob(f"file {file.sha256} is damaged: its bytes have sha256 {digest.hexdigest()}")

    def begin_parts(self, sha256: str, size: int, part_size: int) -> str:
        """Begin a file that arrives in parts of ``part_size`` bytes, the last one shorter; the upload's random id.

        The id is good in every process that shares the spool, and after a restart.

        Raises:
            InputError: ``sha256``, ``size`` or ``part_size`` cannot be.
            StorageFull: there is no room for it.
        """
        _key(sha256, size)
        return PartedUpload.begin(self.blobs.spool, sha256, size, part_size).upload

    def part(self, upload: str, number: int) -> PartWriter:
        """Begin part ``number`` (from 1 on); a part that came before is replaced.

        Raises:
            UploadRefused: there is no such upload, or no such part in it, or the upload is being ended.
        """
        return PartedUpload(self.blobs.spool, upload).part(number)

    def complete(self, upload: str, parts: Sequence[tuple[int, str]]) -> LargeFile:
        """End an upload in parts.

        Args:
            upload: its id.
            parts: the number of each part and the etag that was answered for it.

        Raises:
            UploadRefused: a part is missing, another one than named, or still arriving; or the sha256 of the whole is
                wrong, and then the upload is gone.
        """
        parted = PartedUpload(self.blobs.spool, upload)
        key = _key(parted.sha256, parted.size)
        with parted.ended(dict(parts)) as data:
            self.blobs.adopt(key, data)
        return LargeFile(parted.sha256, parted.size, _whole(key, parted.size))

    def abort_parts(self, upload: str) -> None:
        """Drop an upload in parts; one that is not there is no error."""
        with suppress(UploadRefused):
            PartedUpload(self.blobs.spool, upload).abort()


class Upload:
    """A file that arrives in one piece; leaving the ``with`` block without a commit leaves nothing behind."""

    def __init__(self, writer: BlobWriter, sha256: str, size: int, key: str, hashing: ThreadPoolExecutor) -> None:
        self.sha256 = sha256
        self.size = size
        self.received = 0
        self._key = key
        self._writer = writer
        self._digest = hashlib.sha256()
        self._hashing = hashing

    def write(self, data: Buffer) -> None:
        """Append bytes: pieces of about a mebibyte are written and hashed at the same time, in two threads.

        Raises:
            UploadRefused: more bytes came than were announced.
        """
        if self.received + len(data) > self.size:
            raise UploadRefused(f"more than the announced {self.size} bytes of {self.sha256} came")
        if len(data) < _WORTH_A_THREAD:
            self._digest.update(data)
            self._writer.write(data)
        else:
            hashed = self._hashing.submit(self._digest.update, data)
            try:
                self._writer.write(data)
            finally:
                hashed.result()
        self.received += len(data)

    def commit(self) -> LargeFile:
        """End the upload: check it, and make it durable and visible.

        Raises:
            UploadRefused: too few bytes came, or they have another sha256; nothing is left of them.
        """
        if self.received != self.size:
            self.abort()
            raise UploadRefused(f"{self.received} bytes of {self.sha256} came, {self.size} were announced")
        found = self._digest.hexdigest()
        if found != self.sha256:
            self.abort()
            raise _wrong_hash(self.sha256, found)
        self._writer.commit()
        return LargeFile(self.sha256, self.size, _whole(self._key, self.size))

    def abort(self) -> None:
        """Drop what came; harmless after a commit."""
        self._writer.abort()

    def __enter__(self) -> Upload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def _key(sha256: str, size: int) -> str:
    if not _SHA256.fullmatch(sha256):
        raise InputError(f"{sha256[:80]!r} is not a sha256: 64 lower-case hexadecimal digits are expected")
    if size < 0:
        raise InputError(f"a file of {size} bytes cannot be")
    return f"file/{sha256[:2]}/{sha256}"


def _whole(key: str, size: int) -> tuple[Extent, ...]:
    return (Extent(key, 0, size),) if size else ()


def _wrong_hash(announced: str, found: str) -> UploadRefused:
    return UploadRefused(f"the bytes have sha256 {found}, {announced} was announced; nothing was stored")
