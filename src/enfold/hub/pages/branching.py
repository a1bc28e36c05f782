"""Branches and tags: which there are, making and deleting them."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import Response

from enfold.hub.pages.browsing import Opened, open_repository
from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import REFUSALS, Here, Page, PageRoute, SignedInHere, told
from enfold.hub.records import refs as records
from enfold.hub.server.access import Access
from enfold.hub.server.errors import HubError
from enfold.hub.server.routes import refs
from enfold.hub.store import Commit

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_MOST = 500


@dataclass(frozen=True, slots=True)
class _Named:
    """A branch or a tag, and the commit that it names."""

    name: str
    oid: str
    commit: Commit


@router.get("/{place:place}/branches")
def show(page: Here, place: str) -> Response:
    """All branches and tags."""
    return _show(page, open_repository(page, place), None)


@router.post("/{place:place}/branches")
def change(page: SignedInHere, form: Form, place: str) -> Response:
    """Make or delete a branch or a tag: what the field ``do`` says."""
    opened = open_repository(page, place, "write")
    access, state = Access(opened.repository, page.principal), page.state
    what, name = text(form, "do"), text(form, "name", longest=250)
    start = text(form, "start", longest=250) or "main"
    try:
        if what == "branch":
            refs.make_branch(name, access, state, refs.NewBranch(startingPoint=start))
        elif what == "tag":
            refs.make_tag(
                start, refs.NewTag(tag=name, message=text(form, "words", longest=5000) or None), access, state
            )
        elif what == "delete-branch":
            refs.delete_branch(name, access, state)
        elif what == "delete-tag":
            refs.delete_tag(name, access, state)
        else:
            raise HubError(422, "The form does not say what to do.")
    except (*REFUSALS, ValidationError) as fault:
        return _show(page, opened, told(fault))
    return page.go(f"/{opened.place}/branches", said="deleted" if what.startswith("delete") else "made")


def _show(page: Page, opened: Opened, fault: str | None) -> Response:
    with page.state.records.read() as session:
        found = records.refs_of(session, opened.repository)
    lists: dict[str, list[_Named]] = {"branch": [], "tag": []}
    for each in found:
        for what, start in (("branch", "refs/heads/"), ("tag", "refs/tags/")):
            if each.name.startswith(start):
                lists[what].append(_Named(each.name.removeprefix(start), each.commit, opened.store.commit(each.commit)))
    lists["branch"].sort(key=lambda each: each.name != "main")
    return page.render(
        "branches.html.j2",
        status=200 if fault is None else 422,
        opened=opened,
        tab="files",
        branches=lists["branch"][:_MOST],
        tags=lists["tag"][:_MOST],
        cut=max(map(len, lists.values())) > _MOST,
        fault=fault,
    )
