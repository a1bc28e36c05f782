"""Discussions and pull requests: reading them, opening a discussion, commenting, correcting, closing, merging.

What is allowed, and what happens, is decided by the functions behind the API's routes, which these pages call.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import Response

from enfold.hub.pages.browsing import Opened, open_repository
from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.history import PatchLine, lines_of
from enfold.hub.pages.page import REFUSALS, Here, Page, PageRoute, SignedInHere, told
from enfold.hub.records.permissions import may
from enfold.hub.server.access import Access
from enfold.hub.server.errors import HubError
from enfold.hub.server.routes import discussions

__all__ = ["router"]

_BY_HAND = """git fetch origin refs/pr/{number}:pr-{number}
git switch pr-{number}
git merge origin/{branch}
git push origin pr-{number}:refs/pr/{number}"""
"""How a conflict is resolved: ``git merge`` stops at the files, which are put right and committed."""

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LONGEST = 65_536
_PER_PAGE = 50
_MOST_LINES = 6000
_LAST_PAGE = 10**6
_LAST = 2**31
_STATUSES = {"all": "All", "open": "Open ones", "closed": "Closed ones"}
_TYPES = {"all": "Of both kinds", "discussion": "Discussions", "pull_request": "Pull requests"}


@router.get("/{place:place}/discussions")
def list_page(page: Here, place: str, p: int = 0, status: str = "all", type: str = "all") -> Response:
    """Discussions and pull requests, the newest first; of a status or a type alone."""
    opened = open_repository(page, place)
    number = min(max(p, 0), _LAST_PAGE)
    chosen = (status if status in _STATUSES else "all", type if type in _TYPES else "all")
    found = discussions.list_discussions(
        page.request,
        _access(opened),
        page.state,
        p=number,
        status=chosen[0],  # type: ignore[arg-type]
        type=chosen[1],  # type: ignore[arg-type]
    )
    more = found["count"] > (number + 1) * _PER_PAGE
    return page.render(
        "discussions.html.j2",
        opened=opened,
        tab="discussions",
        found=found["discussions"],
        number=number,
        more=more,
        statuses=_STATUSES,
        types=_TYPES,
        chosen=chosen,
    )


@router.get("/{place:place}/discussions/new")
def new_page(page: SignedInHere, place: str) -> Response:
    """The form for a new discussion."""
    opened = open_repository(page, place, "discuss")
    return page.render("new_discussion.html.j2", opened=opened, tab="discussions", title="", words="", fault=None)


@router.post("/{place:place}/discussions/new")
def new(page: SignedInHere, form: Form, place: str) -> Response:
    """Open a discussion."""
    opened = open_repository(page, place, "discuss")
    title, words = text(form, "title", longest=300), text(form, "words", longest=_LONGEST)
    try:
        body = discussions.NewDiscussion(title=title, description=words)
        made = discussions.open_one(page.request, body, _access(opened), page.state)
    except (*REFUSALS, ValidationError) as fault:
        return page.render(
            "new_discussion.html.j2",
            status=422,
            opened=opened,
            tab="discussions",
            title=title,
            words=words,
            fault=told(fault),
        )
    return page.go(f"/{opened.place}/discussions/{made['num']}")


@router.get("/{place:place}/discussions/{number:int}")
def show(page: Here, place: str, number: int) -> Response:
    """One discussion with all that was said, and what a pull request changes."""
    return _show(page, open_repository(page, place), number, None)


@router.post("/{place:place}/discussions/{number:int}")
def act(page: SignedInHere, form: Form, place: str, number: int) -> Response:
    """Comment, correct, hide, rename, close, open again, or merge: what the field ``do`` says."""
    opened = open_repository(page, place, "discuss")
    access, what = _access(opened), text(form, "do")
    words = text(form, "words", longest=_LONGEST)
    _check(number)
    try:
        if what == "comment":
            discussions.comment(page.request, number, discussions.NewComment(comment=words), access, page.state)
        elif what in ("open", "closed"):
            status = discussions.NewStatus(status=what, comment=words or None)  # type: ignore[arg-type]
            discussions.change_status(page.request, number, status, access, page.state)
        elif what == "edit":
            corrected = discussions.NewText(content=words)
            discussions.edit_comment(page.request, number, text(form, "comment"), corrected, access, page.state)
        elif what == "hide":
            discussions.hide_comment(page.request, number, text(form, "comment"), access, page.state)
        elif what == "rename":
            title = discussions.NewTitle(title=text(form, "title"))
            discussions.change_title(page.request, number, title, access, page.state)
        elif what == "merge":
            opened.need("write")
            discussions.merge(number, access, page.state, discussions.Merge(comment=words or None))
        else:
            raise HubError(422, "The form does not say what to do.")
    except (*REFUSALS, ValidationError) as fault:
        return _show(page, opened, number, told(fault))
    return page.go(f"/{opened.place}/discussions/{number}")


def _show(page: Page, opened: Opened, number: int, fault: str | None) -> Response:
    _check(number)
    found = discussions.details(page.request, number, _access(opened), page.state, diff=True)
    lines: list[PatchLine] = []
    if found.get("diff"):
        lines = list(lines_of(found["diff"].encode("utf-8", "replace")))
    principal = page.principal
    author = found.get("author", {}).get("name")
    branch = found.get("changes", {}).get("base", "").removeprefix("refs/heads/")
    return page.render(
        "discussion.html.j2",
        status=200 if fault is None else 422,
        opened=opened,
        tab="discussions",
        found=found,
        base=found.get("changes", {}).get("base", ""),
        merged_as=found.get("changes", {}).get("mergeCommitId"),
        lines=lines[:_MOST_LINES],
        cut=len(lines) > _MOST_LINES,
        conflicts=found.get("filesWithConflicts") or [],
        by_hand=_BY_HAND.format(number=number, branch=branch),
        may_comment=may(principal, "discuss", opened.repository) and not opened.repository.discussions_disabled,
        may_close=not principal.is_anonymous and (opened.may_write or author == principal.name),
        fault=fault,
    )


def _access(opened: Opened) -> Access:
    return Access(opened.repository, opened.principal)


def _check(number: int) -> None:
    if not 1 <= number < _LAST:
        raise HubError(404, "There is no such discussion.")
