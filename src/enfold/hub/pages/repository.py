"""The page of a repository: its card, what is known of it, and the lines to use it by. And the pages of accounts."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from enfold.hub.pages.browsing import Opened, open_repository
from enfold.hub.pages.card import render_card
from enfold.hub.pages.collecting import mine
from enfold.hub.pages.page import Here, Page, PageRoute
from enfold.hub.pages.using import lines_for
from enfold.hub.records import accounts, collections
from enfold.hub.records.cards import CardFault, card_text, read_card
from enfold.hub.records.listing import Listing, page_of
from enfold.hub.records.schema import Account
from enfold.hub.server.paths import KINDS
from enfold.hub.store import trees

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LONGEST_CARD = 1_000_000
_OF_AN_ACCOUNT = 60
_COLLECTIONS = 5


@router.get("/{place:place}")
def show(page: Here, place: str) -> Response:
    """A repository's card, or what an account has."""
    if "/" not in place:
        with page.state.records.read() as session:
            account = accounts.find_account(session, place)
        if account is not None and account.kind != "model":
            return _account(page, account)
    opened = open_repository(page, place)
    fault, html = _card(opened)
    with page.state.records.read() as session:
        this = (opened.repository.type, opened.repository.full_name)
        found_in = collections.collections_of(session, page.principal, items=[this], limit=_COLLECTIONS)
    return page.render(
        "card.html.j2",
        opened=opened,
        tab="card",
        fault=fault,
        card=html,
        uses=lines_for(opened.repository, page.base),
        found_in=found_in,
        collections=mine(page),
    )


def _card(opened: Opened) -> tuple[str | None, str | None]:
    """What is wrong with the header of the card, and the card as HTML; None where there is none."""
    commit = opened.repository.sha
    if commit is None:
        return None, None
    entry = trees.find_entry(opened.store, opened.store.commit(commit).tree, b"README.md")
    if entry is None or entry.mode >> 12 != 0o10 or opened.store.size(entry.oid) > _LONGEST_CARD:
        return None, None
    readme = opened.store.blob(entry.oid).decode("utf-8", "replace")
    try:
        read_card(readme)
        fault = None
    except CardFault as error:
        fault = str(error)
    html = render_card(card_text(readme), files=opened.address("view", "main"), pages=opened.address("blob", "main"))
    return fault, html


def _account(page: Page, account: Account) -> Response:
    lists = {}
    with page.state.records.read() as session:
        for kind, type in KINDS.items():
            asked = Listing(type=type, author=account.name, sort="lastModified", limit=_OF_AN_ACCOUNT)
            lists[kind] = page_of(session, page.principal, asked).repositories
        people = (
            accounts.members_of(session, account.id)
            if account.kind == "org"
            else accounts.organizations_of(session, account.id)
        )
        listed = collections.collections_of(session, page.principal, owners=[account.name], limit=1)
    role = page.principal.roles.get(account.id)
    return page.render(
        "account.html.j2",
        account=account,
        lists=lists,
        people=people,
        has_collections=bool(listed),
        may_change=account.kind == "org" and (page.principal.is_admin or role == "admin"),
    )
