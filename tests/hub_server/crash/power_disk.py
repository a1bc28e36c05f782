"""What is on a disk after a power cut, out of the log that `power_log.c` writes.

The model keeps no more than it must. The bytes of a file are those of its last fsync. A name in a folder is what it was
at the last fsync of the folder: a file that was created, renamed or removed since is where it was before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Disk", "Event", "events"]


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the log."""

    kind: str
    inode: int = 0
    path: str = ""
    other: str = ""
    place: int = 0
    data: bytes = b""


@dataclass(slots=True)
class _File:
    now: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    changed: bool = False


@dataclass(slots=True)
class _Folder:
    now: dict[str, _File | _Folder] = field(default_factory=dict)
    durable: dict[str, _File | _Folder] = field(default_factory=dict)


def events(log: Path) -> Iterator[Event]:
    """The records, in order."""
    data, place = log.read_bytes(), 0
    while place < len(data):
        end = data.index(b"\n", place)
        kind, _, rest = data[place:end].decode().partition(" ")
        place = end + 1
        if kind == "W":
            inode, at, length = map(int, rest.split())
            yield Event(kind, inode, place=at, data=data[place : place + length])
            place += length
        elif kind in ("C", "M"):
            inode_text, _, path = rest.partition(" ")
            yield Event(kind, int(inode_text), path)
        elif kind == "T":
            inode, size = map(int, rest.split())
            yield Event(kind, inode, place=size)
        elif kind == "S":
            yield Event(kind, int(rest))
        elif kind in ("R", "L"):
            path, _, other = rest.partition("\t")
            yield Event(kind, path=path, other=other)
        else:
            yield Event(kind, path=rest)


class Disk:
    """A folder as a process sees it, and as it would be if the power went now.

    Args:
        root: the folder, which is there and empty, durably.
        inode: its number.
    """

    def __init__(self, root: str, inode: int) -> None:
        self._root = root
        self._top = _Folder()
        self._by_inode: dict[int, _File | _Folder] = {inode: self._top}

    def apply(self, event: Event) -> None:
        """Let one thing happen."""
        match event.kind:
            case "C":
                self._put(event.path, self._new(event.inode, _File()))
            case "M":
                self._put(event.path, self._new(event.inode, _Folder()))
            case "W":
                file = self._file(event.inode)
                end = event.place + len(event.data)
                file.now.extend(b"\0" * (event.place - len(file.now)))
                file.now[event.place : end] = event.data
                file.changed = True
            case "T":
                file = self._file(event.inode)
                del file.now[event.place :]
                file.now.extend(b"\0" * (event.place - len(file.now)))
                file.changed = True
            case "S":
                item = self._by_inode[event.inode]
                if isinstance(item, _Folder):
                    item.durable = dict(item.now)
                elif item.changed:
                    item.durable, item.changed = bytes(item.now), False
            case "R":
                self._put(event.other, self._take(event.path))
            case "L":
                folder, name = self._at(event.path)
                self._put(event.other, folder.now[name])
            case "U":
                self._take(event.path)

    def write(self, target: Path, *, durable: bool) -> None:
        """Make the folder somewhere: what a power cut leaves, or what the process saw."""
        _write(self._top, target, durable=durable)

    def _new(self, inode: int, item: _File | _Folder) -> _File | _Folder:
        self._by_inode[inode] = item  # the number may have been another's, which is gone
        return item

    def _file(self, inode: int) -> _File:
        found = self._by_inode[inode]
        assert isinstance(found, _File)
        return found

    def _at(self, path: str) -> tuple[_Folder, str]:
        *folders, name = path.removeprefix(self._root).strip("/").split("/")
        folder = self._top
        for each in folders:
            found = folder.now[each]
            assert isinstance(found, _Folder)
            folder = found
        return folder, name

    def _put(self, path: str, item: _File | _Folder) -> None:
        folder, name = self._at(path)
        folder.now[name] = item

    def _take(self, path: str) -> _File | _Folder:
        folder, name = self._at(path)
        return folder.now.pop(name)


def _write(folder: _Folder, target: Path, *, durable: bool) -> None:
    target.mkdir()
    for name, item in (folder.durable if durable else folder.now).items():
        if isinstance(item, _Folder):
            _write(item, target / name, durable=durable)
        else:
            (target / name).write_bytes(item.durable if durable else item.now)
