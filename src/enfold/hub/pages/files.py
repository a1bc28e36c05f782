"""Folders and files of a repository at a revision; what a file holds is shown as text, tensors or rows."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from enfold.hub.pages.browsing import Opened, crumbs, open_repository, path_bytes
from enfold.hub.pages.page import Here, PageRoute
from enfold.hub.pages.preview import kind_of, preview
from enfold.hub.pages.tensors import tensors_in
from enfold.hub.server.contents import Content, content_from_upstream, open_content
from enfold.hub.server.errors import entry_not_found
from enfold.hub.server.safety import check_content, withheld
from enfold.hub.server.sending import answer_with, media_type
from enfold.hub.server.tree_items import describe_entries
from enfold.hub.store import trees
from enfold.hub.store.git_objects import FOLDER, SUBMODULE
from enfold.hub.store.trees import PathEntry

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_PER_PAGE = 200
_LONGEST_TEXT = 1_000_000
_MOST_LINES = 20_000
_LINK = 0o120000
_ORDINARY = 0o10


@router.get("/{place:place}/tree/{revision:piece}")
@router.get("/{place:place}/tree/{revision:piece}/{path:pieces}")
def folder(page: Here, place: str, revision: str, path: str = "", after: str | None = None) -> Response:
    """The files of a folder, by page."""
    opened = open_repository(page, place)
    commit = opened.commit_of(revision)
    path = path.strip("/")
    entry = opened.entry(commit, path)
    if not entry.is_folder:
        return page.go(opened.address("blob", revision, path))
    tree = opened.store.commit(commit).tree
    start = None if after is None else path_bytes(after)
    found = list(islice(trees.walk(opened.store, tree, path_bytes(path), start_after=start), _PER_PAGE + 1))
    rows = found[:_PER_PAGE]
    with page.state.records.read() as session:
        items = describe_entries(page.state, session, opened.repository, commit, rows, last_commits=True)
    for row, item in zip(rows, items, strict=True):
        item.setdefault("lfs", None)
        item["name"] = item["path"].rpartition("/")[2]
        item["is_folder"], item["is_submodule"] = row.mode == FOLDER, row.mode == SUBMODULE
        item["bytes"] = item["lfs"]["size"] if item["lfs"] else item["size"]
    # Folders first, as people look for them; a page's order stays git's, so that the next one goes on behind it.
    items.sort(key=lambda item: not item["is_folder"])
    heads, tags = opened.names()
    return page.render(
        "tree.html.j2",
        opened=opened,
        tab="files",
        revision=revision,
        commit=commit,
        path=path,
        crumbs=crumbs(path),
        items=items,
        heads=heads,
        tags=tags,
        after=rows[-1].path.decode("utf-8", "replace") if len(found) > _PER_PAGE else None,
    )


@router.get("/{place:place}/blob/{revision:piece}/{path:pieces}")
def file(page: Here, place: str, revision: str, path: str, rows: int = 1) -> Response:
    """One file: its size and id, and what it holds as far as that can be shown."""
    opened = open_repository(page, place)
    commit = opened.commit_of(revision)
    path = path.strip("/")
    entry = opened.entry(commit, path)
    if entry.is_folder:
        return page.go(opened.address("tree", revision, path))
    with page.state.records.read() as session:
        (item,) = describe_entries(page.state, session, opened.repository, commit, [entry], last_commits=True)
    item.setdefault("lfs", None)
    shown: dict[str, Any] = {"kind": "closed"}
    if opened.may_download and entry.mode != SUBMODULE:
        shown = _shown(opened, entry, path, max(rows, 1))
    return page.render(
        "blob.html.j2",
        opened=opened,
        tab="files",
        revision=revision,
        commit=commit,
        path=path,
        crumbs=crumbs(path),
        item=item,
        is_submodule=entry.mode == SUBMODULE,
        is_link=entry.mode == _LINK,
        shown=shown,
        may_edit=entry.mode >> 12 == _ORDINARY and _may_edit(opened, revision),
        rows=max(rows, 1),
    )


@router.get("/{place:place}/view/{revision:piece}/{path:pieces}")
def content(page: Here, place: str, revision: str, path: str) -> Response:
    """The bytes of a file, for a signed-in browser; under headers that keep it from running any of them."""
    opened = open_repository(page, place, "download")
    commit = opened.commit_of(revision)
    entry = opened.entry(commit, path)
    found = None if entry.mode in (FOLDER, SUBMODULE) else _content(opened, entry)
    if found is None and entry.mode not in (FOLDER, SUBMODULE):
        found = content_from_upstream(page.state, opened.repository, entry.oid)
    if found is None:
        raise entry_not_found(commit, f"There is no file at {path!r} in this revision.")
    if found.arriving is None:
        check_content(page.state, page.principal, opened.repository, found)
    return answer_with(page.request, found, path.rpartition("/")[2], {"X-Repo-Commit": commit})


def _content(opened: Opened, entry: PathEntry) -> Content | None:
    with opened.page.state.records.read() as session:
        return open_content(opened.page.state, session, opened.repository, entry.oid)


def _shown(opened: Opened, entry: PathEntry, path: str, page: int) -> dict[str, Any]:
    """What the page shows of a file: ``tensors``, ``rows``, ``text``, ``picture`` or nothing, and why."""
    content = _content(opened, entry)
    if content is None:
        is_upstream = opened.repository.mirrored and opened.page.state.mirror is not None
        return {"kind": "upstream" if is_upstream else "missing"}
    if withheld(opened.page.state, opened.principal, opened.repository, [content.etag]):
        return {"kind": "quarantined"}
    if path.endswith(".safetensors"):
        tensors = tensors_in(content)
        return {"kind": "unread"} if tensors is None else {"kind": "tensors", "tensors": tensors}
    if kind_of(path) is not None:
        return {"kind": "rows", "preview": preview(opened.page.state, content, path, page), **_text(content)}
    sample = content.beginning(8000)
    kind = media_type(sample)
    if kind.startswith("image/"):
        return {"kind": "picture"}
    if not kind.startswith("text/"):
        return {"kind": "binary"}
    return {"kind": "text", **_text(content)}


def _may_edit(opened: Opened, revision: str) -> bool:
    """Whether the reader may change files at a revision, or ask for that."""
    if opened.principal.is_anonymous or opened.repository.mirrored:
        return False
    if not (opened.may_write or not opened.repository.discussions_disabled):
        return False
    return revision.startswith("refs/pr/") or revision in opened.names()[0]


def _text(content: Content) -> dict[str, Any]:
    """The lines of a text that is not too long."""
    if content.size > _LONGEST_TEXT:
        return {"lines": None}
    text = content.beginning(_LONGEST_TEXT).decode("utf-8", "replace")
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return {"lines": [line.rstrip("\r") for line in lines[:_MOST_LINES]], "more": len(lines) > _MOST_LINES}
