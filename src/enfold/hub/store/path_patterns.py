"""Patterns of ``.gitattributes`` and ``.gitignore``, matched in time that grows only with their length.

The files come from whoever may write to a repository. Matching by regular expressions, as most libraries do, takes
minutes for a pattern such as ``*a*a*a*a*b``; here a star is tried again only from the last one, as is right for globs,
since an earlier star can take nothing that a later one could not. The language is git's wildmatch (git help gitignore,
PATTERN FORMAT).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["PathPattern"]

_Part = TypeVar("_Part")
_Item = TypeVar("_Item")
_Bytes = frozenset[int]
_ANY: _Bytes = frozenset(range(256))
_CLASSES: dict[bytes, Callable[[int], bool]] = {
    b"alnum": lambda byte: chr(byte).isalnum(),
    b"alpha": lambda byte: chr(byte).isalpha(),
    b"blank": lambda byte: byte in b" \t",
    b"cntrl": lambda byte: byte < 32 or byte == 127,
    b"digit": lambda byte: 48 <= byte <= 57,
    b"graph": lambda byte: 33 <= byte <= 126,
    b"lower": lambda byte: 97 <= byte <= 122,
    b"print": lambda byte: 32 <= byte <= 126,
    b"punct": lambda byte: 33 <= byte <= 126 and not chr(byte).isalnum(),
    b"space": lambda byte: byte in b" \t\n\r\v\f",
    b"upper": lambda byte: 65 <= byte <= 90,
    b"xdigit": lambda byte: byte in b"0123456789abcdefABCDEF",
}


class _Malformed(Exception):
    pass


def _glob(parts: Sequence[_Part | None], items: Sequence[_Item], fits: Callable[[_Part, _Item], bool]) -> bool:
    """Whether ``parts`` match ``items`` one by one; None matches any number of items."""
    at = to = 0
    star, resume = -1, 0
    while to < len(items):
        part = parts[at] if at < len(parts) else None
        if at < len(parts) and part is None:
            star, resume = at, to
            at += 1
        elif part is not None and fits(part, items[to]):
            at += 1
            to += 1
        elif star >= 0:
            resume += 1
            at, to = star + 1, resume
        else:
            return False
    return all(part is None for part in parts[at:])


class PathPattern:
    """One pattern.

    Args:
        text: the pattern, without what the file's own syntax adds (comments, ``!``).

    A malformed pattern (an open bracket, a backslash at its end) matches nothing, as in git.
    """

    def __init__(self, text: bytes) -> None:
        self.folders_only = text.endswith(b"/")
        text = text.removesuffix(b"/")
        self._anchored = b"/" in text
        pieces = text.removeprefix(b"/").split(b"/")
        self._valid = True
        self._pieces: list[list[_Bytes | None] | None] = []
        try:
            for piece in pieces:
                # Two stars mean any number of folders only as a whole piece of a pattern with slashes.
                self._pieces.append(None if piece == b"**" and self._anchored else _compile(piece))
        except _Malformed:
            self._valid = False
        if self._valid and self._anchored and self._pieces[-1] is None:
            self._pieces.append([None])  # what ends in /** is something inside

    def matches(self, path: bytes) -> bool:
        """Whether the pattern fits a path, relative to the folder of the file that holds the pattern."""
        if not self._valid:
            return False
        pieces = path.split(b"/")
        if not self._anchored:
            only = self._pieces[0]
            return only is not None and _piece_fits(only, pieces[-1])
        return _glob(self._pieces, pieces, _piece_fits)


def _piece_fits(parts: list[_Bytes | None], piece: bytes) -> bool:
    return _glob(parts, piece, _byte_fits)


def _byte_fits(allowed: _Bytes, byte: int) -> bool:
    return byte in allowed


def _compile(piece: bytes) -> list[_Bytes | None]:
    parts: list[_Bytes | None] = []
    at = 0
    while at < len(piece):
        byte = piece[at : at + 1]
        at += 1
        if byte == b"*":
            if not parts or parts[-1] is not None:
                parts.append(None)
        elif byte == b"?":
            parts.append(_ANY)
        elif byte == b"[":
            members, at = _bracket(piece, at)
            parts.append(members)
        else:
            if byte == b"\\":
                byte = piece[at : at + 1]
                at += 1
                if not byte:
                    raise _Malformed
            parts.append(frozenset(byte))
    return parts


def _bracket(piece: bytes, at: int) -> tuple[_Bytes, int]:
    """The bytes that a bracket expression allows, and where it ends."""
    negated = piece[at : at + 1] in (b"!", b"^")
    at += negated
    members: set[int] = set()
    previous: int | None = None
    first = True
    while True:
        byte = piece[at : at + 1]
        if not byte:
            raise _Malformed
        if byte == b"]" and not first:
            break
        first = False
        if byte == b"[" and piece[at + 1 : at + 2] == b":" and (end := piece.find(b":]", at + 2)) >= 0:
            test = _CLASSES.get(piece[at + 2 : end])
            if test is None:
                raise _Malformed
            members.update(value for value in range(128) if test(value))
            previous = None
            at = end + 2
            continue
        if byte == b"-" and previous is not None and piece[at + 1 : at + 2] not in (b"]", b""):
            low = previous
            at += 1
            if piece[at : at + 1] == b"\\":
                at += 1
            if at >= len(piece):
                raise _Malformed
            members.update(range(low, piece[at] + 1))
            previous = None
            at += 1
            continue
        if byte == b"\\":
            at += 1
            if at >= len(piece):
                raise _Malformed
        previous = piece[at]
        members.add(previous)
        at += 1
    return (_ANY - members if negated else frozenset(members)), at + 1
