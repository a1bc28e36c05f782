"""Recently read objects, kept in memory up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

__all__ = ["SHARED", "ObjectCache"]

_Key = tuple[str, int]
_Value = tuple[int, bytes]
_OVERHEAD = 200  # what an entry costs beside its bytes


class ObjectCache:
    """Least recently used objects go first. Safe to use from several threads.

    Args:
        limit: bytes kept in all.
        largest: the largest single object that is kept.
    """

    def __init__(self, limit: int, largest: int) -> None:
        self._limit = limit
        self._largest = largest
        self._held = 0
        self._entries: OrderedDict[_Key, _Value] = OrderedDict()
        self._lock = Lock()

    def get(self, key: _Key) -> _Value | None:
        """The kind number and the bytes kept under ``key`` (pack, offset), or None."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: _Key, value: _Value) -> None:
        """Keep an object, unless it is too large."""
        cost = len(value[1]) + _OVERHEAD
        if cost > self._largest:
            return
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = value
            self._held += cost
            while self._held > self._limit:
                _, (_, data) = self._entries.popitem(last=False)
                self._held -= len(data) + _OVERHEAD


SHARED = ObjectCache(48 << 20, 8 << 20)
"""One for all repositories of a process."""
