"""Collections: repositories that somebody put together under a title.

Everyone sees a public one, and of its repositories those they may read; a private one is for the people of its
account. The ``uid`` at the end of a slug is what finds a collection: the rest of it follows the title.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.accounts import new_uid
from enfold.hub.records.names import fold
from enfold.hub.records.permissions import may, may_see_private_of
from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import Account, Collection, CollectionItem, Repository, now

__all__ = [
    "add_item",
    "collections_of",
    "create_collection",
    "find_collection",
    "find_item",
    "items_of",
    "named_alike",
    "place",
    "remove_item",
    "retitle",
    "slug_of",
]

SORTS = {
    "lastModified": (Collection.updated_at.desc(), Collection.id.desc()),
    "trending": (Collection.upvotes.desc(), Collection.updated_at.desc(), Collection.id.desc()),
    "upvotes": (Collection.upvotes.desc(), Collection.updated_at.desc(), Collection.id.desc()),
}
MOST_ITEMS = 1000
_UID = re.compile(r"(?:^|-)([0-9a-f]{24})$")


def slug_of(owner: Account, collection: Collection) -> str:
    """The whole slug: ``ns/title-uid``."""
    return f"{owner.name}/{collection.slug}"


def create_collection(
    session: Session, owner: Account, title: str, *, description: str | None = None, private: bool = False
) -> Collection:
    """Make an empty collection."""
    uid = new_uid()
    made = Collection(
        uid=uid,
        account_id=owner.id,
        slug=_slug(title, uid),
        title=title,
        description=description,
        private=private,
        theme="indigo",
        position=0,
    )
    session.add(made)
    session.flush()
    return made


def named_alike(session: Session, owner: Account, title: str) -> Collection | None:
    """A collection of this account whose title gives the same address."""
    words = _words(title)
    found = session.scalars(sa.select(Collection).where(Collection.account_id == owner.id).order_by(Collection.id))
    return next((each for each in found if _words(each.title) == words), None)


def find_collection(
    session: Session, principal: Principal, namespace: str, slug: str
) -> tuple[Collection, Account] | None:
    """A collection by its slug, if the caller may see it; with its owner."""
    match = _UID.search(slug)
    if match is None:
        return None
    row = session.execute(
        sa.select(Collection, Account)
        .join(Account, Account.id == Collection.account_id)
        .where(Collection.uid == match.group(1), Account.folded == fold(namespace))
    ).one_or_none()
    if row is None or (row[0].private and not may_see_private_of(principal, row[1].id)):
        return None
    return row[0], row[1]


def collections_of(
    session: Session,
    principal: Principal,
    *,
    owners: Sequence[str] = (),
    items: Sequence[tuple[str, str]] = (),
    sort: str = "lastModified",
    start: int = 0,
    limit: int,
) -> list[tuple[Collection, Account]]:
    """Collections that the caller may see, with their owners.

    Args:
        session: a transaction.
        principal: who asks.
        owners: only of these accounts.
        items: only with one of these in it: type and id.
        sort: one of ``SORTS``.
        start: leave out so many.
        limit: at most so many.
    """
    seen = [account_id for account_id in sorted(principal.roles) if may_see_private_of(principal, account_id)]
    visible = sa.or_(Collection.private == sa.false(), Collection.account_id.in_(seen))
    statement = sa.select(Collection, Account).join(Account, Account.id == Collection.account_id)
    if not (principal.is_admin and principal.scope != "fineGrained"):
        statement = statement.where(visible)
    if owners:
        statement = statement.where(Account.folded.in_([fold(each) for each in owners]))
    if items:
        statement = statement.where(Collection.id.in_(_with_items(session, principal, items)))
    rows = session.execute(statement.order_by(*SORTS[sort]).offset(start).limit(limit))
    return [(row[0], row[1]) for row in rows]


def items_of(
    session: Session, principal: Principal, collections: Iterable[Collection]
) -> Mapping[int, list[tuple[CollectionItem, Repository | None]]]:
    """The items that the caller may read, in order, by the number of the collection."""
    found: dict[int, list[tuple[CollectionItem, Repository | None]]] = {each.id: [] for each in collections}
    rows = session.execute(
        sa.select(CollectionItem, Repository)
        .outerjoin(Repository, Repository.id == CollectionItem.repository_id)
        .where(CollectionItem.collection_id.in_(sorted(found)))
        .order_by(CollectionItem.collection_id, CollectionItem.position, CollectionItem.id)
    )
    for item, repository in rows:
        if may(principal, "read", repository) if repository is not None else _may_see(session, principal, item):
            found[item.collection_id].append((item, repository))
    return found


def find_item(session: Session, collection: Collection, uid: str) -> CollectionItem | None:
    """An item by its id, if it is in this collection."""
    return session.scalars(
        sa.select(CollectionItem).where(CollectionItem.collection_id == collection.id, CollectionItem.uid == uid)
    ).one_or_none()


def add_item(
    session: Session,
    collection: Collection,
    *,
    repository: Repository | None = None,
    reference: dict[str, Any] | None = None,
    note: str | None = None,
) -> CollectionItem | None:
    """Put a repository, or a thing by its ``reference`` (type and id), at the end; None when it is in already."""
    there = _in_order(session, collection)
    for item in there:
        same = item.repository_id == repository.id if repository is not None else item.reference == reference
        if same:
            return None
    made = CollectionItem(
        uid=new_uid(),
        collection_id=collection.id,
        repository_id=None if repository is None else repository.id,
        reference=reference or {},
        note=note,
        position=len(there),
    )
    session.add(made)
    _changed(session, collection)
    return made


def place(session: Session, collection: Collection, item: CollectionItem, position: int) -> None:
    """Move an item to a place; those behind it make room."""
    order = [each for each in _in_order(session, collection) if each.id != item.id]
    order.insert(max(0, min(position, len(order))), item)
    _number(order)
    _changed(session, collection)


def remove_item(session: Session, collection: Collection, item: CollectionItem) -> None:
    """Take an item out."""
    session.delete(item)
    _changed(session, collection)
    _number(_in_order(session, collection))


def retitle(collection: Collection, title: str) -> None:
    """Give a collection another title; its slug follows, and the old one still finds it."""
    collection.title = title
    collection.slug = _slug(title, collection.uid)


def _with_items(session: Session, principal: Principal, items: Sequence[tuple[str, str]]) -> list[int]:
    found: set[int] = set()
    for kind, name in items:
        chosen = sa.select(Repository).where(Repository.type == kind, Repository.folded == fold(name))
        repository = session.scalars(chosen).one_or_none()
        # A repository that the caller may not know of is in no collection for them.
        if repository is not None and may(principal, "read", repository):
            found.update(
                session.scalars(
                    sa.select(CollectionItem.collection_id).where(CollectionItem.repository_id == repository.id)
                )
            )
        elif repository is None:
            mine = sa.select(CollectionItem).where(CollectionItem.repository_id.is_(None))
            named = CollectionItem.reference["id"].as_string() == name
            found.update(
                each.collection_id for each in session.scalars(mine.where(named)) if each.reference["type"] == kind
            )
    return sorted(found)


def _may_see(session: Session, principal: Principal, item: CollectionItem) -> bool:
    """Whether a thing that is no repository is to be shown: a paper, or a collection that the caller may see."""
    if item.reference.get("type") != "collection":
        return True
    return find_collection(session, principal, *item.reference["id"].split("/")) is not None


def _in_order(session: Session, collection: Collection) -> list[CollectionItem]:
    chosen = sa.select(CollectionItem).where(CollectionItem.collection_id == collection.id)
    return list(session.scalars(chosen.order_by(CollectionItem.position, CollectionItem.id)))


def _number(items: Sequence[CollectionItem]) -> None:
    for position, item in enumerate(items):
        item.position = position


def _changed(session: Session, collection: Collection) -> None:
    collection.updated_at = now()
    session.flush()


def _words(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60].strip("-")


def _slug(title: str, uid: str) -> str:
    words = _words(title)
    return f"{words}-{uid}" if words else uid
