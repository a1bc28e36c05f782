"""A large file that arrives in numbered parts, in any order, through any process, and on after a restart.

The parts are written to their places in one file of the spool, so that nothing is copied in the end. What is known of
an upload lies beside it: the plan, and a receipt for each part that is durable.

Whoever writes a part holds a shared lock on the file, whoever ends the upload the exclusive one: nobody can change the
bytes between the check of the sha256 and the moment they become a blob, or after it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from types import TracebackType

from enfold.errors import InputError
from enfold.files import read_json
from enfold.hub.store.spool import (
    WRITE_BACK_BYTES,
    Buffer,
    Spool,
    full_disk_named,
    make_folder,
    start_write_back,
    write_durably,
    write_fully,
)
from enfold.hub.xet.hashes import blake3

__all__ = ["PartWriter", "PartedUpload", "UploadRefused"]

_UPLOAD = re.compile(r"[0-9a-f]{32}")


class UploadRefused(InputError):
    """What arrived is not what was announced: another size, another sha256, a missing part."""


class PartedUpload:
    """An upload in parts, found by its random id.

    Args:
        spool: where it is collected.
        upload: its id.

    Raises:
        UploadRefused: there is no such upload.
    """

    def __init__(self, spool: Spool, upload: str) -> None:
        self.upload = upload
        self.folder = spool.folder / f"parts-{upload}"
        try:
            if not _UPLOAD.fullmatch(upload):
                raise FileNotFoundError
            plan = read_json(self.folder / "plan.json")
        except FileNotFoundError as error:
            raise self._unknown() from error
        self.sha256: str = plan["sha256"]
        self.size: int = plan["size"]
        self.part_size: int = plan["part_size"]
        self.count = -(-self.size // self.part_size)

    @classmethod
    def begin(cls, spool: Spool, sha256: str, size: int, part_size: int) -> PartedUpload:
        """Announce a file of ``size`` bytes in parts of ``part_size`` bytes, the last one shorter.

        Raises:
            InputError: there is no part of that size.
            StorageFull: there is no room for the file.
        """
        if part_size < 1:
            raise InputError(f"a part of {part_size} bytes cannot be; at least 1 is needed")
        spool.check_room(size)
        upload = secrets.token_hex(16)
        folder = spool.folder / f"parts-{upload}"
        make_folder(folder)
        with full_disk_named(spool.folder), (folder / "data").open("xb") as data:
            data.truncate(size)
        write_durably(
            folder / "plan.json", json.dumps({"sha256": sha256, "size": size, "part_size": part_size}).encode()
        )
        return cls(spool, upload)

    def part(self, number: int) -> PartWriter:
        """Begin part ``number``, counted from 1; one that came before no longer counts.

        Raises:
            UploadRefused: there is no such part, or the upload is being ended.
        """
        if not 1 <= number <= self.count:
            raise UploadRefused(f"part {number} cannot be: the upload has the parts 1 to {self.count}")
        return PartWriter(self, number, self.open_locked(fcntl.LOCK_SH))

    def open_locked(self, kind: int) -> FileIO:
        """The file of all parts, locked until it is closed: ``LOCK_SH`` to write a part, ``LOCK_EX`` to end."""
        path = self.folder / "data"
        try:
            file = path.open("rb+", buffering=0)
        except FileNotFoundError as error:
            raise self._unknown() from error
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            # Between opening and locking the file may have become a blob: then it is nobody's to write to.
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise FileNotFoundError
        except BlockingIOError as error:
            file.close()
            raise UploadRefused(f"upload {self.upload} still receives a part, or is being ended; try again") from error
        except FileNotFoundError as error:
            file.close()
            raise self._unknown() from error
        return file

    def receipt(self, number: int) -> Path:
        """The file that holds the etag of a part once it is durable."""
        return self.folder / f"{number}.part"

    @contextmanager
    def ended(self, etags: Mapping[int, str]) -> Iterator[Path]:
        """Check the whole; give its file, to be moved away. Afterwards the upload is gone.

        Args:
            etags: what was answered for each part.

        Raises:
            UploadRefused: a part is missing, another than named, or still arriving: the upload stays; or the sha256 of
                the whole is wrong: the upload is gone.
        """
        with self.open_locked(fcntl.LOCK_EX) as data:
            for number in range(1, self.count + 1):
                receipt = self.receipt(number)
                if not receipt.is_file() or etags.get(number) != receipt.read_text():
                    raise UploadRefused(f"part {number} of {self.count} has not arrived as named; send it again")
            if len(etags) != self.count:
                raise UploadRefused(f"{len(etags)} parts are named, the upload has {self.count}")
            found = hashlib.file_digest(data, "sha256").hexdigest()
            if found == self.sha256:
                yield self.folder / "data"
            shutil.rmtree(self.folder, ignore_errors=True)
        if found != self.sha256:
            raise UploadRefused(f"the bytes have sha256 {found}, {self.sha256} was announced; nothing was stored")

    def abort(self) -> None:
        """Drop what came."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unknown(self) -> UploadRefused:
        return UploadRefused(f"upload {self.upload[:64]!r} is unknown: it ended, or was abandoned; begin it again")


class PartWriter:
    """One part while it arrives. It counts only after :meth:`commit`."""

    def __init__(self, upload: PartedUpload, number: int, file: FileIO) -> None:
        self._upload = upload
        self._number = number
        self._file = file
        self._place = self._started = (number - 1) * upload.part_size
        self._behind = min(self._place + upload.part_size, upload.size)
        self._digest = blake3()
        upload.receipt(number).unlink(missing_ok=True)
        file.seek(self._place)

    def write(self, data: Buffer) -> None:
        """Append bytes.

        Raises:
            UploadRefused: the part is longer than announced.
        """
        if self._place + len(data) > self._behind:
            raise UploadRefused(f"part {self._number} is longer than announced")
        self._digest.update(data)
        with full_disk_named(self._upload.folder):
            write_fully(self._file.fileno(), [memoryview(data)])
        self._place += len(data)
        if self._place - self._started >= WRITE_BACK_BYTES:
            start_write_back(self._file.fileno(), self._started, self._place - self._started)
            self._started = self._place

    def commit(self) -> str:
        """Make the part durable; its etag.

        Raises:
            UploadRefused: the part is shorter than announced, or the upload was dropped.
        """
        if self._place != self._behind:
            raise UploadRefused(f"part {self._number} lacks {self._behind - self._place} bytes; send it again")
        etag = self._digest.hexdigest()
        with full_disk_named(self._upload.folder):
            os.fsync(self._file.fileno())
            try:
                write_durably(self._upload.receipt(self._number), etag.encode())
            except FileNotFoundError as error:
                raise UploadRefused(f"upload {self._upload.upload} was dropped; begin it again") from error
        self._file.close()
        return etag

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
