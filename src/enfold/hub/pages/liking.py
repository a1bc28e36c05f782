"""Likes: giving one, taking it back, and who likes a repository."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from enfold.hub.pages.browsing import open_repository
from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import Here, PageRoute, SignedInHere
from enfold.hub.records import likes
from enfold.hub.server.access import Access
from enfold.hub.server.routes import likes as answers

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_PER_PAGE = 200


@router.post("/{place:place}/like")
def like(page: SignedInHere, form: Form, place: str) -> Response:
    """Like a repository, or with ``do=unlike`` no longer."""
    opened = open_repository(page, place, "discuss")
    change = answers.unlike if text(form, "do") == "unlike" else answers.like
    change(Access(opened.repository, page.principal), page.state)
    return page.go(f"/{opened.place}")


@router.get("/{place:place}/likers")
def likers(page: Here, place: str, after: int = 0) -> Response:
    """Who likes it."""
    opened = open_repository(page, place)
    with page.state.records.read() as session:
        found = likes.likers_of(session, opened.repository, after=max(after, 0), limit=_PER_PAGE + 1)
    people = found[:_PER_PAGE]
    more = people[-1].id if len(found) > _PER_PAGE else None
    return page.render("likers.html.j2", opened=opened, tab="card", people=people, after=more)
