"""A file that is written, changed, renamed or deleted in a browser: one commit, or a pull request.

What is not text, or too large, is renamed and deleted all the same; its content stays as it is.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from enfold.hub.pages.browsing import Opened, open_repository, path_bytes
from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.landing import Target, changeable, wanted
from enfold.hub.pages.page import REFUSALS, PageRoute, SignedInHere, told
from enfold.hub.server.commits import Draft
from enfold.hub.server.contents import pointer_at
from enfold.hub.server.errors import HubError
from enfold.hub.server.safety import withheld
from enfold.hub.store import check_path, trees
from enfold.hub.store.attributes import Rules
from enfold.hub.store.trees import PathEntry
from enfold.web.pages import shown

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LONGEST = 1_000_000
_CHANGED = "Somebody changed this file meanwhile. Look at it as it is now, and make your change again."


def _target(page: SignedInHere, place: str, revision: str) -> Target:
    return changeable(page, open_repository(page, place), revision)


_Target = Annotated[Target, Depends(_target)]


@router.get("/{place:place}/edit/{revision:piece}")
@router.get("/{place:place}/edit/{revision:piece}/{path:pieces}")
def edit_page(target: _Target, path: str = "") -> Response:
    """The form with a file's text; without a path, for a new file."""
    path = path.strip("/")
    head = target.opened.commit_of(target.ref)
    entry = _entry(target.opened, head, path)
    if path and entry is None:
        target.opened.entry(head, path)  # says that nothing is there
    return _page(target, path, entry, path, None, None)


@router.post("/{place:place}/edit/{revision:piece}")
@router.post("/{place:place}/edit/{revision:piece}/{path:pieces}")
def edit(target: _Target, form: Form, path: str = "") -> Response:
    """Keep a file's text, under another path if it was given one, or delete it: what the field ``do`` says."""
    path, new_path = path.strip("/"), text(form, "path").strip("/")
    sent = form.get("content", "")
    content = sent if isinstance(sent, str) else ""
    entry = None
    try:
        if len(content) > _LONGEST:
            raise HubError(422, f"The text has {len(content):,} characters; at most {_LONGEST:,} are taken here.")
        head = target.opened.commit_of(target.ref)
        entry = _entry(target.opened, head, path)
        if text(form, "blob") != ("" if entry is None else entry.oid):
            raise HubError(409, _CHANGED)
        address = _send(target, form, head, entry, path, new_path, content)
    except REFUSALS as fault:
        said = _CHANGED if isinstance(fault, HubError) and fault.status_code == 412 else told(fault)
        return _page(target, path, entry, new_path or path, content, said)
    return target.opened.page.go(address)


def _send(
    target: Target, form: Form, head: str, entry: PathEntry | None, path: str, new_path: str, content: str
) -> str:
    opened = target.opened
    state, store = opened.page.state, opened.store
    tree = store.commit(head).tree
    deletes = text(form, "do") == "delete"
    if deletes and entry is None:
        raise HubError(422, "There is no file to be deleted.")
    if not deletes and not new_path:
        raise HubError(422, "The file needs a name.")
    old = "" if entry is None else _text(opened, entry)
    # A browser sends every line's end as two characters; the file keeps those that it had.
    content = content.replace("\r\n", "\n")
    if old is not None and "\r\n" in old:
        content = content.replace("\n", "\r\n")
    if not deletes and new_path == path and old in (None, content):
        raise HubError(422, "Nothing was changed.")
    with Draft(state, opened.repository) as draft:
        if entry is not None and (deletes or new_path != path):
            draft.delete(path_bytes(path))
        if not deletes:
            raw = check_path(new_path)
            if new_path != path and trees.find_entry(store, tree, raw) is not None:
                raise HubError(409, f"there is a file at {new_path!r} already")
            if old is None:
                draft.operations.append(trees.Copy(source=path_bytes(path), path=raw, tree=tree))
            elif Rules(store, tree).is_large(raw):
                raise HubError(422, f"{new_path!r} is kept as a large file here; upload it instead")
            else:
                draft.put(raw, content.encode("utf-8", "replace"))
        verb = "Delete" if deletes else "Create" if entry is None else "Update"
        message, ask = wanted(form, target, f"{verb} {path if deletes else new_path}")
        return target.send(draft, message, ask=ask, parent=head)


def _entry(opened: Opened, commit: str, path: str) -> PathEntry | None:
    """The file at a path, if one is there.

    Raises:
        HubError: what is there is no ordinary file.
    """
    if not path:
        return None
    found = trees.find_entry(opened.store, opened.store.commit(commit).tree, path_bytes(path))
    if found is not None and found.mode >> 12 != 0o10:
        raise HubError(422, "Only ordinary files are changed here.")
    return found


def _text(opened: Opened, entry: PathEntry) -> str | None:
    """The text of a file; None when it is a large file, too long, kept back, or no text."""
    store = opened.store
    if store.size(entry.oid) > _LONGEST or pointer_at(store, entry.oid) is not None:
        return None
    if withheld(opened.page.state, opened.principal, opened.repository, [entry.oid]):
        return None
    try:
        found = store.blob(entry.oid).decode("utf-8")
    except UnicodeDecodeError:
        return None
    plain = found.replace("\r\n", "\n")
    ends = ("\n", "\r\n") if "\r" not in plain else ()
    # What a browser would not send back as it was: control characters, and line ends of two kinds.
    if shown(found) != found or found not in [plain.replace("\n", end) for end in ends]:
        return None
    return found


def _page(
    target: Target, path: str, entry: PathEntry | None, new_path: str, sent: str | None, fault: str | None
) -> Response:
    kept = "" if entry is None else _text(target.opened, entry)
    return target.opened.page.render(
        "edit.html.j2",
        status=200 if fault is None else 422,
        opened=target.opened,
        tab="files",
        target=target,
        path=path,
        new_path=new_path,
        blob="" if entry is None else entry.oid,
        content=None if kept is None else kept if sent is None else sent,
        fault=fault,
    )
