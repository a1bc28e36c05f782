"""The history of a repository, and what one commit changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from fastapi import APIRouter
from starlette.responses import Response

from enfold.hub.pages.browsing import crumbs, open_repository, path_bytes
from enfold.hub.pages.page import Here, PageRoute
from enfold.hub.server.errors import revision_not_found
from enfold.hub.server.safety import hidden_between
from enfold.hub.store import MissingObject, is_oid
from enfold.hub.store.commits import log
from enfold.hub.store.patches import FilePatch, patches

__all__ = ["PatchLine", "lines_of", "router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_PER_PAGE = 50
_MOST_FILES = 100
_MOST_LINES = 6000
_LARGEST = 256 * 1024


@dataclass(frozen=True, slots=True)
class PatchLine:
    """One line of a patch with its numbers: ``name``, ``added``, ``removed``, ``where`` or ``same``."""

    kind: str
    old: int | None
    new: int | None
    text: str


@router.get("/{place:place}/commits/{revision:piece}")
@router.get("/{place:place}/commits/{revision:piece}/{path:pieces}")
def commits(page: Here, place: str, revision: str, path: str = "", after: str | None = None) -> Response:
    """The commits behind a revision, the newest first, or those of them that changed a path."""
    opened = open_repository(page, place)
    tip = opened.commit_of(revision)
    path = path.strip("/")
    try:
        if path:
            ids = page.state.changed_paths(opened.repository).history(path_bytes(path), tip, after=after)
        else:
            ids = log(opened.store, tip, after=after)
        found = list(islice(ids, _PER_PAGE + 1))
    except MissingObject:
        raise revision_not_found(after or revision) from None
    rows = [(oid, opened.store.commit(oid)) for oid in found[:_PER_PAGE]]
    return page.render(
        "commits.html.j2",
        opened=opened,
        tab="history",
        revision=revision,
        path=path,
        crumbs=crumbs(path),
        rows=rows,
        after=found[_PER_PAGE - 1] if len(found) > _PER_PAGE else None,
    )


@router.get("/{place:place}/commit/{oid:piece}")
def commit(page: Here, place: str, oid: str) -> Response:
    """What a commit changed, against its first parent."""
    opened = open_repository(page, place)
    found = opened.commit_of(oid)
    if is_oid(oid) and found != oid:
        raise revision_not_found(oid)
    commit = opened.store.commit(found)
    parent = commit.parents[0] if commit.parents else None
    old = None if parent is None else opened.store.commit(parent).tree
    files: list[tuple[FilePatch, list[PatchLine]]] = []
    more = False
    left = _MOST_LINES
    if opened.may_download:
        hidden = hidden_between(page.state, page.principal, opened.repository, old, commit.tree)
        for patch in patches(opened.store, old, commit.tree, largest=_LARGEST, hidden=hidden):
            if len(files) == _MOST_FILES or left <= 0:
                more = True
                break
            lines = list(islice(lines_of(patch.text), left)) if patch.shown else []
            left -= len(lines)
            files.append((patch, lines))
    return page.render(
        "commit.html.j2",
        opened=opened,
        tab="history",
        oid=found,
        commit=commit,
        files=files,
        more=more,
        cut=left <= 0,
    )


def lines_of(patch: bytes) -> Iterator[PatchLine]:
    """The lines of a patch; of the head of each file, only the names."""
    old = new = 0
    inside = False
    for raw in patch.split(b"\n"):
        line = raw.decode("utf-8", "replace")
        if line.startswith("diff --git "):
            inside = False
            names = line.removeprefix("diff --git ")
            yield PatchLine("name", None, None, names.rpartition(" b/")[2] or names)
        elif line.startswith("@@ "):
            inside = True
            before, after = line.split()[1:3]
            old, new = int(before[1:].partition(",")[0]), int(after[1:].partition(",")[0])
            yield PatchLine("where", None, None, line)
        elif not inside or not line or line.startswith("\\"):
            continue
        elif line[0] == "+":
            yield PatchLine("added", None, new, line[1:])
            new += 1
        elif line[0] == "-":
            yield PatchLine("removed", old, None, line[1:])
            old += 1
        elif line[0] == " ":
            yield PatchLine("same", old, new, line[1:])
            old, new = old + 1, new + 1
