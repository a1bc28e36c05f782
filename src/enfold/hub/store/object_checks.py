"""What holds for objects of every kind: that they are well formed, and which others they need."""

from __future__ import annotations

from enfold.hub.store.commit_objects import parse_commit, parse_tag
from enfold.hub.store.git_objects import FOLDER, SUBMODULE, Kind, check_entries, iterate_tree, parse_tree

__all__ = ["check_object", "references"]


def check_object(kind: Kind, data: bytes, oid: str) -> None:
    """Check what git's own strict check would: form, order, modes and names.

    Raises:
        MalformedObject: with the object's id and what is wrong.
    """
    if kind == "tree":
        check_entries(parse_tree(data, oid), oid)
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
