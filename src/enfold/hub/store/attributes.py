"""What ``.gitattributes`` says of a file, above all whether it is a large one; and what ``.gitignore`` leaves out.

Sources: git help gitattributes, git help gitignore.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.path_patterns import PathPattern
from enfold.hub.store.trees import find_entry

__all__ = ["AttributeRules", "IgnoreRules", "Rules"]

_LONGEST_LINE = 2048  # git passes over longer ones too
_MOST_LINES = 10_000
_LARGEST = 1 << 20
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"[ \t]*(.*)', re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}

Value = bytes | bool | None


def _lines(data: bytes) -> Iterator[bytes]:
    for line in data[:_LARGEST].removeprefix(b"\xef\xbb\xbf").split(b"\n")[:_MOST_LINES]:
        if len(line) < _LONGEST_LINE:
            yield line.removesuffix(b"\r")


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    return bytes([int(code, 8) & 255]) if len(code) == 3 else _ESCAPES.get(code, code)


class AttributeRules:
    """The rules of one ``.gitattributes``; the last line that fits and speaks of an attribute decides.

    Args:
        data: the bytes of the file.
    """

    def __init__(self, data: bytes) -> None:
        self._rules: list[tuple[PathPattern, dict[bytes, Value]]] = []
        macros: dict[bytes, dict[bytes, Value]] = {b"binary": {b"diff": False, b"merge": False, b"text": False}}
        for line in _lines(data):
            line = line.strip(b" \t\r")
            if not line or line.startswith(b"#"):
                continue
            quoted = _QUOTED.fullmatch(line)
            if quoted is not None:
                pattern, rest = _ESCAPE.sub(_unescape, quoted.group(1)), quoted.group(2)
            else:
                pattern, _, rest = line.replace(b"\t", b" ").partition(b" ")
            values: dict[bytes, Value] = {}
            for word in rest.split():
                name, value = self._word(word)
                values.update(macros.get(name, {}) if value is True else {})
                values[name] = value
            if pattern.startswith(b"[attr]"):
                macros[pattern[6:]] = values
            elif not pattern.startswith(b"!"):
                self._rules.append((PathPattern(pattern), values))

    @staticmethod
    def _word(word: bytes) -> tuple[bytes, Value]:
        if word[:1] == b"-":
            return word[1:], False
        if word[:1] == b"!":
            return word[1:], None
        name, given, value = word.partition(b"=")
        return name, value if given else True

    def find(self, path: bytes, name: bytes) -> tuple[bool, Value]:
        """Whether a line speaks of the attribute for ``path`` (relative to the file), and what it says."""
        for pattern, values in reversed(self._rules):
            if name in values and not pattern.folders_only and pattern.matches(path):
                return True, values[name]
        return False, None


class IgnoreRules:
    """The rules of one ``.gitignore``; the last line that fits decides.

    Args:
        data: the bytes of the file.
    """

    def __init__(self, data: bytes) -> None:
        self._rules: list[tuple[PathPattern, bool]] = []
        for line in _lines(data):
            if line.startswith(b"#"):
                continue
            stripped = line.rstrip(b" ")
            kept = len(stripped) - len(stripped.rstrip(b"\\"))
            line = stripped + b" " if kept % 2 and len(line) > len(stripped) else stripped
            excluded = not line.startswith(b"!")
            line = line if excluded else line[1:]
            if line and line != b"/":
                self._rules.append((PathPattern(line), excluded))

    def find(self, path: bytes, *, folder: bool) -> bool | None:
        """True: left out; False: taken in again; None: no line fits (a path relative to the file)."""
        for pattern, excluded in reversed(self._rules):
            if (folder or not pattern.folders_only) and pattern.matches(path):
                return excluded
        return None

    def ignores(self, path: bytes) -> bool:
        """Whether a file is left out by this file alone: itself, or a folder above it."""
        pieces = path.split(b"/")
        for depth in range(1, len(pieces)):
            if self.find(b"/".join(pieces[:depth]), folder=True):
                return True
        return bool(self.find(path, folder=False))


class Rules:
    """All ``.gitattributes`` and ``.gitignore`` of a revision; those further down decide before those above.

    Args:
        store: the repository.
        tree: the root tree.
    """

    def __init__(self, store: ObjectStore, tree: str) -> None:
        self._store = store
        self._tree = tree
        self._attributes: dict[bytes, AttributeRules | None] = {}
        self._ignored: dict[bytes, IgnoreRules | None] = {}

    def _read(self, folder: bytes, name: bytes) -> bytes | None:
        path = folder + b"/" + name if folder else name
        entry = find_entry(self._store, self._tree, path)
        if entry is None or entry.mode >> 12 != 0o10 or self._store.size(entry.oid) > _LARGEST:
            return None
        return self._store.blob(entry.oid)

    def attribute(self, path: bytes, name: bytes) -> Value:
        """What is said of an attribute: its value, True (set), False (unset), or None (nothing)."""
        for folder, rest in _upwards(path):
            if folder not in self._attributes:
                data = self._read(folder, b".gitattributes")
                self._attributes[folder] = AttributeRules(data) if data is not None else None
            rules = self._attributes[folder]
            if rules is not None:
                said, value = rules.find(rest, name)
                if said:
                    return value
        return None

    def is_large(self, path: bytes) -> bool:
        """Whether the file is kept outside git (``filter=lfs``)."""
        return self.attribute(path, b"filter") == b"lfs"

    def ignores(self, path: bytes) -> bool:
        """Whether ``.gitignore`` leaves the file out: itself, or a folder above it."""
        pieces = path.split(b"/")
        return any(
            self._decide(b"/".join(pieces[:depth]), folder=depth < len(pieces)) for depth in range(1, len(pieces) + 1)
        )

    def _decide(self, path: bytes, *, folder: bool) -> bool:
        for above, rest in _upwards(path):
            if above not in self._ignored:
                data = self._read(above, b".gitignore")
                self._ignored[above] = IgnoreRules(data) if data is not None else None
            rules = self._ignored[above]
            decided = rules.find(rest, folder=folder) if rules is not None else None
            if decided is not None:
                return decided
        return False


def _upwards(path: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each folder above a path, the nearest first, and the path from there."""
    pieces = path.split(b"/")
    for depth in range(len(pieces) - 1, -1, -1):
        yield b"/".join(pieces[:depth]), b"/".join(pieces[depth:])
