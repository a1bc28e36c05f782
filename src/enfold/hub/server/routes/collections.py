"""Collections: making and reading them, and what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from enfold.hub.records import Principal, accounts, collections
from enfold.hub.records.permissions import may, may_create
from enfold.hub.records.repositories import locate_repository
from enfold.hub.records.schema import Account, Collection, CollectionItem, Repository, now
from enfold.hub.server.access import Caller, SignedIn
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.cursors import cursor_after, read_cursor
from enfold.hub.server.errors import HubError, forbidden, repository_not_found
from enfold.hub.server.origins import base_url
from enfold.hub.server.pagination import moment, next_page
from enfold.hub.server.paths import KINDS
from enfold.hub.server.people import shown_author
from enfold.hub.server.state import State

__all__ = ["router"]

router = APIRouter(tags=["collections"], route_class=BoundedRoute)

_PAGE = 100
_SHOWN_IN_LISTS = 4
_ONE = "/api/collections/{namespace:piece}/{slug:piece}"

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Note = Annotated[str, StringConstraints(max_length=1000)]
Position = Annotated[int, Field(ge=0, le=10_000)]


class NewCollection(BaseModel):
    """A collection to be made."""

    title: Title
    namespace: str
    description: Description | None = None
    private: bool = False


class Changes(BaseModel):
    """What is to change; the rest stays."""

    title: Title | None = None
    description: Description | None = None
    private: bool | None = None
    theme: Literal["orange", "blue", "green", "purple", "pink", "indigo"] | None = None
    position: Position | None = None


class Thing(BaseModel):
    """A repository, a paper by its id, or a collection by its slug."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    type: Literal["model", "dataset", "space", "paper", "collection"]


class NewItem(BaseModel):
    """What is to be put in, and why."""

    item: Thing
    note: Note | None = None


class ItemChanges(BaseModel):
    """What is to change of an item."""

    note: Note | None = None
    position: Position | None = None


@router.get("/api/collections", summary="Collections, by page")
def list_collections(
    request: Request,
    response: Response,
    caller: Caller,
    state: State,
    owner: Annotated[list[str] | None, Query(description="Only of these accounts.")] = None,
    item: Annotated[list[str] | None, Query(description="Only with one of these: models/ns/name, papers/id.")] = None,
    sort: Literal["lastModified", "trending", "upvotes"] = "lastModified",
    limit: Annotated[int | None, Query(ge=1, description="Size of a page.")] = None,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> list[dict[str, Any]]:
    """The first few items of each."""
    size = min(limit or _PAGE, _PAGE)
    start = read_cursor(cursor) or 0
    base = base_url(request)
    with state.records.read() as session:
        found = collections.collections_of(
            session,
            caller,
            owners=owner or (),
            items=[_thing(each) for each in item or ()],
            sort=sort,
            start=start,
            limit=size + 1,
        )
        page = found[:size]
        items = collections.items_of(session, caller, [each for each, _ in page])
    if len(found) > size:
        next_page(request, response, cursor_after(start + size))
    shown = [_shown(base, owner, each, items[each.id][:_SHOWN_IN_LISTS]) for each, owner in page]
    for each in shown:
        del each["position"]  # clients number the collections of a list themselves
    return shown


@router.post("/api/collections", summary="Make a collection")
def create(request: Request, body: NewCollection, caller: SignedIn, state: State) -> dict[str, Any]:
    """409 with its slug when the account has one of that title."""
    with state.records.write() as session:
        owner = accounts.find_account(session, body.namespace)
        if owner is None or owner.kind == "model" or not may_create(caller, owner.id):
            raise forbidden(f"you may not make collections for {body.namespace!r}, or your token may not")
        there = collections.named_alike(session, owner, body.title)
        if there is not None:
            slug = collections.slug_of(owner, there)
            raise HubError(409, f"{owner.name} has a collection of that title: {slug}", body={"slug": slug})
        made = collections.create_collection(
            session, owner, body.title, description=body.description, private=body.private
        )
        return _shown(base_url(request), owner, made, [])


@router.get(_ONE, summary="A collection")
def read(namespace: str, slug: str, request: Request, caller: Caller, state: State) -> dict[str, Any]:
    """With those of its items that the caller may read."""
    with state.records.read() as session:
        found, owner = _found(session, caller, namespace, slug)
        items = collections.items_of(session, caller, [found])[found.id]
    return _shown(base_url(request), owner, found, items)


@router.patch(_ONE, summary="Change a collection")
def change(
    namespace: str, slug: str, request: Request, body: Changes, caller: SignedIn, state: State
) -> dict[str, Any]:
    """With another title the slug changes too; the old one still finds it."""
    with state.records.write() as session:
        found, owner = _mine(session, caller, namespace, slug)
        if body.title is not None:
            collections.retitle(found, body.title)
        for name, value in body.model_dump(exclude={"title"}, exclude_none=True).items():
            setattr(found, name, value)
        found.updated_at = now()
        session.flush()
        items = collections.items_of(session, caller, [found])[found.id]
        return {"success": True, "data": _shown(base_url(request), owner, found, items)}


@router.delete(_ONE, summary="Delete a collection")
def delete(namespace: str, slug: str, caller: SignedIn, state: State) -> dict[str, Any]:
    """The repositories in it stay as they are."""
    with state.records.write() as session:
        found, _ = _mine(session, caller, namespace, slug)
        session.delete(found)
    return {"success": True}


@router.post(_ONE + "/items", summary="Put something in")
def add(namespace: str, slug: str, request: Request, body: NewItem, caller: SignedIn, state: State) -> dict[str, Any]:
    """At the end; 409 when it is in already. The caller must be able to read a repository to put it in."""
    with state.records.write() as session:
        found, owner = _mine(session, caller, namespace, slug)
        repository, reference = None, None
        if body.item.type == "paper":
            reference = {"type": "paper", "id": body.item.id}
        elif body.item.type == "collection":
            reference = {"type": "collection", "id": _inner_slug(session, caller, found, body.item.id)}
        else:
            repository, _ = locate_repository(session, body.item.type, body.item.id)
            if repository is None or not may(caller, "read", repository):
                raise repository_not_found(anonymous=False)
        if len(collections.items_of(session, caller, [found])[found.id]) >= collections.MOST_ITEMS:
            raise HubError(400, f"a collection holds at most {collections.MOST_ITEMS} things")
        if collections.add_item(session, found, repository=repository, reference=reference, note=body.note) is None:
            raise HubError(409, f"{body.item.type} {body.item.id} is in this collection already")
        items = collections.items_of(session, caller, [found])[found.id]
        return _shown(base_url(request), owner, found, items)


@router.patch(_ONE + "/items/{uid}", summary="Change an item's note or place")
def change_item(
    namespace: str, slug: str, uid: str, body: ItemChanges, caller: SignedIn, state: State
) -> dict[str, Any]:
    """Those behind it make room."""
    with state.records.write() as session:
        found, _ = _mine(session, caller, namespace, slug)
        item = _item(session, found, uid)
        if body.note is not None:
            item.note = body.note
            found.updated_at = now()
        if body.position is not None:
            collections.place(session, found, item, body.position)
    return {"success": True}


@router.delete(_ONE + "/items/{uid}", summary="Take an item out")
def remove(namespace: str, slug: str, uid: str, caller: SignedIn, state: State) -> dict[str, Any]:
    """404 when it is not in."""
    with state.records.write() as session:
        found, _ = _mine(session, caller, namespace, slug)
        collections.remove_item(session, found, _item(session, found, uid))
    return {"success": True}


def _found(session: Session, caller: Principal, namespace: str, slug: str) -> tuple[Collection, Account]:
    found = collections.find_collection(session, caller, namespace, slug)
    if found is None:
        raise HubError(404, f"there is no collection {namespace}/{slug}")
    return found


def _mine(session: Session, caller: Principal, namespace: str, slug: str) -> tuple[Collection, Account]:
    """A collection that the caller may change."""
    found, owner = _found(session, caller, namespace, slug)
    if not may_create(caller, owner.id):
        raise forbidden(f"you may not change the collections of {owner.name}, or your token may not")
    return found, owner


def _inner_slug(session: Session, caller: Principal, outer: Collection, slug: str) -> str:
    """The slug of a collection that the caller may see, to be put into another."""
    namespace, _, name = slug.partition("/")
    found, owner = _found(session, caller, namespace, name)
    if found.id == outer.id:
        raise HubError(400, "a collection cannot hold itself")
    return collections.slug_of(owner, found)


def _item(session: Session, found: Collection, uid: str) -> CollectionItem:
    item = collections.find_item(session, found, uid)
    if item is None:
        raise HubError(404, f"collection {found.slug} has no item {uid}")
    return item


def _thing(text: str) -> tuple[str, str]:
    """``models/ns/name`` as type and id."""
    kind, _, name = text.partition("/")
    if kind == "papers" and name:
        return "paper", name
    if kind not in KINDS or not name:
        raise HubError(400, f"item={text[:100]!r} is not of the form models/ns/name, datasets/…, spaces/… or papers/id")
    return KINDS[kind], name


def _shown(
    base: str, owner: Account, found: Collection, items: Sequence[tuple[CollectionItem, Repository | None]]
) -> dict[str, Any]:
    slug = collections.slug_of(owner, found)
    return {
        "_id": found.uid,
        "slug": slug,
        "title": found.title,
        "description": found.description,
        "owner": shown_author(base, owner),
        "items": [_shown_item(position, *each) for position, each in enumerate(items)],
        "lastUpdated": moment(found.updated_at),
        "position": found.position,
        "private": found.private,
        "theme": found.theme,
        "upvotes": found.upvotes,
        "shareUrl": f"{base}/collections/{slug}",
    }


def _shown_item(position: int, item: CollectionItem, repository: Repository | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"_id": item.uid, "position": position}
    if item.note is not None:
        shown["note"] = {"text": item.note}
    if repository is None:
        return {**shown, **item.reference}
    return {
        **shown,
        "id": repository.full_name,
        "type": repository.type,
        "private": repository.private,
        "gated": repository.gated or False,
        "lastModified": moment(repository.updated_at),
        "likes": repository.likes,
        "downloads": repository.downloads,
    }
