"""What happened in the hub since one last looked, for those who want to be told.

Nothing is written for it: moves of refs, events of discussions and the audit log are each numbered in the order they
came, and a mark remembers how far they were read. So whatever changes a repository, by whatever route, is told of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.names import fold
from enfold.hub.records.schema import AuditEntry, Discussion, DiscussionEvent, RefMove, Repository, Setting, now

__all__ = ["Happening", "anything_new", "catch_up", "happened", "mark"]

SETTING = "webhooks"
_SOURCES: dict[str, Any] = {"refs": RefMove, "discussions": DiscussionEvent, "audit": AuditEntry}
_AT_ONCE = 500
_SETTLING = timedelta(seconds=5)
_AUDITED = {
    "repository.create": ("create", "repo"),
    "repository.duplicate": ("create", "repo"),
    "repository.delete": ("delete", "repo"),
    "repository.move": ("move", "repo"),
    "repository.settings": ("update", "repo.config"),
}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a repository; ``repository`` is None when it is gone."""

    at: datetime
    action: str
    scope: str
    type: str
    names: tuple[str, ...]
    """Its name, and the one it had before a move."""
    repository: Repository | None = None
    uid: str | None = None
    move: RefMove | None = None
    discussion: Discussion | None = None
    comment: DiscussionEvent | None = None

    @property
    def domain(self) -> str:
        """``repo`` or ``discussion``."""
        return self.scope.partition(".")[0]


def mark(session: Session) -> Setting:
    """The mark, locked against other readers; it is made at the first asking."""
    found = session.get(Setting, SETTING, with_for_update=True)
    if found is None:
        found = Setting(name=SETTING, value={})
        session.add(found)
        session.flush()
    return found


def catch_up(session: Session) -> None:
    """Take all that has happened as told."""
    found = mark(session)
    newest = {name: session.scalar(sa.select(sa.func.max(table.id))) or 0 for name, table in _SOURCES.items()}
    found.value = {**found.value, **newest}


def anything_new(session: Session) -> bool:
    """Whether there may be something that was not told of; cheap."""
    found = session.get(Setting, SETTING)
    read = {} if found is None else found.value
    return any(
        (session.scalar(sa.select(sa.func.max(table.id))) or 0) > read.get(name, 0) for name, table in _SOURCES.items()
    )


def happened(session: Session) -> list[Happening]:
    """What is new, and move the mark behind it, in one transaction with what is made of it."""
    found = mark(session)
    # Numbers are given out before transactions end. SQLite has one writer at a time; elsewhere a row with a smaller
    # number may still come, so nothing is read beyond the first row that is too new.
    settled = None if session.get_bind().dialect.name == "sqlite" else now() - _SETTLING
    told: list[Happening] = []
    read = dict(found.value)
    for name, table in _SOURCES.items():
        chosen = sa.select(table).where(table.id > read.get(name, 0)).order_by(table.id).limit(_AT_ONCE)
        rows = list(takewhile(lambda row: settled is None or _moment(row) < settled, session.scalars(chosen).all()))
        if rows:
            read[name] = rows[-1].id
            told += _READERS[name](session, rows)
    found.value = read
    return sorted(told, key=lambda each: each.at)


def _of_refs(session: Session, rows: Iterable[RefMove]) -> Iterable[Happening]:
    for move in rows:
        repository = session.get(Repository, move.repository_id)
        if repository is not None and move.reason not in ("create", "duplicate"):
            yield _about(repository, move.at, "update", "repo.content", move=move)


def _of_discussions(session: Session, rows: Iterable[DiscussionEvent]) -> Iterable[Happening]:
    for event in rows:
        repository = session.get(Repository, event.repository_id)
        discussion = session.get(Discussion, (event.repository_id, event.number))
        if repository is None or discussion is None:
            continue
        comment = event if event.kind == "comment" else None
        action, scope = ("create", "discussion.comment") if comment else ("update", "discussion")
        if comment is not None and _is_first(session, event):
            scope = "discussion"
        yield _about(repository, event.created_at, action, scope, discussion=discussion, comment=comment)


def _of_audit(session: Session, rows: Iterable[AuditEntry]) -> Iterable[Happening]:
    for entry in rows:
        if entry.action not in _AUDITED:
            continue
        action, scope = _AUDITED[entry.action]
        type, _, full_name = entry.subject.partition(" ")
        chosen = sa.select(Repository).where(Repository.type == type, Repository.folded == fold(full_name))
        repository = None if action == "delete" else session.scalars(chosen).one_or_none()
        if repository is None and action != "delete":
            continue  # gone or renamed again since: that is told of by itself
        before = entry.details.get("before") if action == "move" else None
        yield Happening(
            at=entry.at,
            action=action,
            scope=scope,
            type=type,
            names=(full_name, before) if isinstance(before, str) else (full_name,),
            repository=repository,
            uid=entry.details.get("uid"),
        )


def _moment(row: Any) -> datetime:
    moment: datetime = row.created_at if isinstance(row, DiscussionEvent) else row.at
    return moment


def _about(repository: Repository, at: datetime, action: str, scope: str, **more: Any) -> Happening:
    return Happening(at, action, scope, repository.type, (repository.full_name,), repository, repository.uid, **more)


def _is_first(session: Session, event: DiscussionEvent) -> bool:
    first = session.scalar(
        sa.select(sa.func.min(DiscussionEvent.id)).where(
            DiscussionEvent.repository_id == event.repository_id, DiscussionEvent.number == event.number
        )
    )
    return first == event.id


_READERS: dict[str, Any] = {"refs": _of_refs, "discussions": _of_discussions, "audit": _of_audit}
