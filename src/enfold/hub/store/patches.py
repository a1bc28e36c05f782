"""Differences between two revisions as text, in the form of ``git diff``, for pages and reviews."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from enfold.hub.store.git_objects import SUBMODULE, TreeEntry
from enfold.hub.store.line_merge import Hunk, find_hunks, split_lines
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.trees import Change, diff

__all__ = ["FilePatch", "file_patch", "patches"]

_CONTEXT = 3
_NOTHING = "0" * 40
_PLAIN_PATH = re.compile(rb"[^\x00-\x1f\"\\\x7f-\xff]*")
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}


@dataclass(frozen=True)
class FilePatch:
    """One changed file.

    Args:
        change: the path, and what stood and stands there.
        text: the patch as bytes, headers included; ``git apply`` takes it when ``shown`` is true.
        added: lines that came, or None when the content is not shown.
        removed: lines that went, or None when the content is not shown.
        shown: whether the content is shown: not for binary files, and not for those that are too large to compare.
    """

    change: Change
    text: bytes
    added: int | None
    removed: int | None
    shown: bool


def patches(
    store: ObjectStore, old: str | None, new: str | None, *, largest: int = 1 << 20, hidden: Collection[str] = ()
) -> Iterator[FilePatch]:
    """The differences between two trees, file by file in git's order; made one at a time.

    Args:
        store: the repository.
        old: a root tree, or None for an empty one.
        new: a root tree, or None for an empty one.
        largest: contents above this many bytes are named and not shown.
        hidden: ids of blobs that are named and not shown.
    """
    for change in diff(store, old, new):
        yield file_patch(store, change, largest=largest, hidden=hidden)


def file_patch(
    store: ObjectStore, change: Change, *, largest: int = 1 << 20, hidden: Collection[str] = ()
) -> FilePatch:
    """The patch of one changed file; see ``patches``."""
    old, new = change.old, change.new
    if old is not None and new is not None and change.status == "T":
        # Git shows a file that became a link as one that went and one that came.
        gone = file_patch(store, change._replace(new=None), largest=largest, hidden=hidden)
        came = file_patch(store, change._replace(old=None), largest=largest, hidden=hidden)
        return FilePatch(change, gone.text + came.text, came.added, gone.removed, gone.shown and came.shown)
    lines = [b"diff --git %s %s" % (_quoted(b"a/" + change.path), _quoted(b"b/" + change.path))]
    if old is None and new is not None:
        lines.append(b"new file mode %06o" % new.mode)
    elif new is None and old is not None:
        lines.append(b"deleted file mode %06o" % old.mode)
    elif old is not None and new is not None and old.mode != new.mode:
        lines += [b"old mode %06o" % old.mode, b"new mode %06o" % new.mode]
    before, after = (entry.oid if entry is not None else _NOTHING for entry in (old, new))
    if before == after:
        return FilePatch(change, b"\n".join(lines) + b"\n", 0, 0, True)
    mode = b" %06o" % new.mode if old is not None and new is not None and old.mode == new.mode else b""
    lines.append(b"index %s..%s%s" % (before.encode(), after.encode(), mode))
    names = [
        _quoted(side + change.path) if entry is not None else b"/dev/null"
        for side, entry in ((b"a/", old), (b"b/", new))
    ]
    contents = [
        None if entry is not None and entry.oid in hidden else _content(store, entry, largest) for entry in (old, new)
    ]
    hunks = None
    if contents[0] is not None and contents[1] is not None:
        texts = [split_lines(content) for content in contents if content is not None]
        hunks = find_hunks(*texts)
    if hunks is None:
        lines.append(b"Binary files %s and %s differ" % (names[0], names[1]))
        return FilePatch(change, b"\n".join(lines) + b"\n", None, None, False)
    head = b"\n".join(lines) + b"\n"
    if hunks:
        head += b"--- %s%s\n+++ %s%s\n" % (names[0], _tab(names[0]), names[1], _tab(names[1]))
    return FilePatch(
        change,
        head + _body(texts[0], hunks),
        sum(len(hunk.lines) for hunk in hunks),
        sum(hunk.end - hunk.start for hunk in hunks),
        True,
    )


def _tab(name: bytes) -> bytes:
    """Git ends a name that holds a space with a tab, so that ``patch`` finds where it ends."""
    return b"\t" if b" " in name else b""


def _content(store: ObjectStore, entry: TreeEntry | None, largest: int) -> bytes | None:
    if entry is None:
        return b""
    if entry.mode == SUBMODULE:
        return b"Subproject commit %s\n" % entry.oid.encode()
    if store.size(entry.oid) > largest:
        return None
    data = store.blob(entry.oid)
    return None if b"\0" in data[:8000] else data


def _quoted(path: bytes) -> bytes:
    if _PLAIN_PATH.fullmatch(path):
        return path
    text = "".join(
        f"\\{_ESCAPES[byte]}" if byte in _ESCAPES else chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
        for byte in path
    )
    return b'"%s"' % text.encode("ascii")


def _body(old: list[bytes], hunks: list[Hunk]) -> bytes:
    out: list[bytes] = []
    shift = 0
    group: list[Hunk] = []
    for hunk in hunks:
        if group and hunk.start - group[-1].end > 2 * _CONTEXT:
            shift = _write_group(out, old, group, shift)
            group = []
        group.append(hunk)
    if group:
        _write_group(out, old, group, shift)
    return b"".join(out)


def _write_group(out: list[bytes], old: list[bytes], group: list[Hunk], shift: int) -> int:
    """Hunks close to each other with the lines around them; returns how far later lines have moved."""
    start = max(group[0].start - _CONTEXT, 0)
    end = min(group[-1].end + _CONTEXT, len(old))
    grown = sum(len(hunk.lines) - (hunk.end - hunk.start) for hunk in group)
    out.append(b"@@ -%s +%s @@\n" % (_range(start, end - start), _range(start + shift, end - start + grown)))
    at = start
    for hunk in group:
        out += [_line(b" ", line) for line in old[at : hunk.start]]
        out += [_line(b"-", line) for line in old[hunk.start : hunk.end]]
        out += [_line(b"+", line) for line in hunk.lines]
        at = hunk.end
    out += [_line(b" ", line) for line in old[at:end]]
    return shift + grown


def _range(start: int, count: int) -> bytes:
    first = start + 1 if count else start
    return b"%d" % first if count == 1 else b"%d,%d" % (first, count)


def _line(mark: bytes, line: bytes) -> bytes:
    return mark + line if line.endswith(b"\n") else mark + line + b"\n\\ No newline at end of file\n"
