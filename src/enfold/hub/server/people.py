"""Accounts and texts by people, as answers show them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.schema import Account

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

__all__ = ["accounts_by_id", "avatar", "rendered", "shown_author", "shown_user"]

_TAGS = frozenset(
    "a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i li ol p pre s strong table tbody td th thead tr ul".split()
)


def accounts_by_id(session: Session, ids: Iterable[int | None]) -> dict[int, Account]:
    """The accounts of these numbers; those that are gone are missing."""
    wanted = sorted({each for each in ids if each is not None})
    found: dict[int, Account] = {}
    for start in range(0, len(wanted), 500):
        rows = session.scalars(sa.select(Account).where(Account.id.in_(wanted[start : start + 500])))
        found.update((account.id, account) for account in rows)
    return found


def avatar(base: str, account: Account) -> str:
    """The address of an account's picture."""
    return account.avatar_url or f"{base}/avatars/{account.name}.svg"


def shown_author(base: str, account: Account) -> dict[str, Any]:
    """An author of something."""
    return {
        "_id": account.uid,
        "type": account.kind,
        "name": account.name,
        "fullname": account.full_name,
        "avatarUrl": avatar(base, account),
        "isPro": False,
    }


def shown_user(base: str, account: Account) -> dict[str, Any]:
    """A user in a list of users."""
    return {
        "user": account.name,
        "fullname": account.full_name,
        "avatarUrl": avatar(base, account),
        "type": "user",
        "isPro": False,
    }


def rendered(text: str) -> str:
    """Markdown of a comment as HTML that is safe to show: no HTML of its author's own, no images, plain links."""
    import nh3

    html: str = _markdown().render(text)
    return nh3.clean(html, tags=set(_TAGS), attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto"})


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False, "maxNesting": 30}).enable(["table", "strikethrough"])
