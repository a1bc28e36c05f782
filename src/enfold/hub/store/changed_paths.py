"""Which commit changed which path last, without walking trees.

For every commit on a line of first parents, the files and folders that it changed are kept in a small SQLite file
beside the packs. The file is derived: it may be deleted at any time and is made again from the commits, so it is
written without waiting for the disk.

A *chain* is a run of commits of which each is the first parent of the next; a commit is found by chain and position.
The last change of a path is then one look-up a chain, however long the history is. Merges are followed as ``git log --
path`` follows them (its default simplification): where the path is as in one parent, only that parent's line goes on.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import RLock

from enfold.hub.store import trees
from enfold.hub.store.object_store import ObjectStore

__all__ = ["ChangedPaths"]

_VERSION = 1
_MOST_CHANGES = 1_000_000
_EVERYTHING = 0  # stands for all paths, at a commit that changed more than are kept

_SCHEMA = f"""
CREATE TABLE chains (id INTEGER PRIMARY KEY, parent_chain INTEGER, parent_position INTEGER);
CREATE TABLE commits (chain INTEGER, position INTEGER, oid BLOB NOT NULL UNIQUE, PRIMARY KEY (chain, position))
    WITHOUT ROWID;
CREATE TABLE paths (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE changes (path INTEGER, chain INTEGER, position INTEGER, PRIMARY KEY (path, chain, position))
    WITHOUT ROWID;
INSERT INTO paths VALUES ({_EVERYTHING}, x'00');
PRAGMA user_version = {_VERSION};
"""

_Place = tuple[int, int]


class ChangedPaths:
    """The index of one repository. Safe to use from several threads and processes.

    Args:
        store: the repository's objects.
        file: where the index is kept; made when it is first needed, and again when it is damaged.
    """

    def __init__(self, store: ObjectStore, file: str | Path, *, most_changes: int = _MOST_CHANGES) -> None:
        self._store = store
        self._file = Path(file)
        self._most_changes = most_changes
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def rebuild(self, tips: Iterable[str]) -> None:
        """Forget everything and index the lines that end in ``tips``."""
        with self._lock:
            self._remove()
            for tip in tips:
                self.update(tip)

    def _remove(self) -> None:
        self.close()
        for ending in ("", "-wal", "-shm", "-journal"):
            self._file.with_name(self._file.name + ending).unlink(missing_ok=True)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._connection is None or not self._file.exists():
                self.close()
                try:
                    self._connection = self._open()
                except sqlite3.DatabaseError:
                    self._remove()
                    self._connection = self._open()
            yield self._connection

    def _open(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._file, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)
            connection.execute("COMMIT")
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"the index has version {version}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    # Writing ---------------------------------------------------------------------------------------------------

    def update(self, tip: str) -> None:
        """Index the line of first parents that ends in ``tip``; what is there already is not looked at again."""
        with self._database() as database:
            new: list[str] = []
            oid: str | None = tip
            while oid is not None and self._place(database, oid) is None:
                new.append(oid)
                oid = next(iter(self._store.parents(oid)), None)
            for commit in reversed(new):
                self._index(database, commit)

    def _index(self, database: sqlite3.Connection, oid: str) -> None:
        parent = next(iter(self._store.parents(oid)), None)
        old = self._store.commit(parent).tree if parent is not None else None
        changes = trees.diff(self._store, old, self._store.commit(oid).tree, folders=True)
        names = list(dict.fromkeys(change.path for change in islice(changes, self._most_changes + 1)))
        database.execute("BEGIN IMMEDIATE")
        try:
            if self._place(database, oid) is None:  # another process may have been quicker
                chain, position = self._next_place(database, parent)
                database.execute("INSERT INTO commits VALUES (?, ?, ?)", (chain, position, bytes.fromhex(oid)))
                if len(names) > self._most_changes:
                    database.execute("INSERT INTO changes VALUES (?, ?, ?)", (_EVERYTHING, chain, position))
                else:
                    database.executemany("INSERT OR IGNORE INTO paths (path) VALUES (?)", ((name,) for name in names))
                    database.executemany(
                        "INSERT INTO changes SELECT id, ?, ? FROM paths WHERE path = ?",
                        ((chain, position, name) for name in names),
                    )
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise

    def _next_place(self, database: sqlite3.Connection, parent: str | None) -> _Place:
        """The end of the parent's chain, or the beginning of a new one that forks from it."""
        fork = self._place(database, parent) if parent is not None else None
        if fork is not None:
            chain, position = fork
            taken = database.execute(
                "SELECT 1 FROM commits WHERE chain = ? AND position = ?", (chain, position + 1)
            ).fetchone()
            if taken is None:
                return chain, position + 1
        made = database.execute(
            "INSERT INTO chains (parent_chain, parent_position) VALUES (?, ?)",
            fork if fork is not None else (None, None),
        )
        return int(made.lastrowid or 0), 0

    # Reading ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _place(database: sqlite3.Connection, oid: str) -> _Place | None:
        row = database.execute("SELECT chain, position FROM commits WHERE oid = ?", (bytes.fromhex(oid),)).fetchone()
        return (row[0], row[1]) if row is not None else None

    def last_commits(self, paths: Iterable[bytes], tip: str) -> dict[bytes, str]:
        """For each path the commit that changed it last, as ``git log -1 -- path`` finds it; unknown paths are absent.

        Args:
            paths: files and folders.
            tip: the commit to look back from.
        """
        with self._lock:
            found = ((path, next(self.history(path, tip), None)) for path in paths)
            return {path: oid for path, oid in found if oid is not None}

    def history(self, path: bytes, tip: str, *, after: str | None = None) -> Iterator[str]:
        """The commits that changed a file or folder, newest first, as ``git log -- path`` lists them.

        Args:
            path: a file or folder; it need not exist any more.
            tip: the commit to look back from.
            after: the last commit of the page before; listing goes on behind it.
        """
        waiting: list[tuple[int, int, str]] = []
        seen: set[str] = set()
        skipping = after is not None

        def look_behind(commit: str) -> None:
            hit = self._last_on_line(path, commit)
            if hit is not None and hit not in seen:
                seen.add(hit)
                heapq.heappush(waiting, (-self._store.commit(hit).committer.when, len(seen), hit))

        look_behind(tip)
        while waiting:
            oid = heapq.heappop(waiting)[2]
            parents = self._store.parents(oid)
            same = next((parent for parent in parents[1:] if self._same(path, oid, parent)), None)
            if same is not None:
                look_behind(same)
                continue
            if not skipping:
                yield oid
            elif oid == after:
                skipping = False
            for parent in parents:
                look_behind(parent)

    def _last_on_line(self, path: bytes, commit: str) -> str | None:
        """The last commit on the line of first parents from ``commit`` back that changed ``path``."""
        with self._database() as database:
            place = self._place(database, commit)
            if place is None:
                self.update(commit)
                place = self._place(database, commit)
            row = database.execute("SELECT id FROM paths WHERE path = ?", (path,)).fetchone()
            numbers = (row[0] if row is not None and path != b"\0" else _EVERYTHING, _EVERYTHING)
            while place is not None:
                chain, position = place
                kept, unclear = (
                    database.execute(
                        "SELECT max(position) FROM changes WHERE path = ? AND chain = ? AND position <= ?",
                        (number, chain, position),
                    ).fetchone()[0]
                    for number in numbers
                )
                hit = max((number for number in (kept, unclear) if number is not None), default=None)
                if hit is None:
                    row = database.execute(
                        "SELECT parent_chain, parent_position FROM chains WHERE id = ?", (chain,)
                    ).fetchone()
                    place = (row[0], row[1]) if row[0] is not None else None
                    continue
                oid = self._oid(database, chain, hit)
                if hit != unclear:
                    return oid
                parent = next(iter(self._store.parents(oid)), None)
                if not self._same(path, oid, parent):
                    return oid
                place = self._place(database, parent) if parent is not None else None
        return None

    @staticmethod
    def _oid(database: sqlite3.Connection, chain: int, position: int) -> str:
        row = database.execute("SELECT oid FROM commits WHERE chain = ? AND position = ?", (chain, position)).fetchone()
        return bytes(row[0]).hex()

    def _same(self, path: bytes, one: str, other: str | None) -> bool:
        """Whether the same thing stands at ``path`` in two commits (None is an empty one)."""
        entries = [
            trees.find_entry(self._store, self._store.commit(oid).tree, path) if oid is not None else None
            for oid in (one, other)
        ]
        return entries[0] == entries[1]

    def differences(self) -> list[str]:
        """What in the index is not so, one line each; ``rebuild`` puts it right."""
        wrong: list[str] = []
        with self._database() as database:
            rows = database.execute("SELECT chain, position, oid FROM commits ORDER BY chain, position").fetchall()
            for chain, position, raw in rows:
                oid = bytes(raw).hex()
                parent = next(iter(self._store.parents(oid)), None)
                old = self._store.commit(parent).tree if parent is not None else None
                changes = trees.diff(self._store, old, self._store.commit(oid).tree, folders=True)
                true = {change.path for change in islice(changes, self._most_changes + 1)}
                kept = {
                    bytes(row[0])
                    for row in database.execute(
                        "SELECT paths.path FROM changes JOIN paths ON paths.id = changes.path "
                        "WHERE chain = ? AND position = ?",
                        (chain, position),
                    )
                }
                if kept != true and not (kept == {b"\0"} and len(true) > self._most_changes):
                    wrong.append(f"commit {oid}: {len(true)} paths changed, {len(kept)} are in the index")
        return wrong
