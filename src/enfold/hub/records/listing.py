"""Listings: which repositories a caller sees, filtered, in order, page by page.

A page is cheap whatever the number of repositories. Public ones come in the order of an index, and so do those of
the caller's accounts; both are cut to one page before they are merged. A cursor holds the sort key and the number of
the last repository of a page, so that pages neither repeat nor skip when repositories come and go.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.errors import SettingsError, near
from enfold.hub.records import search
from enfold.hub.records.names import fold
from enfold.hub.records.permissions import readable_private
from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import Account, Repository, RepositoryTag

__all__ = ["SORTS", "Listing", "Page", "page_of"]

SORTS = {
    "createdAt": Repository.created_at,
    "created_at": Repository.created_at,
    "downloads": Repository.downloads,
    "lastModified": Repository.updated_at,
    "last_modified": Repository.updated_at,
    "likes": Repository.likes,
    "trendingScore": Repository.trending,
    "trending_score": Repository.trending,
}
"""What a listing may be sorted by, as requests spell it."""

_FEW, _MANY = 1000, 4000
"""What finds more than this is not collected: the rows are looked at one by one, in the order that is asked for. The
larger a page, the more rows are looked at until it is full, and the more is worth collecting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is asked of a listing."""

    type: str
    search: str = ""
    author: str | None = None
    tags: Sequence[str] = ()
    pipeline_tag: str | None = None
    gated: bool | None = None
    parameters: tuple[int | None, int | None] = (None, None)
    sort: str = "trendingScore"
    descending: bool = True
    limit: int = 1000
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, and the cursor of the next, if there is one."""

    repositories: list[Repository]
    cursor: str | None


def page_of(session: Session, principal: Principal, listing: Listing) -> Page:
    """The page of a listing that ``principal`` may see.

    Raises:
        SettingsError: there is no such sort, or the cursor is not one of ours.
    """
    if listing.sort not in SORTS:
        known = sorted(SORTS)
        raise SettingsError(f"cannot sort by {listing.sort!r}; by: {', '.join(known)}{near(listing.sort, known)}")
    key = SORTS[listing.sort]
    conditions, few = _conditions(session, listing)
    if listing.cursor is not None:
        after = sa.tuple_(key, Repository.id)
        last = sa.tuple_(*_read_cursor(listing.cursor, key))
        conditions.append(after < last if listing.descending else after > last)
    order = (key.desc(), Repository.id.desc()) if listing.descending else (key, Repository.id)
    wanted = listing.limit + 1

    def chosen(*more: sa.ColumnElement[bool]) -> list[Repository]:
        statement = sa.select(Repository).where(Repository.type == listing.type, *more, *conditions)
        return list(session.scalars(statement.order_by(*order).limit(wanted)))

    found = chosen(Repository.private == sa.false())
    private = readable_private(principal)
    if private is not None:
        if not (few or principal.is_admin):
            # Few among many that are private: the order of the listing would lead past all those of others.
            theirs = sa.select(Repository.id).where(Repository.type == listing.type, private)
            private, _ = _either(session, theirs, private, _MANY)
        found += chosen(Repository.private == sa.true(), private)
        found.sort(key=lambda each: (getattr(each, key.key), each.id), reverse=listing.descending)
    page = found[: listing.limit]
    return Page(page, _cursor(page[-1], key) if len(found) > listing.limit and page else None)


def _conditions(session: Session, listing: Listing) -> tuple[list[sa.ColumnElement[bool]], bool]:
    """What a listing asks for, and whether one of these conditions leaves few repositories by itself."""
    conditions: list[sa.ColumnElement[bool]] = []
    probed = _FEW if listing.limit < _FEW else _MANY
    few = False
    if listing.author:
        owner = sa.select(Account.id).where(Account.folded == fold(listing.author)).scalar_subquery()
        conditions.append(Repository.account_id == owner)
    for tag in [*listing.tags, *filter(None, [listing.pipeline_tag])]:
        tagged = sa.select(RepositoryTag.repository_id).where(RepositoryTag.tag == tag)
        has_it = tagged.where(RepositoryTag.repository_id == Repository.id).exists()
        condition, little = _either(session, tagged, has_it, probed)
        conditions.append(condition)
        few = few or little
    if listing.pipeline_tag:
        conditions.append(Repository.pipeline_tag == listing.pipeline_tag)
    if listing.gated is not None:
        conditions.append(Repository.gated.is_not(None) if listing.gated else Repository.gated.is_(None))
    least, most = listing.parameters
    if least is not None:
        conditions.append(Repository.parameters >= least)
    if most is not None:
        conditions.append(Repository.parameters <= most)
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    for group in search.split(search.words_of(listing.search)):
        found = search.found_by_index(group, listing.type, is_sqlite=is_sqlite)
        condition, little = _either(session, found, search.found_in_row(group), probed)
        conditions.append(condition)
        few = few or little
    return conditions, few


def _either(
    session: Session, by_index: sa.Select[Any], in_row: sa.ColumnElement[bool], probed: int
) -> tuple[sa.ColumnElement[bool], bool]:
    """Of two forms of one condition the cheap one: what an index found, if that is little (True), else row by row."""
    found = session.scalars(by_index.limit(probed)).all()
    if not found:
        return sa.false(), True  # an empty list of numbers would be held against every row
    return (Repository.id.in_(found), True) if len(found) < probed else (in_row, False)


def _cursor(last: Repository, key: Any) -> str:
    value = getattr(last, key.key)
    plain = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([plain, last.id]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, key: Any) -> tuple[Any, Any]:
    try:
        value, number = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(key.type, sa.types.TypeDecorator):
            value = datetime.fromisoformat(value)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(value)
        return sa.literal(value, key.type), sa.literal(int(number), sa.BigInteger())
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise SettingsError(f"{cursor[:100]!r} is no cursor of this listing; start again without it") from None
