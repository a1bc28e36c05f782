"""Where each object of a pack lies: indexes of version 2 (git help gitformat-pack, PACK INDEX)."""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from enfold.hub.store.git_errors import MalformedObject

__all__ = ["INDEX_MAGIC", "PackIndex"]

INDEX_MAGIC = b"\377tOc\0\0\0\2"
_SMALL = 256 << 10  # an index up to this size is held, a larger one is mapped


class PackIndex:
    """Where each object of a pack lies."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            self._data: bytes | mmap.mmap
            if size <= _SMALL:
                self._data = source.read()
            else:
                self._data = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        if size < 8 + 1024 + 40 or self._data[:8] != INDEX_MAGIC:
            raise MalformedObject(f"{path.name} is not an index of a pack (version 2)")
        self._fan = np.frombuffer(self._data, ">u4", 256, 8)
        self.count = int(self._fan[255])
        self._names = 8 + 1024
        self._crcs = self._names + 20 * self.count
        self._offsets = self._crcs + 4 * self.count
        self._large = self._offsets + 4 * self.count
        if size < self._large + 40:
            raise MalformedObject(f"{path.name} is cut off")

    def find(self, oid: bytes) -> int | None:
        """The offset of an object by the 20 bytes of its id, or None."""
        place = self._place(oid)
        return None if place is None else self._offset(place)

    def _place(self, oid: bytes) -> int | None:
        first = oid[0]
        low = int(self._fan[first - 1]) if first else 0
        high = int(self._fan[first])
        data, names = self._data, self._names
        place = bisect_left(range(high), oid, low, high, key=lambda i: data[names + 20 * i : names + 20 * i + 20])
        if place < high and data[names + 20 * place : names + 20 * place + 20] == oid:
            return place
        return None

    def _offset(self, place: int) -> int:
        at = self._offsets + 4 * place
        value = int.from_bytes(self._data[at : at + 4], "big")
        if value & 0x80000000:
            at = self._large + 8 * (value & 0x7FFFFFFF)
            value = int.from_bytes(self._data[at : at + 8], "big")
        return value

    def starting_with(self, prefix: str, limit: int = 2) -> list[str]:
        """Ids that begin with these hex digits, at most ``limit``."""
        low = bytes.fromhex((prefix + "0" * 40)[:40])
        data, names = self._data, self._names
        place = bisect_left(range(self.count), low, key=lambda i: data[names + 20 * i : names + 20 * i + 20])
        found: list[str] = []
        while place < self.count and len(found) < limit:
            name = data[names + 20 * place : names + 20 * place + 20].hex()
            if not name.startswith(prefix):
                break
            found.append(name)
            place += 1
        return found

    @property
    def oids(self) -> Any:
        """All ids in order, as a NumPy array of 20-byte strings."""
        return np.frombuffer(self._data, "S20", self.count, self._names)

    def oid(self, place: int) -> bytes:
        """The id at a place in the order of ids."""
        return self._data[self._names + 20 * place : self._names + 20 * place + 20]

    def crc(self, place: int) -> int:
        """The CRC-32 of the packed bytes of the object at this place."""
        return int.from_bytes(self._data[self._crcs + 4 * place : self._crcs + 4 * place + 4], "big")

    @cached_property
    def offsets(self) -> Any:
        """Offsets in the order of ids, as int64."""
        raw = np.frombuffer(self._data, ">u4", self.count, self._offsets).astype(np.int64)
        far = raw >= 0x80000000
        if far.any():
            large = np.frombuffer(self._data, ">u8", int(far.sum()), self._large).astype(np.int64)
            raw[far] = large[raw[far] & 0x7FFFFFFF]
        return raw

    @cached_property
    def by_offset(self) -> tuple[Any, Any]:
        """Offsets in rising order, and the place (in the order of ids) of each."""
        order = np.argsort(self.offsets, kind="stable")
        return self.offsets[order], order
