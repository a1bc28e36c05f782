"""Writing packs: a temporary file, fsync, rename, fsync of the folder; then the pack exists, or it does not.

An index is renamed after its pack, and a pack without one is not looked at: a crash between the two leaves nothing
that a reader could see.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
import time
import zlib
from array import array
from pathlib import Path
from types import TracebackType

import numpy as np

from enfold.hub.store.pack_index import INDEX_MAGIC
from enfold.hub.store.packs import KIND_NUMBERS
from enfold.hub.store.spool import sync_folder

__all__ = ["PackWriter", "entry_head", "publish", "remove_abandoned", "temporary_path", "write_index"]

_TEMPORARY = ".incoming-"
_LARGE = 64 << 10  # above this, deflating fast matters more than deflating well


def entry_head(kind: int, size: int) -> bytes:
    """The head of an object in a pack: its kind and its inflated size."""
    byte = (kind << 4) | (size & 15)
    size >>= 4
    out = bytearray()
    while size:
        out.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    out.append(byte)
    return bytes(out)


def deflate(data: bytes) -> bytes:
    """The zlib stream of ``data``; what a sample says cannot be made smaller is stored as it is."""
    if len(data) <= _LARGE:
        return zlib.compress(data)
    middle = len(data) // 2
    sample = data[middle : middle + _LARGE // 2]
    return zlib.compress(data, 0 if len(zlib.compress(sample, 1)) > 0.95 * len(sample) else 1)


def temporary_path(folder: Path) -> Path:
    """A new name in ``folder`` that no reader takes for a pack."""
    return folder / f"{_TEMPORARY}{secrets.token_hex(8)}.pack"


def remove_abandoned(folder: Path, older_than: float = 86400.0) -> int:
    """Remove temporary files last written more than ``older_than`` seconds ago; how many there were."""
    removed = 0
    for path in folder.glob(f"{_TEMPORARY}*"):
        try:
            if time.time() - path.stat().st_mtime > older_than:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed


def write_index(path: Path, oids: bytes | bytearray, offsets: array[int], crcs: array[int], checksum: bytes) -> None:
    """Write and fsync an index of version 2.

    Args:
        path: the file.
        oids: 20 bytes an object.
        offsets: where each lies, in the same order.
        crcs: the CRC-32 of each as packed.
        checksum: the last 20 bytes of the pack.
    """
    names = np.frombuffer(bytes(oids), np.uint8).reshape(-1, 20)
    order = np.argsort(np.frombuffer(bytes(oids), "S20"), kind="stable")
    names = names[order]
    places = np.array(offsets, np.int64)[order]
    far = places >= 0x80000000
    short = np.where(far, 0x80000000 + np.cumsum(far) - 1, places)
    counts = np.cumsum(np.bincount(names[:, 0], minlength=256))
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("xb") as out:
        for part in (
            INDEX_MAGIC,
            counts.astype(">u4").tobytes(),
            names.tobytes(),
            np.array(crcs, np.int64)[order].astype(">u4").tobytes(),
            short.astype(">u4").tobytes(),
            places[far].astype(">u8").tobytes(),
            checksum,
        ):
            digest.update(part)
            out.write(part)
        out.write(digest.digest())
        out.flush()
        os.fsync(out.fileno())


def publish(temporary: Path, folder: Path, oids: bytes | bytearray, offsets: array[int], crcs: array[int]) -> str:
    """Give a finished pack (written and fsynced at ``temporary``) its index and its name; returns its id.

    The id is the pack's own checksum, so that a pack of the same name holds the same bytes.
    """
    with temporary.open("rb") as source:
        source.seek(-20, os.SEEK_END)
        checksum = source.read(20)
    pack_id = checksum.hex()
    index = temporary.with_suffix(".idx")
    try:
        write_index(index, oids, offsets, crcs, checksum)
        temporary.chmod(0o444)
        index.chmod(0o444)
        temporary.rename(folder / f"pack-{pack_id}.pack")
        index.rename(folder / f"pack-{pack_id}.idx")
    finally:
        index.unlink(missing_ok=True)
    sync_folder(folder)
    return pack_id


class PackWriter:
    """A new pack of whole (never delta) or copied objects. Leaving the ``with`` block unfinished leaves nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = temporary_path(folder)
        self._out = self._path.open("xb")
        self._out.write(b"PACK" + struct.pack(">II", 2, 0))
        self._at = 12
        self._oids = bytearray()
        self._offsets = array("q")
        self._crcs = array("q")

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()
        self._path.unlink(missing_ok=True)

    @property
    def count(self) -> int:
        """How many objects were added."""
        return len(self._offsets)

    @property
    def oids(self) -> bytes:
        """The ids so far, 20 bytes each."""
        return bytes(self._oids)

    def add(self, oid: bytes, kind: str, data: bytes) -> None:
        """Add an object by the 20 bytes of its id."""
        self.copy(oid, entry_head(KIND_NUMBERS[kind], len(data)) + deflate(data))

    def copy(self, oid: bytes, packed: bytes) -> None:
        """Add an object that is packed already (head and deflated bytes)."""
        self._oids += oid
        self._offsets.append(self._at)
        self._crcs.append(zlib.crc32(packed))
        self._out.write(packed)
        self._at += len(packed)

    def finish(self) -> str:
        """Make the pack durable and visible; returns its id. A pack without objects is refused by ValueError."""
        if not self.count:
            raise ValueError("a pack needs an object")
        self._out.flush()
        seal(self._path, self.count)
        return publish(self._path, self._folder, self._oids, self._offsets, self._crcs)


def seal(path: Path, count: int) -> None:
    """Write the number of objects into the head of a pack, its checksum at its end, and fsync it."""
    with path.open("r+b") as file:
        file.seek(8)
        file.write(struct.pack(">I", count))
        file.flush()
        file.seek(0)
        digest = hashlib.sha1(usedforsecurity=False)
        while part := file.read(1 << 20):
            digest.update(part)
        file.seek(0, os.SEEK_END)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())
