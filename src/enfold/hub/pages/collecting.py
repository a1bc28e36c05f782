"""Collections: those there are, making and changing them, and what stands in them in which order."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import Response

from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import REFUSALS, Here, Page, PageRoute, SignedInHere, told
from enfold.hub.records import accounts, may_create
from enfold.hub.records import collections as records
from enfold.hub.server.errors import HubError
from enfold.hub.server.paths import RepositoryAddress
from enfold.hub.server.routes import collections

__all__ = ["mine", "router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_PER_PAGE = 30
_MOST_OF_ONE = 100
_LAST = 10**6


@router.get("/collections")
def list_page(page: Here, owner: str = "", start: int = 0) -> Response:
    """Collections that the reader may see, those changed last first."""
    start = min(max(start, 0), _LAST)
    with page.state.records.read() as session:
        found = records.collections_of(
            session, page.principal, owners=[owner] if owner else (), start=start, limit=_PER_PAGE + 1
        )
        rows = found[:_PER_PAGE]
        items = records.items_of(session, page.principal, [each for each, _ in rows])
    more = start + _PER_PAGE if len(found) > _PER_PAGE else None
    return page.render("collections.html.j2", rows=rows, items=items, owner=owner, more=more)


@router.get("/collections/new")
def new_page(page: SignedInHere) -> Response:
    """The form for a new collection."""
    return _new(page, {"title": "", "description": "", "owner": page.principal.name, "private": ""}, None)


@router.post("/collections/new")
def new(page: SignedInHere, form: Form) -> Response:
    """Make a collection."""
    given = {
        name: text(form, name, longest=longest)
        for name, longest in (("title", 200), ("description", 3000), ("owner", 100), ("private", 5))
    }
    try:
        body = collections.NewCollection(
            title=given["title"],
            namespace=given["owner"],
            description=given["description"] or None,
            private=given["private"] == "yes",
        )
        made = collections.create(page.request, body, page.principal, page.state)
    except (*REFUSALS, ValidationError) as fault:
        return _new(page, given, told(fault))
    return page.go(f"/collections/{made['slug']}")


@router.get("/collections/{namespace:piece}/{slug:piece}")
def show(page: Here, namespace: str, slug: str) -> Response:
    """A collection, with the forms to change it for those who may."""
    return _show(page, namespace, slug, None)


@router.post("/collections/{namespace:piece}/{slug:piece}")
def change(page: SignedInHere, form: Form, namespace: str, slug: str) -> Response:
    """Add, move, note, remove, change or delete: what the field ``do`` says."""
    what, item = text(form, "do"), text(form, "item", longest=64)
    caller, state = page.principal, page.state
    try:
        if what == "add":
            thing = collections.Thing(type=text(form, "type"), id=text(form, "name", longest=200))  # type: ignore[arg-type]
            body = collections.NewItem(item=thing, note=text(form, "note") or None)
            collections.add(namespace, slug, page.request, body, caller, state)
        elif what in ("note", "place"):
            changes = (
                collections.ItemChanges(note=text(form, "note"))
                if what == "note"
                else collections.ItemChanges(position=int(text(form, "position", longest=6) or 0))
            )
            collections.change_item(namespace, slug, item, changes, caller, state)
        elif what == "remove":
            collections.remove(namespace, slug, item, caller, state)
        elif what == "change":
            wanted = collections.Changes(
                title=text(form, "title", longest=200),
                description=text(form, "description", longest=3000),
                private=text(form, "private") == "yes",
            )
            changed = collections.change(namespace, slug, page.request, wanted, caller, state)
            return page.go(f"/collections/{changed['data']['slug']}", said="saved")
        elif what == "delete":
            collections.delete(namespace, slug, caller, state)
            return page.go("/collections", said="deleted")
        else:
            raise HubError(422, "The form does not say what to do.")
    except (*REFUSALS, ValidationError, ValueError) as fault:
        if isinstance(fault, HubError) and fault.status_code in (401, 403):
            raise
        return _show(page, namespace, slug, told(fault))
    return page.go(page.request.scope["path"])


def mine(page: Page) -> list[tuple[str, str]]:
    """The collections that the reader may put something into: slug and title."""
    if page.principal.is_anonymous:
        return []
    with page.state.records.read() as session:
        owners = [page.principal.name, *(each.name for each, _ in _organizations(page, session))]
        found = records.collections_of(session, page.principal, owners=owners, limit=_MOST_OF_ONE)
    return [(records.slug_of(owner, each), each.title) for each, owner in found if may_create(page.principal, owner.id)]


def _organizations(page: Page, session: Any) -> list[Any]:
    found = accounts.organizations_of(session, page.principal.account_id or 0)
    return [(each, role) for each, role in found if may_create(page.principal, each.id)]


def _new(page: Page, given: dict[str, str], fault: str | None) -> Response:
    with page.state.records.read() as session:
        owners = [page.principal.name, *(each.name for each, _ in _organizations(page, session))]
    status = 200 if fault is None else 422
    return page.render("new_collection.html.j2", status=status, given=given, owners=owners, fault=fault)


def _show(page: Page, namespace: str, slug: str, fault: str | None) -> Response:
    with page.state.records.read() as session:
        pair = records.find_collection(session, page.principal, namespace, slug)
        if pair is None:
            raise HubError(404, "There is nothing at this address, or you may not see it.")
        found, owner = pair
        items = records.items_of(session, page.principal, [found])[found.id]
    places = [
        None if repository is None else RepositoryAddress(repository.type, repository.full_name).place  # type: ignore[arg-type]
        for _, repository in items
    ]
    return page.render(
        "collection.html.j2",
        status=200 if fault is None else 422,
        found=found,
        owner=owner,
        items=list(zip(items, places, strict=True)),
        may_change=not page.principal.is_anonymous and may_create(page.principal, owner.id),
        fault=fault,
    )
