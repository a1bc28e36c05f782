"""Large files that arrive as they are: in one piece, or in numbered parts.

Size and sha256 are checked before anything becomes visible; what does not fit leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from enfold.errors import InputError
from enfold.files import read_json
from enfold.hub.store.blobs import Blobs, BlobWriter, DamagedBlob
from enfold.hub.store.extents import Extent, LargeFile, Segment, read, segments
from enfold.hub.store.spool import Buffer, full_disk_named, make_folder, write_durably, write_fully

__all__ = ["LargeFiles", "PartWriter", "Upload", "UploadRefused"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPLOAD = re.compile(r"[0-9a-f]{32}")
# Below this many bytes handing a piece to another thread costs more than hashing it here.
_WORTH_A_THREAD = 128 * 1024


class UploadRefused(InputError):
    """What arrived is not what was announced: another size, another sha256, a missing part."""


class LargeFiles:
    """The large files of a store.

    Args:
        blobs: where their bytes are kept; parts are collected in its spool.
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.tmp = blobs.spool.folder
        self._hashing = ThreadPoolExecutor(max_workers=os.cpu_count() or 2, thread_name_prefix="sha256")

    def begin_upload(self, sha256: str, size: int) -> Upload:
        """Begin a file that arrives in one piece.

        Raises:
            InputError: ``sha256`` is not 64 lower-case hexadecimal digits, or ``size`` is negative.
            StorageFull: there is no room for it.
        """
        key = _key(sha256, size)
        return Upload(self.blobs.create(key, expected=size), sha256, size, key, self._hashing)

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
        if part_size < 1:
            raise InputError(f"a part of {part_size} bytes cannot be; at least 1 is needed")
        self.blobs.spool.check_room(size)
        upload = secrets.token_hex(16)
        folder = self.tmp / f"parts-{upload}"
        make_folder(folder)
        with full_disk_named(self.tmp), (folder / "data").open("xb") as data:
            data.truncate(size)
        plan = {"sha256": sha256, "size": size, "part_size": part_size}
        write_durably(folder / "plan.json", json.dumps(plan).encode())
        return upload

    def part(self, upload: str, number: int) -> PartWriter:
        """Begin part ``number`` (from 1 on); a part that came before is replaced.

        Raises:
            UploadRefused: there is no such upload, or no such part in it.
        """
        return PartWriter(self._folder(upload), number)

    def complete(self, upload: str, parts: Sequence[tuple[int, str]]) -> LargeFile:
        """End an upload in parts.

        Args:
            upload: its id.
            parts: the number of each part and the etag that was answered for it.

        Raises:
            UploadRefused: a part is missing or another one than named, or the sha256 of the whole is wrong; in the
                latter case the upload is gone.
        """
        folder = self._folder(upload)
        plan = _Plan(folder)
        named = dict(parts)
        for number in range(1, plan.count + 1):
            receipt = folder / f"{number}.part"
            if not receipt.is_file() or named.get(number) != receipt.read_text():
                raise UploadRefused(f"part {number} of {plan.count} has not arrived as named; send it again")
        if len(named) != plan.count:
            raise UploadRefused(f"{len(named)} parts are named, the upload has {plan.count}")
        with (folder / "data").open("rb") as data:
            found = hashlib.file_digest(data, "sha256").hexdigest()
        if found != plan.sha256:
            shutil.rmtree(folder, ignore_errors=True)
            raise _wrong_hash(plan.sha256, found)
        key = _key(plan.sha256, plan.size)
        self.blobs.adopt(key, folder / "data")
        shutil.rmtree(folder, ignore_errors=True)
        return LargeFile(plan.sha256, plan.size, _whole(key, plan.size))

    def abort_parts(self, upload: str) -> None:
        """Drop an upload in parts; one that is not there is no error."""
        if _UPLOAD.fullmatch(upload):
            shutil.rmtree(self.tmp / f"parts-{upload}", ignore_errors=True)

    def _folder(self, upload: str) -> Path:
        folder = self.tmp / f"parts-{upload}"
        if not _UPLOAD.fullmatch(upload) or not (folder / "plan.json").is_file():
            raise UploadRefused(f"upload {upload[:64]!r} is unknown: it ended, or was abandoned; begin it again")
        return folder


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


class _Plan:
    """What was announced when an upload in parts began."""

    def __init__(self, folder: Path) -> None:
        plan = read_json(folder / "plan.json")
        self.sha256: str = plan["sha256"]
        self.size: int = plan["size"]
        self.part_size: int = plan["part_size"]

    @property
    def count(self) -> int:
        return -(-self.size // self.part_size)


class PartWriter:
    """One part while it arrives. It counts only after :meth:`commit`."""

    def __init__(self, folder: Path, number: int) -> None:
        plan = _Plan(folder)
        if not 1 <= number <= plan.count:
            raise UploadRefused(f"part {number} cannot be: the upload has the parts 1 to {plan.count}")
        self._folder = folder
        self._number = number
        self._place = (number - 1) * plan.part_size
        self._behind = min(self._place + plan.part_size, plan.size)
        self._digest = hashlib.sha256()
        (folder / f"{number}.part").unlink(missing_ok=True)
        self._file = (folder / "data").open("rb+", buffering=0)
        self._file.seek(self._place)

    def write(self, data: Buffer) -> None:
        """Append bytes.

        Raises:
            UploadRefused: the part is longer than announced.
        """
        if self._place + len(data) > self._behind:
            raise UploadRefused(f"part {self._number} is longer than announced")
        self._digest.update(data)
        with full_disk_named(self._folder):
            write_fully(self._file.fileno(), [memoryview(data)])
        self._place += len(data)

    def commit(self) -> str:
        """Make the part durable; its etag.

        Raises:
            UploadRefused: the part is shorter than announced.
        """
        if self._place != self._behind:
            self._file.close()
            raise UploadRefused(f"part {self._number} lacks {self._behind - self._place} bytes; send it again")
        with full_disk_named(self._folder):
            os.fsync(self._file.fileno())
            self._file.close()
            etag = self._digest.hexdigest()
            write_durably(self._folder / f"{self._number}.part", etag.encode())
        return etag

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


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
