"""Which names a repository may hold.

A name that some file system would take for git's own folder is refused: checking such a tree out would write into
``.git`` and run code there (CVE-2014-9390, CVE-2019-1352). HFS+ drops invisible characters and folds case; NTFS drops
dots and spaces at the end, knows ``git~1`` as a short name and ends a name at a colon.
"""

from __future__ import annotations

import re

from enfold.hub.store.git_errors import MalformedPath

__all__ = ["check_name", "check_path", "check_ref", "is_dot_gitmodules"]

_PLAIN = re.compile(rb"[A-Za-z0-9_\-][A-Za-z0-9_\-.]*")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# Characters that HFS+ ignores when it compares names.
_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_NTFS_GIT = re.compile(r"(?:\.git|git~1)[ .]*(?:[\\/:].*)?", re.IGNORECASE | re.DOTALL)
_NTFS_GITMODULES = re.compile(r"(?:\.gitmodules|gitmod~[1-4]|gi7eb[0-9a-f]{0,1}~[1-9]\d*)[ .]*(?::.*)?", re.IGNORECASE)
_LONGEST_NAME = 255  # what the file systems of all three desktop systems can hold, in bytes at most
_LONGEST_PATH = 4096
_DEEPEST = 256


def _is_dot_git(text: str) -> bool:
    if _NTFS_GIT.fullmatch(text):
        return True
    if _IGNORED_BY_HFS.sub("", text).casefold() == ".git":
        return True
    return "\\" in text and any(_NTFS_GIT.fullmatch(piece) for piece in text.split("\\"))


def is_dot_gitmodules(name: bytes) -> bool:
    """Whether some file system would take this name for ``.gitmodules``."""
    if _PLAIN.fullmatch(name):
        return False  # by far the most
    text = name.decode("utf-8", "replace")
    return bool(_NTFS_GITMODULES.fullmatch(text)) or _IGNORED_BY_HFS.sub("", text).casefold() == ".gitmodules"


def check_name(name: bytes) -> str:
    """What is wrong with one piece of a path, or an empty string."""
    if _PLAIN.fullmatch(name) and len(name) <= _LONGEST_NAME and name[:4].lower() != b"git~":
        return ""  # by far the most
    if not name:
        return "it is empty"
    if name in (b".", b".."):
        return "it would leave its folder"
    if b"/" in name:
        return "it holds a slash"
    if _CONTROL.search(name):
        return "it holds a control character"
    if len(name) > _LONGEST_NAME:
        return f"it is longer than {_LONGEST_NAME} bytes"
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return "it is not UTF-8"
    if any(piece == ".." for piece in text.split("\\")):
        return "it would leave its folder"
    if _is_dot_git(text):
        return "some file systems would take it for git's own folder"
    return ""


def check_path(path: str | bytes) -> bytes:
    """The path of a file in a repository as bytes, kept byte for byte.

    Raises:
        MalformedPath: it is empty, absolute, too long, or a piece of it is refused; the message says which.
    """
    try:
        raw = path.encode("utf-8") if isinstance(path, str) else path
    except UnicodeEncodeError as error:
        raise MalformedPath(f"path {path!r}: it is not UTF-8") from error
    shown = repr(raw.decode("utf-8", "backslashreplace")[:200])
    if not raw:
        raise MalformedPath("a path is empty")
    if raw.startswith((b"/", b"\\")) or re.match(rb"[A-Za-z]:[/\\]", raw):
        raise MalformedPath(f"path {shown}: it is absolute; paths begin at the root of the repository")
    if len(raw) > _LONGEST_PATH:
        raise MalformedPath(f"path {shown}: it is longer than {_LONGEST_PATH} bytes")
    pieces = raw.split(b"/")
    if len(pieces) > _DEEPEST:
        raise MalformedPath(f"path {shown}: it is more than {_DEEPEST} folders deep")
    for piece in pieces:
        problem = check_name(piece)
        if problem:
            raise MalformedPath(f"path {shown}, piece {piece.decode('utf-8', 'backslashreplace')!r}: {problem}")
    return raw


_REF_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


def check_ref(ref: str) -> str:
    """A full name of a ref (``refs/heads/main``) by the rules of ``git check-ref-format``.

    Raises:
        MalformedPath: with the rule it breaks.
    """
    pieces = ref.split("/")
    if not ref.startswith("refs/") or len(pieces) < 3:
        raise MalformedPath(f"ref {ref!r}: a full name begins with 'refs/' and a kind, such as refs/heads/main")
    if len(ref.encode("utf-8", "replace")) > _LONGEST_NAME:
        raise MalformedPath(f"ref {ref[:80]!r}…: it is longer than {_LONGEST_NAME} bytes")
    if _REF_REFUSED.search(ref) or ref.endswith((".", "/")):
        raise MalformedPath(f"ref {ref!r}: it holds a character or a sequence that git refuses in names of refs")
    if any(not piece or piece.startswith(".") or piece.endswith(".lock") for piece in pieces):
        raise MalformedPath(f"ref {ref!r}: a piece is empty, begins with a dot or ends in '.lock'")
    try:
        ref.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedPath(f"ref {ref!r}: it is not UTF-8") from error
    return ref
