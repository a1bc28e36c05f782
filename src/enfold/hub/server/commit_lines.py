"""The body of a commit: lines of JSON, read as they come, so that no more than one file is in memory.

{"key": "header", "value": {"summary": …, "description": …, "parentCommit": …}}      the first
{"key": "file", "value": {"path": …, "content": …, "encoding": "base64"}}
{"key": "lfsFile", "value": {"path": …, "algo": "sha256", "oid": …, "size": …}}
{"key": "deletedFile", "value": {"path": …}}, {"key": "deletedFolder", …}
{"key": "copyFile", "value": {"path": …, "srcPath": …, "srcRevision": …}}
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

from enfold.hub.records import links
from enfold.hub.server.commits import Draft, Message
from enfold.hub.server.errors import HubError, entry_not_found
from enfold.hub.server.revisions import resolve
from enfold.hub.store import check_path, trees

__all__ = ["CommitLines"]

_MOST_OPERATIONS = 200_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AROUND_CONTENT = 100_000  # what a line holds beside the content: the path, and JSON


class CommitLines:
    """Reads the lines of one commit into a draft.

    Args:
        draft: what the commit changes.
        revision: the full name of the ref it goes to.
        most: bytes of the largest file that is kept in git.

    Every method raises HubError for a line that cannot be taken; the message has its number.
    """

    def __init__(self, draft: Draft, revision: str, *, most: int) -> None:
        self.message: Message | None = None
        self.parent: str | None = None
        self._draft = draft
        self._revision = revision
        self._most = most
        self._longest = 4 * (most // 3 + 1) + _AROUND_CONTENT
        self._buffer = bytearray()
        self._line = 0
        self._large: list[tuple[str, str, int | None]] = []
        self._deleted: set[tuple[bool, str]] = set()
        self._take: dict[str, Callable[[dict[str, Any]], None]] = {
            "file": self._file,
            "lfsFile": self._large_file,
            "deletedFile": self._deleted_file,
            "deletedFolder": self._deleted_folder,
            "copyFile": self._copied_file,
        }

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        searched = len(self._buffer)
        self._buffer += data
        start = 0
        while (end := self._buffer.find(b"\n", max(start, searched))) >= 0:
            self._take_line(bytes(memoryview(self._buffer)[start:end]))
            start = end + 1
        del self._buffer[:start]
        if len(self._buffer) > self._longest:
            self._line += 1
            raise self._too_large("it")

    def finish(self) -> None:
        """The body is at its end: take what is left, and look up the sizes of large files that came without."""
        if self._buffer:
            self._take_line(bytes(self._buffer))
            self._buffer.clear()
        if self.message is None:
            raise HubError(400, "the commit is empty: its first line must be its header")
        unsized = [sha256 for _, sha256, size in self._large if size is None]
        state, repository = self._draft.state, self._draft.repository
        with state.records.read() as session:
            sizes = links.linked(session, repository, unsized)
        for path, sha256, size in self._large:
            # A size that is not known belongs to a file that is not linked, which is refused when the commit lands.
            self._draft.put_large(path, sha256, size if size is not None else sizes.get(sha256, 0))

    def _take_line(self, line: bytes) -> None:
        self._line += 1
        line = line.strip()
        if not line:
            return
        if len(line) > self._longest:
            raise self._too_large("it")
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._wrong(f"is not JSON: {error}") from None
        key, value = (item.get("key"), item.get("value")) if isinstance(item, dict) else (None, None)
        if not isinstance(key, str) or not isinstance(value, dict):
            raise self._wrong('is not of the form {"key": …, "value": {…}}')
        if key == "header":
            self._header(value)
        elif self.message is None:
            raise self._wrong(f"is a {key[:40]!r}; the first line must be the header")
        elif key in self._take:
            if len(self._draft.operations) + len(self._large) >= _MOST_OPERATIONS:
                raise HubError(413, f"a commit takes at most {_MOST_OPERATIONS} operations; make several")
            self._take[key](value)
        else:
            raise self._wrong(f"has the key {key[:40]!r}; known are header, {', '.join(self._take)}")

    def _header(self, value: dict[str, Any]) -> None:
        if self.message is not None:
            raise self._wrong("is a second header")
        summary = self._text(value, "summary", default="")
        self.message = Message(summary, self._text(value, "description", default=""))
        self.parent = self._text(value, "parentCommit", default="") or None
        if self.parent is not None and not re.fullmatch(r"[0-9a-fA-F]{5,40}", self.parent):
            raise self._wrong(f"has the parentCommit {self.parent[:60]!r}, which is not a commit id")

    def _file(self, value: dict[str, Any]) -> None:
        path, content = self._text(value, "path"), self._text(value, "content")
        encoding = self._text(value, "encoding", default="utf-8")
        if encoding == "base64":
            try:
                data = base64.b64decode(content, validate=True)
            except (binascii.Error, ValueError) as error:
                raise self._wrong(f"has content that is not base64: {error}") from None
        elif encoding in ("utf-8", "utf8"):
            try:
                data = content.encode("utf-8")
            except UnicodeEncodeError:
                raise self._wrong("has content with half of a surrogate pair, which is no character") from None
        else:
            raise self._wrong(f"has the encoding {encoding[:40]!r}; known are base64 and utf-8")
        if len(data) > self._most:
            raise self._too_large(repr(path[:200]))
        self._draft.put(path, data)

    def _large_file(self, value: dict[str, Any]) -> None:
        path, oid, size = self._text(value, "path"), self._text(value, "oid"), value.get("size")
        algorithm = self._text(value, "algo", default="sha256")
        if algorithm != "sha256" or not _SHA256.fullmatch(oid):
            raise self._wrong("does not name the large file by its sha256, in 64 lower-case hexadecimal digits")
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63):
            raise self._wrong(f"has the size {size!r}, which is not a number of bytes")
        check_path(path)
        self._large.append((path, oid, size))

    def _deleted_file(self, value: dict[str, Any]) -> None:
        path = self._text(value, "path")
        if (False, path) not in self._deleted:
            self._deleted.add((False, path))
            self._draft.delete(path)

    def _deleted_folder(self, value: dict[str, Any]) -> None:
        path = self._text(value, "path").rstrip("/")
        if (True, path) not in self._deleted:
            self._deleted.add((True, path))
            self._draft.delete_folder(path)

    def _copied_file(self, value: dict[str, Any]) -> None:
        path, source = check_path(self._text(value, "path")), check_path(self._text(value, "srcPath"))
        revision = self._text(value, "srcRevision", default=self._revision)
        state, repository = self._draft.state, self._draft.repository
        with state.records.read() as session:
            commit = resolve(state, session, repository, revision).commit
        tree = self._draft.store.commit(commit).tree
        if trees.find_entry(self._draft.store, tree, source) is None:
            shown = source.decode("utf-8", "replace")
            raise entry_not_found(message=f"A file with this name doesn't exist: {shown}")
        self._draft.operations.append(trees.Copy(source, path, tree))

    def _text(self, value: dict[str, Any], name: str, *, default: str | None = None) -> str:
        found = value.get(name)
        if found is None and default is not None:
            return default
        if not isinstance(found, str):
            raise self._wrong(f"needs {name!r}, a text")
        return found

    def _wrong(self, what: str) -> HubError:
        return HubError(400, f"line {self._line} of the commit {what}")

    def _too_large(self, what: str) -> HubError:
        most = f"{self._most:,}"
        message = f"line {self._line} of the commit: {what} is larger than {most} bytes; upload it as a large file"
        return HubError(413, message)
