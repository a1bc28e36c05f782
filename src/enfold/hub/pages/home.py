"""The first page, and listings with search and filters."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from enfold.errors import SettingsError
from enfold.hub.pages.page import Here, Page, PageRoute
from enfold.hub.records.listing import Listing, page_of
from enfold.hub.server.paths import KINDS

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_TITLES = {"models": "Models", "datasets": "Data sets", "spaces": "Spaces"}
_SORTS = {
    "trendingScore": "Trending",
    "lastModified": "Changed last",
    "createdAt": "Newest",
    "downloads": "Most downloads",
    "likes": "Most likes",
}
_PER_PAGE = 30
_ON_FIRST_PAGE = 8


@router.get("/")
def home(page: Here) -> Response:
    """What changed last."""
    lists = {}
    with page.state.records.read() as session:
        for kind, type in KINDS.items():
            asked = Listing(type=type, sort="lastModified", limit=_ON_FIRST_PAGE)
            lists[kind] = page_of(session, page.principal, asked).repositories
    return page.render("home.html.j2", lists=lists, titles=_TITLES)


@router.get("/models")
def models(page: Here) -> Response:
    """Models."""
    return _listing(page, "models")


@router.get("/datasets")
def datasets(page: Here) -> Response:
    """Data sets."""
    return _listing(page, "datasets")


@router.get("/spaces")
def spaces(page: Here) -> Response:
    """Spaces."""
    return _listing(page, "spaces")


@router.get("/search")
def search(page: Here, q: str = "") -> Response:
    """Repositories of all kinds that a search finds."""
    lists = {}
    with page.state.records.read() as session:
        for kind, type in KINDS.items():
            asked = Listing(type=type, search=q[:200], sort="lastModified", limit=_PER_PAGE)
            lists[kind] = page_of(session, page.principal, asked).repositories
    return page.render("search.html.j2", q=q[:200], lists=lists, titles=_TITLES)


def _listing(page: Page, kind: str) -> Response:
    query = page.request.query_params
    asked = {name: query.get(name, "").strip()[:200] for name in ("q", "author", "task")}
    tags = [tag[:200] for tag in query.getlist("tag") if tag][:10]
    sort = query.get("sort", "trendingScore")
    listing = Listing(
        type=KINDS[kind],
        search=asked["q"],
        author=asked["author"] or None,
        tags=tags,
        pipeline_tag=asked["task"] or None,
        sort=sort if sort in _SORTS else "trendingScore",
        limit=_PER_PAGE,
        cursor=query.get("cursor"),
    )
    try:
        with page.state.records.read() as session:
            found = page_of(session, page.principal, listing)
    except SettingsError:  # a cursor of another listing
        return page.go(page.address_with(cursor=None))
    return page.render(
        "listing.html.j2", kind=kind, title=_TITLES[kind], asked=asked, tags=tags, sorts=_SORTS, sort=listing.sort,
        found=found.repositories, cursor=found.cursor,
    )  # fmt: skip
