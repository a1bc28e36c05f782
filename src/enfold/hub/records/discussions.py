"""Discussions and pull requests: their numbers, what is said in them, and what becomes of them.

Both are numbered in one row for each repository. The description is the first comment. A comment keeps its earlier
texts, until it is hidden: then none of them is kept. What was pushed to a pull request is not written down here: the
moves of its ref tell it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.accounts import new_uid
from enfold.hub.records.names import fold
from enfold.hub.records.schema import Account, Discussion, DiscussionEvent, RefMove, Repository, now

__all__ = [
    "HIDDEN",
    "comment",
    "edit",
    "event_of",
    "events_of",
    "find_discussion",
    "hide",
    "moves_of",
    "open_discussion",
    "page_of",
    "ref_moved_to",
    "ref_name",
    "rename",
    "set_status",
]

Status = Literal["draft", "open", "closed", "merged"]
HIDDEN = "This comment has been hidden"
"""What stands in place of a hidden comment."""


def ref_name(number: int) -> str:
    """The ref of a pull request."""
    return f"refs/pr/{number}"


def open_discussion(
    session: Session,
    repository: Repository,
    author_id: int | None,
    title: str,
    description: str,
    *,
    status: Status = "open",
    base: str | None = None,
) -> Discussion:
    """Begin a discussion under the next number, or a pull request into the branch ``base``.

    Args:
        session: a writing transaction, in which the ref of a pull request is made too.
        repository: what it is about.
        author_id: who begins it.
        title: what it is called.
        description: the first comment.
        status: ``open``, or ``draft`` for a pull request that is not ready.
        base: full name of the branch that a pull request is to be merged into.
    """
    number = session.execute(
        sa.update(Repository)
        .where(Repository.id == repository.id)
        .values(last_discussion=Repository.last_discussion + 1)
        .returning(Repository.last_discussion)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    made = Discussion(
        repository_id=repository.id,
        number=number,
        title=title,
        status=status,
        is_pull_request=base is not None,
        author_id=author_id,
        base=base,
    )
    session.add(made)
    session.flush()
    comment(session, made, author_id, description)
    return made


def find_discussion(
    session: Session, repository: Repository, number: int, *, for_update: bool = False
) -> Discussion | None:
    """The discussion or pull request of that number; locked against other writers with ``for_update``."""
    if not 0 < number < 2**31:
        return None
    return session.get(Discussion, (repository.id, number), with_for_update=for_update or None)


def page_of(
    session: Session,
    repository: Repository,
    *,
    pull_requests: bool | None = None,
    open_ones: bool | None = None,
    author: str | None = None,
    start: int,
    limit: int,
) -> tuple[list[tuple[Discussion, Account | None]], int]:
    """Discussions with their authors, newest first, and how many there are in all.

    Args:
        session: a transaction.
        repository: whose.
        pull_requests: only these, or only discussions.
        open_ones: only those that are open or drafts, or only those that are closed or merged.
        author: only those of this user.
        start: leave out so many.
        limit: at most so many.
    """
    conditions = [Discussion.repository_id == repository.id]
    if pull_requests is not None:
        conditions.append(Discussion.is_pull_request == pull_requests)
    if open_ones is not None:
        conditions.append(Discussion.status.in_(("open", "draft") if open_ones else ("closed", "merged")))
    if author is not None:
        conditions.append(
            Discussion.author_id == sa.select(Account.id).where(Account.folded == fold(author)).scalar_subquery()
        )
    count = session.scalar(sa.select(sa.func.count()).select_from(Discussion).where(*conditions)) or 0
    rows = session.execute(
        sa.select(Discussion, Account)
        .outerjoin(Account, Account.id == Discussion.author_id)
        .where(*conditions)
        .order_by(Discussion.number.desc())
        .offset(start)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows], count


def events_of(session: Session, discussion: Discussion) -> Sequence[DiscussionEvent]:
    """What was said and changed, oldest first."""
    return session.scalars(
        sa.select(DiscussionEvent)
        .where(DiscussionEvent.repository_id == discussion.repository_id, DiscussionEvent.number == discussion.number)
        .order_by(DiscussionEvent.id)
    ).all()


def moves_of(session: Session, discussion: Discussion) -> Sequence[RefMove]:
    """The moves of a pull request's ref, oldest first."""
    return session.scalars(
        sa.select(RefMove)
        .where(RefMove.repository_id == discussion.repository_id, RefMove.name == ref_name(discussion.number))
        .order_by(RefMove.id)
    ).all()


def ref_moved_to(session: Session, repository: Repository, commit: str) -> str | None:
    """The pull request's ref that was moved to a commit last, if one was."""
    return session.scalars(
        sa.select(RefMove.name)
        .where(RefMove.repository_id == repository.id, RefMove.new == commit, RefMove.name.startswith("refs/pr/"))
        .order_by(RefMove.id.desc())
        .limit(1)
    ).first()


def event_of(session: Session, discussion: Discussion, uid: str) -> DiscussionEvent | None:
    """A comment by its id, if it is one of this discussion."""
    return session.scalars(
        sa.select(DiscussionEvent).where(
            DiscussionEvent.uid == uid,
            DiscussionEvent.repository_id == discussion.repository_id,
            DiscussionEvent.number == discussion.number,
            DiscussionEvent.kind == "comment",
        )
    ).one_or_none()


def comment(session: Session, discussion: Discussion, author_id: int | None, text: str) -> DiscussionEvent:
    """Say something."""
    discussion.comments = (discussion.comments or 0) + 1
    return _happened(session, discussion, author_id, "comment", {"versions": [_version(author_id, text)]})


def edit(session: Session, discussion: Discussion, event: DiscussionEvent, author_id: int | None, text: str) -> None:
    """Give a comment another text; the one before is kept."""
    event.data = {**event.data, "versions": [*event.data["versions"], _version(author_id, text)]}
    discussion.updated_at = now()


def hide(session: Session, discussion: Discussion, event: DiscussionEvent) -> None:
    """Hide a comment; none of its texts is kept."""
    last = {**event.data["versions"][-1], "raw": HIDDEN, "at": _moment()}
    event.data = {**event.data, "hidden": True, "versions": [last]}
    discussion.updated_at = now()


def rename(session: Session, discussion: Discussion, author_id: int | None, title: str) -> DiscussionEvent:
    """Give a discussion another title."""
    before, discussion.title = discussion.title, title
    return _happened(session, discussion, author_id, "title-change", {"from": before, "to": title})


def set_status(session: Session, discussion: Discussion, author_id: int | None, status: Status) -> DiscussionEvent:
    """Open, close or merge; what a change needs is checked before."""
    discussion.status = status
    return _happened(session, discussion, author_id, "status-change", {"status": status})


def _happened(
    session: Session, discussion: Discussion, author_id: int | None, kind: str, data: dict[str, Any]
) -> DiscussionEvent:
    discussion.updated_at = now()
    event = DiscussionEvent(
        uid=new_uid(),
        repository_id=discussion.repository_id,
        number=discussion.number,
        kind=kind,
        author_id=author_id,
        data=data,
    )
    session.add(event)
    session.flush()
    return event


def _version(author_id: int | None, text: str) -> dict[str, Any]:
    return {"raw": text, "at": _moment(), "by": author_id}


def _moment() -> str:
    return now().isoformat()
