"""History: listing commits, finding where two lines parted, and bringing two trees together."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from enfold.hub.store.git_errors import MissingObject
from enfold.hub.store.git_objects import FILE, GitObject, TreeEntry, encode_tree
from enfold.hub.store.line_merge import merge_lines
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.pointer import parse_pointer
from enfold.hub.store.trees import EMPTY_TREE, parse_folder

__all__ = ["Conflict", "Merge", "is_ancestor", "log", "merge_bases", "merge_commits", "merge_trees"]

ConflictKind = Literal["content", "binary", "added twice", "changed and deleted", "file and folder", "type", "unclear"]


def log(store: ObjectStore, tip: str, *, limit: int | None = None, after: str | None = None) -> Iterator[str]:
    """Ids of the commits behind ``tip``, newest first by committer date, as ``git log`` lists them.

    Args:
        store: the repository.
        tip: a commit.
        limit: at most so many.
        after: the last commit of the page before; listing goes on behind it.

    Raises:
        MissingObject: ``after`` is not behind ``tip``.
    """
    seen = {tip}
    order = 0
    waiting = [(-store.commit(tip).committer.when, order, tip)]
    skipping = after is not None
    given = 0
    while waiting and (limit is None or given < limit):
        _, _, oid = heapq.heappop(waiting)
        if not skipping:
            given += 1
            yield oid
        elif oid == after:
            skipping = False
        for parent in store.parents(oid):
            if parent not in seen:
                seen.add(parent)
                order += 1
                heapq.heappush(waiting, (-store.commit(parent).committer.when, order, parent))
    if skipping:
        raise MissingObject(after or "")


def is_ancestor(store: ObjectStore, older: str, newer: str) -> bool:
    """Whether ``newer`` is ``older`` or comes after it: then a ref may move from one to the other without force."""
    return store.reachable(older, [newer])


def merge_bases(store: ObjectStore, one: str, other: str) -> list[str]:
    """The best common ancestors of two commits, as ``git merge-base --all`` gives them; none when nothing is shared."""
    if one == other:
        return [one]
    common = store.ancestors([one]) & store.ancestors([other])
    # What is common is closed under ancestry: a commit that is not best is a parent of another common one.
    return sorted(common.difference(*(store.parents(oid) for oid in common)) if common else common)


@dataclass(frozen=True)
class Conflict:
    """A path that cannot be merged without a human."""

    path: bytes
    kind: ConflictKind


@dataclass
class Merge:
    """The outcome of a merge: the tree, the objects that are new, and what could not be merged.

    With conflicts the tree is not meant to be committed: it holds our side at those paths.
    """

    tree: str
    objects: list[GitObject] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


def merge_commits(store: ObjectStore, ours: str, theirs: str) -> Merge:
    """Merge two commits' trees from where they parted.

    Criss-cross histories have several best common ancestors. The merge is made from each; where the outcomes differ,
    the path is a conflict, so that no choice among them is made in silence.
    """
    trees = store.commit(ours).tree, store.commit(theirs).tree
    bases = merge_bases(store, ours, theirs)
    made = [merge_trees(store, store.commit(base).tree, *trees) for base in bases] or [merge_trees(store, None, *trees)]
    first = made[0]
    for other in made[1:]:
        known = {conflict.path for conflict in first.conflicts}
        first.conflicts += [conflict for conflict in other.conflicts if conflict.path not in known]
        if other.tree != first.tree and not first.conflicts:
            first.conflicts.append(Conflict(b"", "unclear"))
    return first


def merge_trees(store: ObjectStore, base: str | None, ours: str, theirs: str) -> Merge:
    """Three-way merge of trees, and of the lines of text files that both sides changed.

    Renames are not followed: a file that one side renamed and the other changed is a conflict.
    """
    merge = Merge(ours)
    merge.tree = _merge_folder(store, base or EMPTY_TREE.oid, ours, theirs, b"", merge) or EMPTY_TREE.oid
    if merge.tree == EMPTY_TREE.oid and not store.has(merge.tree):
        merge.objects.append(EMPTY_TREE)
    return merge


def _merge_folder(store: ObjectStore, base: str, ours: str, theirs: str, prefix: bytes, merge: Merge) -> str | None:
    """The id of the merged folder, or None when it is empty."""
    nothing = EMPTY_TREE.oid
    if ours == theirs or theirs == base:
        return None if ours == nothing else ours
    if ours == base:
        return None if theirs == nothing else theirs
    sides = [parse_folder(store, oid) for oid in (base, ours, theirs)]
    merged: list[TreeEntry] = []
    for name in sorted({name for side in sides for name in side}):
        old, mine, yours = (side.get(name) for side in sides)
        path = prefix + name
        if mine == yours or yours == old:
            chosen = mine
        elif mine == old:
            chosen = yours
        elif all(entry is None or entry.is_folder for entry in (mine, yours)) and (mine or yours):
            # Both are folders, or one is a folder that the other side deleted; a file that stood there before is
            # deleted on both sides.
            oids = [entry.oid if entry is not None and entry.is_folder else nothing for entry in (old, mine, yours)]
            oid = _merge_folder(store, oids[0], oids[1], oids[2], path + b"/", merge)
            chosen = TreeEntry(name, (mine or yours).mode, oid) if oid is not None else None  # type: ignore[union-attr]
        else:
            chosen = _merge_file(store, path, old, mine, yours, merge)
        if chosen is not None:
            merged.append(chosen)
    if not merged:
        return None
    tree = encode_tree(merged)
    if tree.oid not in (base, ours, theirs):
        merge.objects.append(tree)
    return tree.oid


def _merge_file(
    store: ObjectStore,
    path: bytes,
    old: TreeEntry | None,
    mine: TreeEntry | None,
    yours: TreeEntry | None,
    merge: Merge,
) -> TreeEntry | None:
    kind: ConflictKind
    if mine is None or yours is None:
        merge.conflicts.append(Conflict(path, "changed and deleted"))
        return mine or yours
    if mine.is_folder != yours.is_folder:
        merge.conflicts.append(Conflict(path, "file and folder"))
        return mine
    before = old if old is not None and not old.is_folder else None
    if mine.mode >> 12 != 0o10 or yours.mode >> 12 != 0o10:
        merge.conflicts.append(Conflict(path, "type"))
        return mine
    mode = yours.mode if mine.mode == (before.mode if before else FILE) else mine.mode
    if mine.oid == yours.oid:
        return mine._replace(mode=mode)
    if before is None:
        merge.conflicts.append(Conflict(path, "added twice"))
        return mine
    if before.oid == yours.oid:
        return mine._replace(mode=mode)
    if before.oid == mine.oid:
        return yours._replace(mode=mode)
    texts = [store.blob(entry.oid) for entry in (before, mine, yours)]
    if any(parse_pointer(text) is not None or b"\0" in text[:8000] for text in texts):
        kind = "binary"
    else:
        merged = merge_lines(*texts)
        if merged is not None:
            made = GitObject("blob", merged)
            merge.objects.append(made)
            return TreeEntry(mine.name, mode, made.oid)
        kind = "content"
    merge.conflicts.append(Conflict(path, kind))
    return mine
