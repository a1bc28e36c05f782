"""Paths that differ for git, and are one for file systems that fold case or compose letters (macOS, Windows).

They are taken, because git takes them; whoever commits one is warned.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from enfold.hub.store import ObjectStore, trees

__all__ = ["look_alike"]

_LARGEST_FOLDER = 20_000


def look_alike(store: ObjectStore, tree: str, paths: Iterable[bytes]) -> tuple[str, str] | None:
    """The first of ``paths`` that some file systems take for another path of the tree, and that other path.

    Folders of more than 20,000 entries are not looked through.
    """
    folders: dict[bytes, dict[str, list[bytes]]] = {}
    checked: set[tuple[bytes, bytes]] = set()
    for path in paths:
        pieces = path.split(b"/")
        for depth, name in enumerate(pieces):
            above = b"/".join(pieces[:depth])
            if (above, name) in checked:
                continue
            checked.add((above, name))
            if above not in folders:
                folders[above] = _names(store, tree, above)
            other = next((each for each in folders[above].get(_folded(name), ()) if each != name), None)
            if other is not None:
                beside = b"/".join([*pieces[:depth], other])
                return b"/".join(pieces[: depth + 1]).decode("utf-8", "replace"), beside.decode("utf-8", "replace")
    return None


def _names(store: ObjectStore, tree: str, folder: bytes) -> dict[str, list[bytes]]:
    """The names in a folder by their folded form."""
    found = trees.find_entry(store, tree, folder)
    entries = trees.parse_folder(store, found.oid) if found is not None and found.is_folder else {}
    names: dict[str, list[bytes]] = {}
    if len(entries) <= _LARGEST_FOLDER:
        for name in entries:
            names.setdefault(_folded(name), []).append(name)
    return names


def _folded(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    return (
        text.lower() if text.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    )
