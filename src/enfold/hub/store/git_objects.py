"""Git objects and their ids, and trees: the exact bytes git would write, and strict reading of them.

The forms are those that `git cat-file` shows (Chacon and Straub, Pro Git, chapter 10.2). A name, a mode or a header
that `git fsck --strict` calls an error is an error here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from enfold.hub.store.git_errors import MalformedObject
from enfold.hub.store.git_names import check_name, is_dot_gitmodules

__all__ = [
    "EXECUTABLE",
    "FILE",
    "FOLDER",
    "KINDS_OF_OBJECT",
    "SUBMODULE",
    "SYMLINK",
    "GitObject",
    "Kind",
    "TreeEntry",
    "check_entries",
    "encode_tree",
    "entry_start",
    "is_oid",
    "iterate_tree",
    "object_id",
    "parse_tree",
    "raw_entries",
]

Kind = Literal["blob", "tree", "commit", "tag"]

FILE = 0o100644
EXECUTABLE = 0o100755
SYMLINK = 0o120000
FOLDER = 0o040000
SUBMODULE = 0o160000
_MODES = frozenset((FILE, EXECUTABLE, SYMLINK, FOLDER, SUBMODULE))
KINDS_OF_OBJECT = ("blob", "tree", "commit", "tag")
_NO_OID = "0" * 40

_OID = re.compile(r"[0-9a-f]{40}")
_ENTRY = re.compile(rb"([1-7][0-7]{4,6}) ([^\0]*)\0(.{20})", re.DOTALL)
_MODE = re.compile(rb"[1-7][0-7]{4,6}")
_ENTRIES = re.compile(rb"(?:[1-7][0-7]{4,6} [^\0]*\0.{20})*+", re.DOTALL)


def is_oid(text: str) -> bool:
    """Whether ``text`` is a full object id: 40 lower-case hex digits."""
    return _OID.fullmatch(text) is not None


def object_id(kind: Kind, data: bytes) -> str:
    """The id git gives to these bytes: the SHA-1 of a short header and the data, as 40 hex digits."""
    digest = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


class GitObject:
    """One git object: its kind and its bytes. The id is computed when first asked for."""

    __slots__ = ("_oid", "data", "kind")

    def __init__(self, kind: Kind, data: bytes) -> None:
        if kind not in KINDS_OF_OBJECT:
            raise MalformedObject(f"'{kind}' is not a kind of git object; the kinds are: {', '.join(KINDS_OF_OBJECT)}")
        self.kind = kind
        self.data = data
        self._oid: str | None = None

    @property
    def oid(self) -> str:
        """40 hex digits, exactly git's."""
        if self._oid is None:
            self._oid = object_id(self.kind, self.data)
        return self._oid

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GitObject) and self.kind == other.kind and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.oid)

    def __repr__(self) -> str:
        return f"GitObject({self.kind}, {self.oid}, {len(self.data)} bytes)"


class TreeEntry(NamedTuple):
    """One line of a tree: a name, a mode and the id of what stands there."""

    name: bytes
    mode: int
    oid: str

    @property
    def is_folder(self) -> bool:
        """Whether the entry is a tree."""
        return self.mode == FOLDER

    @property
    def sort_key(self) -> bytes:
        """Git's order: by bytes, a folder as if its name ended in a slash."""
        return self.name + b"/" if self.mode == FOLDER else self.name


def iterate_tree(data: bytes, oid: str = "", start: int = 0) -> Iterator[TreeEntry]:
    """Read a tree lazily, entry by entry; only the form is checked, not the names (``check_object`` does that).

    Args:
        data: the bytes of the tree.
        oid: its id, for the message.
        start: where an entry begins.

    Raises:
        MalformedObject: the bytes are not a tree; ``oid`` names it.
    """
    position = start
    for match in _ENTRY.finditer(data, start):
        if match.start() != position:
            break
        position = match.end()
        mode, name, raw = match.groups()
        yield TreeEntry(name, int(mode, 8), raw.hex())
    if position != len(data):
        raise MalformedObject(f"tree {oid} is damaged at byte {position}")


def parse_tree(data: bytes, oid: str = "") -> list[TreeEntry]:
    """All entries of a tree, in its own order. Raises MalformedObject when the bytes are not a tree."""
    return list(iterate_tree(data, oid))


def raw_entries(data: bytes, oid: str = "") -> list[tuple[bytes, bytes, bytes]]:
    """All entries as (mode in octal digits, name, 20 bytes of id): the quickest form, for comparing large trees."""
    if _ENTRIES.fullmatch(data) is None:
        raise MalformedObject(f"tree {oid} is damaged")
    return _ENTRY.findall(data)


def entry_start(data: bytes, name: bytes) -> int | None:
    """Where the entry called ``name`` begins in a tree, or None; far quicker than reading every entry before it."""
    needle = b" " + name + b"\0"
    found = data.find(needle)
    start = 0
    while found >= 0:
        # An id, or the end of a longer name, may look like this: only a mode right after whole entries is one.
        before = _ENTRIES.match(data, start, found)
        start = before.end() if before is not None else start
        if _MODE.fullmatch(data, start, found):
            return start
        found = data.find(needle, found + 1)
    return None


def encode_tree(entries: Iterable[TreeEntry]) -> GitObject:
    """The tree with these entries, put in git's order.

    Raises:
        MalformedObject: a name or a mode that a tree must not hold, or a name that occurs twice.
    """
    ordered = sorted(entries, key=lambda entry: entry.sort_key)
    check_entries(ordered, "of this commit")
    return GitObject("tree", b"".join(b"%o %s\0%s" % (mode, name, bytes.fromhex(oid)) for name, mode, oid in ordered))


def check_entries(entries: list[TreeEntry], oid: str) -> None:
    """Check names, modes, ids and the order of a tree's entries. Raises MalformedObject; ``oid`` names the tree."""
    previous = b""
    seen: set[bytes] = set()
    for entry in entries:
        name, mode, target = entry
        problem = check_name(name)
        if problem:
            raise MalformedObject(f"tree {oid} holds the name {name!r}: {problem}")
        if mode not in _MODES:
            raise MalformedObject(f"tree {oid}, entry {name!r}: the mode {mode:o} is not one of git's")
        if target == _NO_OID:
            raise MalformedObject(f"tree {oid}, entry {name!r}: the id is all zeros")
        if mode == SYMLINK and is_dot_gitmodules(name):
            raise MalformedObject(f"tree {oid}: {name!r} must not be a symbolic link")
        if name in seen:
            raise MalformedObject(f"tree {oid} holds the name {name!r} twice")
        seen.add(name)
        key = entry.sort_key
        if key <= previous:
            raise MalformedObject(f"tree {oid} is not in git's order: {name!r} comes too late")
        previous = key
