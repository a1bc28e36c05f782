"""Folders of a repository at a revision: finding, listing, changing and comparing them.

Paths are bytes, relative to the root, without a slash at either end; the empty path is the root.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from enfold.hub.store.git_errors import MalformedObject, MissingPath, PathConflict
from enfold.hub.store.git_names import check_path
from enfold.hub.store.git_objects import (
    FILE,
    FOLDER,
    GitObject,
    TreeEntry,
    encode_tree,
    entry_start,
    iterate_tree,
    raw_entries,
)
from enfold.hub.store.object_store import ObjectStore

__all__ = [
    "Change",
    "Copy",
    "Delete",
    "DeleteFolder",
    "Operation",
    "PathEntry",
    "Put",
    "apply",
    "diff",
    "entry_at",
    "find_entry",
    "parse_folder",
    "walk",
]

_DEEPEST = 512
EMPTY_TREE = GitObject("tree", b"")


class PathEntry(NamedTuple):
    """One file or folder, with its whole path."""

    path: bytes
    mode: int
    oid: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.mode == FOLDER


@dataclass(frozen=True)
class Put:
    """A file gets this content (a blob's id), whether it was there or not."""

    path: bytes
    oid: str
    mode: int = FILE


@dataclass(frozen=True)
class Delete:
    """A file goes. It must be there; with ``or_folder`` a folder of this name may be there instead."""

    path: bytes
    or_folder: bool = False


@dataclass(frozen=True)
class DeleteFolder:
    """A folder goes with all that is in it. It must be there."""

    path: bytes


@dataclass(frozen=True)
class Copy:
    """A file or a folder of some tree of this repository is put at another path as well.

    Args:
        source: its path there.
        path: its path here.
        tree: the tree it comes from; None for the tree that is being changed, as it was before.
    """

    source: bytes
    path: bytes
    tree: str | None = None


Operation = Put | Delete | DeleteFolder | Copy


def _tree_data(store: ObjectStore, oid: str) -> bytes:
    return b"" if oid == EMPTY_TREE.oid else store.tree(oid)


def _entry(data: bytes, name: bytes, oid: str) -> TreeEntry | None:
    start = entry_start(data, name)
    return None if start is None else next(iterate_tree(data, oid, start))


def find_entry(store: ObjectStore, tree: str, path: bytes) -> PathEntry | None:
    """What stands at ``path``, or None; the root is a folder like any other."""
    if not path:
        return PathEntry(b"", FOLDER, tree)
    current, mode = tree, FOLDER
    for piece in path.split(b"/"):
        if mode != FOLDER or not piece:
            return None
        entry = _entry(_tree_data(store, current), piece, current)
        if entry is None:
            return None
        current, mode = entry.oid, entry.mode
    return PathEntry(path, mode, current)


def entry_at(store: ObjectStore, tree: str, path: bytes) -> PathEntry:
    """What stands at ``path`` in a tree.

    Raises:
        MissingPath: nothing does.
        MissingObject: the tree is not in this repository.
    """
    found = find_entry(store, tree, path)
    if found is None:
        raise MissingPath(path)
    return found


def walk(
    store: ObjectStore,
    tree: str,
    path: bytes = b"",
    *,
    recursive: bool = False,
    start_after: bytes | None = None,
    limit: int | None = None,
) -> Iterator[PathEntry]:
    """Files and folders under a folder, in git's order; a folder comes before what is in it.

    Args:
        store: the repository.
        tree: the root tree.
        path: the folder to list.
        recursive: what is in its folders too.
        start_after: the whole path of the last entry of the page before; listing goes on behind it.
        limit: at most so many entries.

    Raises:
        MissingPath: there is no folder at ``path``, or nothing at ``start_after``.
    """
    found = entry_at(store, tree, path)
    if not found.is_folder:
        raise MissingPath(path)
    prefix = path + b"/" if path else b""
    relative: list[bytes] = []
    if start_after is not None:
        if not start_after.startswith(prefix) or start_after == prefix:
            raise MissingPath(start_after)
        relative = start_after[len(prefix) :].split(b"/")
    yield from islice(_walk(store, found.oid, prefix, recursive, relative, 0), limit)


def _walk(
    store: ObjectStore, tree: str, prefix: bytes, recursive: bool, after: list[bytes], depth: int
) -> Iterator[PathEntry]:
    if depth > _DEEPEST:
        raise MalformedObject(f"tree {tree}: folders are more than {_DEEPEST} deep")
    entries = _entries_from(_tree_data(store, tree), tree, after[0] if after else None)
    if after:
        name, mode, oid = next(entries)
        if recursive and mode == FOLDER:
            yield from _walk(store, oid, prefix + name + b"/", True, after[1:], depth + 1)
        elif len(after) > 1:
            raise MissingPath(prefix + b"/".join(after))
    for name, mode, oid in entries:
        yield PathEntry(prefix + name, mode, oid)
        if recursive and mode == FOLDER:
            yield from _walk(store, oid, prefix + name + b"/", True, [], depth + 1)


def _entries_from(data: bytes, oid: str, name: bytes | None) -> Iterator[TreeEntry]:
    """The entries of a tree from the one called ``name`` on, that one included."""
    if name is None:
        return iterate_tree(data, oid)
    start = entry_start(data, name)
    if start is None:
        raise MissingPath(name)
    return iterate_tree(data, oid, start)


def parse_folder(store: ObjectStore, tree: str) -> dict[bytes, TreeEntry]:
    """The entries of one tree by name."""
    return {entry.name: entry for entry in iterate_tree(_tree_data(store, tree), tree)}


class Change(NamedTuple):
    """One file that differs between two trees: what it was and what it is; None where it does not exist."""

    path: bytes
    old: TreeEntry | None
    new: TreeEntry | None

    @property
    def status(self) -> str:
        """A for added, D for deleted, M for changed, T for another type, as ``git diff --raw`` says."""
        if self.old is None:
            return "A"
        if self.new is None:
            return "D"
        return "M" if self.old.mode >> 12 == self.new.mode >> 12 else "T"


def diff(store: ObjectStore, old: str | None, new: str | None, *, folders: bool = False) -> Iterator[Change]:
    """The files that differ between two trees, in git's order; equal folders are not opened.

    Args:
        store: the repository.
        old: a root tree, or None for an empty one.
        new: a root tree, or None for an empty one.
        folders: name folders that differ too, before what is in them.
    """
    yield from _diff(store, old or EMPTY_TREE.oid, new or EMPTY_TREE.oid, b"", folders, 0)


def _diff(store: ObjectStore, old: str, new: str, prefix: bytes, folders: bool, depth: int) -> Iterator[Change]:
    if old == new:
        return
    if depth > _DEEPEST:
        raise MalformedObject(f"tree {new}: folders are more than {_DEEPEST} deep")
    nothing = EMPTY_TREE.oid
    olds = set(raw_entries(_tree_data(store, old), old))
    news = set(raw_entries(_tree_data(store, new), new))
    pairs: dict[bytes, list[TreeEntry | None]] = {}
    for side, only_here in ((0, olds - news), (1, news - olds)):
        for mode, name, raw in only_here:
            entry = TreeEntry(name, int(mode, 8), raw.hex())
            pairs.setdefault(entry.sort_key, [None, None])[side] = entry
    for key in sorted(pairs):
        before, after = pairs[key]
        path = prefix + key.removesuffix(b"/")
        if key.endswith(b"/"):
            if folders:
                yield Change(path, before, after)
            left, right = before.oid if before else nothing, after.oid if after else nothing
            yield from _diff(store, left, right, prefix + key, folders, depth + 1)
        else:
            yield Change(path, before, after)


class _Folder:
    """A folder that is being changed: its entries, some of which have become folders of this kind themselves."""

    __slots__ = ("changed", "children", "entries", "source")

    def __init__(self, source: str, entries: dict[bytes, TreeEntry]) -> None:
        self.source = source
        self.entries = entries
        self.children: dict[bytes, _Folder] = {}
        self.changed = False


class _Editor:
    def __init__(self, store: ObjectStore, tree: str) -> None:
        self.store = store
        self.root = self._load(tree)

    def _load(self, oid: str) -> _Folder:
        return _Folder(oid, parse_folder(self.store, oid))

    def folder(self, pieces: Sequence[bytes], *, make: bool, path: bytes) -> _Folder:
        """The folder at ``pieces``, opened for changes on the way down."""
        current = self.root
        for depth, piece in enumerate(pieces, start=1):
            child = current.children.get(piece)
            if child is None:
                entry = current.entries.get(piece)
                if entry is not None and not entry.is_folder:
                    if not make:
                        raise MissingPath(path)
                    blocked = b"/".join(pieces[:depth]).decode("utf-8", "replace")
                    raise PathConflict(
                        f"'{path.decode('utf-8', 'replace')}' cannot be written: '{blocked}' is a file; delete it first"
                    )
                if entry is None and not make:
                    raise MissingPath(path)
                child = self._load(entry.oid if entry is not None else EMPTY_TREE.oid)
                current.children[piece] = child
            current = child
        return current

    def put(self, path: bytes, mode: int, oid: str) -> None:
        *above, name = path.split(b"/")
        folder = self.folder(above, make=True, path=path)
        there = folder.entries.get(name)
        child = folder.children.get(name)
        occupied = _holds_anything(child) if child is not None else there is not None and there.is_folder
        if mode == FOLDER and there is not None and not there.is_folder:
            raise PathConflict(
                f"the folder '{path.decode('utf-8', 'replace')}' cannot be written: it is a file; delete it first"
            )
        if occupied and mode != FOLDER:
            raise PathConflict(
                f"'{path.decode('utf-8', 'replace')}' cannot be written: it is a folder; delete the folder first"
            )
        folder.children.pop(name, None)
        folder.entries[name] = TreeEntry(name, mode, oid)

    def delete(self, path: bytes, *, kinds: tuple[bool, ...]) -> None:
        """Take away a file (``kinds`` has False), a folder (True) or either."""
        *above, name = path.split(b"/")
        folder = self.folder(above, make=False, path=path)
        child = folder.children.get(name)
        there = folder.entries.get(name)
        is_folder = child is not None or (there is not None and there.is_folder)
        gone = child is not None and not _holds_anything(child)
        if (there is None and child is None) or gone or is_folder not in kinds:
            raise MissingPath(path)
        folder.entries.pop(name, None)
        folder.children.pop(name, None)

    def write(self, folder: _Folder, made: list[GitObject]) -> str | None:
        """The id of the folder's tree, or None when nothing is left in it; new trees are added to ``made``."""
        for name, child in folder.children.items():
            oid = self.write(child, made)
            if oid is None:
                folder.entries.pop(name, None)
            else:
                folder.entries[name] = TreeEntry(name, FOLDER, oid)
        if not folder.entries:
            return None
        tree = encode_tree(folder.entries.values())
        if tree.oid != folder.source:
            made.append(tree)
        return tree.oid


def _holds_anything(folder: _Folder) -> bool:
    return any(name not in folder.children for name in folder.entries) or any(
        _holds_anything(child) for child in folder.children.values()
    )


def apply(store: ObjectStore, tree: str | None, operations: Sequence[Operation]) -> tuple[str, list[GitObject]]:
    """Change a tree; only the folders on the way to a change are read and written.

    Deletions come first whatever the order, so that a file can be deleted and written in one commit; then copies and
    new files in the order given. A folder that becomes empty disappears, as in git.

    Args:
        store: the repository.
        tree: the root tree, or None for an empty one.
        operations: what to do.

    Returns:
        The id of the new root tree, and the trees that are new (none when nothing changed).

    Raises:
        MalformedPath: a path that a repository must not hold.
        MissingPath: something to be deleted or copied is not there.
        PathConflict: a file would stand where a folder is, or below a file.
    """
    base = tree or EMPTY_TREE.oid
    editor = _Editor(store, base)
    for operation in operations:
        check_path(operation.path)
    for operation in operations:
        if isinstance(operation, (Delete, DeleteFolder)):
            kinds = (True,) if isinstance(operation, DeleteFolder) else (False, True)[: 1 + operation.or_folder]
            editor.delete(operation.path, kinds=kinds)
    for operation in operations:
        if isinstance(operation, Put):
            editor.put(operation.path, operation.mode, operation.oid)
        elif isinstance(operation, Copy):
            source = entry_at(store, operation.tree or base, operation.source)
            editor.put(operation.path, source.mode, source.oid)
    made: list[GitObject] = []
    oid = editor.write(editor.root, made)
    if oid is None:
        return EMPTY_TREE.oid, [] if store.has(EMPTY_TREE.oid) else [EMPTY_TREE]
    return oid, made
