"""Commits and annotated tags: the exact bytes git would write, and strict reading of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from enfold.hub.store.git_errors import MalformedObject
from enfold.hub.store.git_objects import KINDS_OF_OBJECT, GitObject, is_oid

__all__ = ["Commit", "Signature", "Tag", "parse_commit", "parse_tag"]

_SIGNATURE = re.compile(rb"([^<>\n\0]*?) ?<([^<>\n\0]*)> (0|-?[1-9][0-9]{0,18}) ([+-])([0-9]{2})([0-9]{2})")


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
    if kind not in KINDS_OF_OBJECT:
        raise MalformedObject(f"{what} points at a '{kind}', which is not a kind of git object")
    name = headers[2][1]
    if not name:
        raise MalformedObject(f"{what} has no name")
    tagger = None
    if len(headers) > 3 and headers[3][0] == b"tagger":
        tagger = _signature(headers[3][1], f"{what}, tagger")
    return Tag(target, kind, name, tagger, message)
