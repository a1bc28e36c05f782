"""Git objects: the exact bytes git would write, their ids, and strict reading of them.

The forms are those that `git cat-file` shows (Chacon and Straub, Pro Git, chapter 10.2). A name, a mode or a header
that `git fsck --strict` calls an error is an error here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal, NamedTuple

from enfold.hub.store.git_errors import MalformedObject
from enfold.hub.store.git_names import check_name, is_dot_gitmodules

__all__ = [
    "EXECUTABLE",
    "FILE",
    "FOLDER",
    "SUBMODULE",
    "SYMLINK",
    "Commit",
    "GitObject",
    "Kind",
    "Signature",
    "Tag",
    "TreeEntry",
    "check_object",
    "encode_tree",
    "entry_start",
    "is_oid",
    "iterate_tree",
    "object_id",
    "parse_commit",
    "parse_tag",
    "parse_tree",
    "raw_entries",
    "references",
]

Kind = Literal["blob", "tree", "commit", "tag"]

FILE = 0o100644
EXECUTABLE = 0o100755
SYMLINK = 0o120000
FOLDER = 0o040000
SUBMODULE = 0o160000
_MODES = frozenset((FILE, EXECUTABLE, SYMLINK, FOLDER, SUBMODULE))
_KINDS = ("blob", "tree", "commit", "tag")
_NO_OID = "0" * 40

_OID = re.compile(r"[0-9a-f]{40}")
_ENTRY = re.compile(rb"([1-7][0-7]{4,6}) ([^\0]*)\0(.{20})", re.DOTALL)
_MODE = re.compile(rb"[1-7][0-7]{4,6}")
_ENTRIES = re.compile(rb"(?:[1-7][0-7]{4,6} [^\0]*\0.{20})*+", re.DOTALL)
_SIGNATURE = re.compile(rb"([^<>\n\0]*?) ?<([^<>\n\0]*)> (0|-?[1-9][0-9]{0,18}) ([+-])([0-9]{2})([0-9]{2})")


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
        if kind not in _KINDS:
            raise MalformedObject(f"'{kind}' is not a kind of git object; the kinds are: {', '.join(_KINDS)}")
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
    _check_entries(ordered, "of this commit")
    return GitObject("tree", b"".join(b"%o %s\0%s" % (mode, name, bytes.fromhex(oid)) for name, mode, oid in ordered))


def _check_entries(entries: list[TreeEntry], oid: str) -> None:
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


class Signature(NamedTuple):
    """Who and when: name, e-mail, seconds since 1970, and minutes east of UTC."""

    name: str
    email: str
    when: int
    offset: int = 0

    @property
    def time(self) -> datetime:
        """The moment, in the writer's own time zone; years beyond the calendar are cut to its ends."""
        try:
            return datetime.fromtimestamp(self.when, timezone(timedelta(minutes=self.offset)))
        except (ValueError, OverflowError, OSError):
            return datetime.max.replace(tzinfo=UTC) if self.when > 0 else datetime.min.replace(tzinfo=UTC)

    def encode(self) -> bytes:
        """The line git writes. Characters that would break it (angle brackets, line ends, NUL) are left out."""
        sign, minutes = ("-", -self.offset) if self.offset < 0 else ("+", self.offset)
        name = re.sub(r"[<>\n\r\0]", "", self.name).strip(" .,:;\"'")
        email = re.sub(r"[<>\n\r\0]", "", self.email).strip()
        text = f"{name} <{email}> {self.when} {sign}{minutes // 60:02d}{minutes % 60:02d}"
        return text.encode("utf-8", "surrogateescape")


def _signature(line: bytes, where: str) -> Signature:
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        raise MalformedObject(f"{where} is not 'name <e-mail> seconds +zone': {line[:120]!r}")
    name, email, when, sign, hours, minutes = match.groups()
    offset = int(hours) * 60 + int(minutes)
    return Signature(
        name.decode("utf-8", "replace"),
        email.decode("utf-8", "replace"),
        int(when),
        -offset if sign == b"-" else offset,
    )


@dataclass(frozen=True)
class Commit:
    """A commit: its tree, its parents, who wrote and who committed it, and the message as bytes."""

    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: bytes
    extra: tuple[tuple[bytes, bytes], ...] = ()
    """Headers after the committer, in order: encoding, gpgsig, mergetag and others, with their own line ends."""

    @property
    def text(self) -> str:
        """The message as text."""
        encoding = next(
            (value.decode("ascii", "replace") for name, value in self.extra if name == b"encoding"), "utf-8"
        )
        try:
            return self.message.decode(encoding, "replace")
        except LookupError:
            return self.message.decode("utf-8", "replace")

    @property
    def title(self) -> str:
        """The first paragraph of the message on one line, as ``git log --format=%s`` shows it."""
        return " ".join(self.text.lstrip("\n").split("\n\n", 1)[0].split("\n")).strip()

    @property
    def body(self) -> str:
        """What follows the first paragraph."""
        _, _, body = self.text.lstrip("\n").partition("\n\n")
        return body.strip("\n")

    def encode(self) -> GitObject:
        """The object git would write for it."""
        lines = [b"tree " + self.tree.encode()]
        lines += [b"parent " + parent.encode() for parent in self.parents]
        lines += [b"author " + self.author.encode(), b"committer " + self.committer.encode()]
        lines += [name + b" " + value.replace(b"\n", b"\n ") for name, value in self.extra]
        return GitObject("commit", b"\n".join(lines) + b"\n\n" + self.message)


@dataclass(frozen=True)
class Tag:
    """An annotated tag: what it points at, its name, who made it, and the message as bytes."""

    target: str
    target_kind: str
    name: bytes
    tagger: Signature | None
    message: bytes

    def encode(self) -> GitObject:
        """The object git would write for it."""
        lines = [
            b"object " + self.target.encode(),
            b"type " + self.target_kind.encode(),
            b"tag " + self.name,
        ]
        if self.tagger is not None:
            lines.append(b"tagger " + self.tagger.encode())
        return GitObject("tag", b"\n".join(lines) + b"\n\n" + self.message)


def _headers(data: bytes, what: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The header lines, folded lines joined by a line end, and what follows the empty line."""
    head, separator, message = data.partition(b"\n\n")
    if not separator:
        if not data.endswith(b"\n"):
            raise MalformedObject(f"{what} has a header without an end")
        head = data[:-1]
    if b"\0" in head:
        raise MalformedObject(f"{what} has a NUL in its header")
    headers: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and headers:
            name, value = headers[-1]
            headers[-1] = (name, value + b"\n" + line[1:])
        else:
            name, _, value = line.partition(b" ")
            headers.append((name, value))
    return headers, message


def _oid_of(value: bytes, what: str) -> str:
    text = value.decode("ascii", "replace")
    if not is_oid(text):
        raise MalformedObject(f"{what} names {value[:60]!r}, which is not an object id")
    return text


def parse_commit(data: bytes, oid: str = "") -> Commit:
    """Read a commit.

    Raises:
        MalformedObject: a header is missing, out of order or misshapen; ``oid`` names the commit.
    """
    what = f"commit {oid}".rstrip()
    headers, message = _headers(data, what)
    rest = iter(headers)
    name, value = next(rest, (b"", b""))
    if name != b"tree":
        raise MalformedObject(f"{what} does not begin with its tree")
    tree = _oid_of(value, what)
    parents: list[str] = []
    name, value = next(rest, (b"", b""))
    while name == b"parent":
        parents.append(_oid_of(value, what))
        name, value = next(rest, (b"", b""))
    if name != b"author":
        raise MalformedObject(f"{what} has no author after its tree and parents")
    author = _signature(value, f"{what}, author")
    name, value = next(rest, (b"", b""))
    if name != b"committer":
        raise MalformedObject(f"{what} has no committer after its author")
    committer = _signature(value, f"{what}, committer")
    extra = tuple(rest)
    for name, _ in extra:
        if name in (b"author", b"committer", b"tree", b"parent"):
            raise MalformedObject(f"{what} has a second or late header '{name.decode()}'")
    return Commit(tree, tuple(parents), author, committer, message, extra)


def parse_tag(data: bytes, oid: str = "") -> Tag:
    """Read an annotated tag. Raises MalformedObject as ``parse_commit`` does."""
    what = f"tag {oid}".rstrip()
    headers, message = _headers(data, what)
    if [name for name, _ in headers[:3]] != [b"object", b"type", b"tag"]:
        raise MalformedObject(f"{what} does not begin with object, type and tag")
    target = _oid_of(headers[0][1], what)
    kind = headers[1][1].decode("ascii", "replace")
    if kind not in _KINDS:
        raise MalformedObject(f"{what} points at a '{kind}', which is not a kind of git object")
    name = headers[2][1]
    if not name:
        raise MalformedObject(f"{what} has no name")
    tagger = None
    if len(headers) > 3 and headers[3][0] == b"tagger":
        tagger = _signature(headers[3][1], f"{what}, tagger")
    return Tag(target, kind, name, tagger, message)


def check_object(kind: Kind, data: bytes, oid: str) -> None:
    """Check what git's own strict check would: form, order, modes and names.

    Raises:
        MalformedObject: with the object's id and what is wrong.
    """
    if kind == "tree":
        _check_entries(parse_tree(data, oid), oid)
    elif kind == "commit":
        parse_commit(data, oid)
    elif kind == "tag":
        parse_tag(data, oid)


def references(kind: Kind, data: bytes, oid: str = "") -> list[tuple[str, Kind]]:
    """The ids an object needs, with the kind each must be. Submodules lie elsewhere and are not among them."""
    if kind == "tree":
        return [
            (entry.oid, "tree" if entry.mode == FOLDER else "blob")
            for entry in iterate_tree(data, oid)
            if entry.mode != SUBMODULE
        ]
    if kind == "commit":
        commit = parse_commit(data, oid)
        needed: list[tuple[str, Kind]] = [(commit.tree, "tree")]
        return needed + [(parent, "commit") for parent in commit.parents]
    if kind == "tag":
        tag = parse_tag(data, oid)
        return [(tag.target, tag.target_kind)]  # type: ignore[list-item]
    return []
