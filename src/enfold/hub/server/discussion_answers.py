"""Discussions and their events as answers show them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from enfold.hub.records import discussions
from enfold.hub.records.schema import Account, Discussion, DiscussionEvent, Repository
from enfold.hub.server.pagination import moment
from enfold.hub.server.paths import RepositoryAddress
from enfold.hub.server.people import accounts_by_id, rendered, shown_author
from enfold.hub.server.pull_requests import changes_of, pushed_commits
from enfold.hub.store import ObjectStore

__all__ = ["shown_discussion", "shown_event", "shown_timeline"]


def shown_discussion(base: str, repository: Repository, found: Discussion, author: Account | None) -> dict[str, Any]:
    """A discussion without what was said."""
    place = RepositoryAddress(repository.type, repository.full_name).place  # type: ignore[arg-type]
    shown: dict[str, Any] = {
        "num": found.number,
        "title": found.title,
        "status": found.status,
        "isPullRequest": found.is_pull_request,
        "createdAt": moment(found.created_at),
        "numComments": found.comments,
        "repo": {"name": repository.full_name, "type": repository.type},
        "url": f"{base}/{place}/discussions/{found.number}",
    }
    if author is not None:
        shown["author"] = shown_author(base, author)
    return shown


def shown_event(base: str, session: Session, event: DiscussionEvent) -> dict[str, Any]:
    """One event."""
    return _event(base, event, accounts_by_id(session, _authors(event)))


def shown_timeline(
    base: str, session: Session, store: ObjectStore, repository: Repository, found: Discussion
) -> dict[str, Any]:
    """A discussion with its events, oldest first; a pull request's commits among them, as its ref tells."""
    events = discussions.events_of(session, found)
    moves = discussions.moves_of(session, found) if found.is_pull_request else []
    people = accounts_by_id(
        session,
        [found.author_id, *(each for event in events for each in _authors(event)), *(move.actor_id for move in moves)],
    )
    timeline: list[tuple[datetime, dict[str, Any]]] = [
        (event.created_at, _event(base, event, people)) for event in events
    ]
    for move, oid, commit in pushed_commits(store, moves):
        data = {"subject": commit.title, "oid": oid}
        timeline.append((move.at, _frame(base, oid[:24], "commit", move.at, people.get(move.actor_id or 0), data)))
    timeline.sort(key=lambda each: each[0])
    shown = shown_discussion(base, repository, found, people.get(found.author_id or 0))
    shown["events"] = [event for _, event in timeline]
    if found.is_pull_request:
        shown["changes"] = changes_of(found)
    return shown


def _authors(event: DiscussionEvent) -> list[int | None]:
    return [event.author_id, *(version["by"] for version in event.data.get("versions", ()))]


def _event(base: str, event: DiscussionEvent, people: Mapping[int, Account]) -> dict[str, Any]:
    data = event.data
    if event.kind == "comment":
        versions = [_version(base, each, people) for each in event.data["versions"]]
        data = {
            "edited": len(versions) > 1,
            "hidden": bool(event.data.get("hidden")),
            "latest": versions[-1],
            "history": versions[:-1],
            "numEdits": len(versions) - 1,
        }
    return _frame(base, event.uid, event.kind, event.created_at, people.get(event.author_id or 0), data)


def _frame(
    base: str, uid: str, kind: str, at: datetime, author: Account | None, data: dict[str, Any]
) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": uid, "type": kind, "createdAt": moment(at), "data": data}
    if author is not None:
        shown["author"] = shown_author(base, author)
    return shown


def _version(base: str, version: dict[str, Any], people: Mapping[int, Account]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "raw": version["raw"],
        "html": rendered(version["raw"]),
        "updatedAt": moment(datetime.fromisoformat(version["at"])),
    }
    author = people.get(version["by"] or 0)
    if author is not None:
        shown["author"] = shown_author(base, author)
    return shown
