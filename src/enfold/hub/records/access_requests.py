"""Who asked to be let through the gate of a repository, and who was.

A gate is ``auto``, which lets in whoever asks and notes who that was, or ``manual``, where somebody who administers the
repository decides. The permissions read the accepted ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.accounts import new_uid
from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.schema import AccessRequest, Account, Repository, now

__all__ = ["ask", "grant", "handle", "page_of", "request_of", "request_with_uid"]

Status = Literal["pending", "accepted", "rejected"]


def request_of(session: Session, repository: Repository, user_id: int) -> AccessRequest | None:
    """What a user asked of a repository, or was granted."""
    return session.scalars(
        sa.select(AccessRequest).where(AccessRequest.repository_id == repository.id, AccessRequest.user_id == user_id)
    ).one_or_none()


def request_with_uid(session: Session, repository: Repository, uid: str) -> AccessRequest | None:
    """A request by its id, if it is one of this repository."""
    return session.scalars(
        sa.select(AccessRequest).where(AccessRequest.repository_id == repository.id, AccessRequest.uid == uid)
    ).one_or_none()


def ask(session: Session, repository: Repository, user_id: int, fields: Mapping[str, Any]) -> AccessRequest:
    """Ask to be let in; at an ``auto`` gate that is enough. Who has asked before keeps the answer they got."""
    accepted = repository.gated == "auto"
    insert_if_absent(
        session,
        AccessRequest,
        uid=new_uid(),
        repository_id=repository.id,
        user_id=user_id,
        status="accepted" if accepted else "pending",
        fields=dict(fields),
        asked=True,
        requested_at=now(),
        handled_at=now() if accepted else None,
    )
    found = request_of(session, repository, user_id)
    assert found is not None
    if accepted and found.status == "pending":  # asked while the gate was manual
        found.status, found.handled_at = "accepted", now()
    return found


def grant(session: Session, repository: Repository, user_id: int, *, by_id: int | None) -> bool:
    """Let a user in who need not have asked; whether they were not in already."""
    is_new = insert_if_absent(
        session,
        AccessRequest,
        uid=new_uid(),
        repository_id=repository.id,
        user_id=user_id,
        status="accepted",
        fields={},
        asked=False,
        requested_at=now(),
        handled_at=now(),
        handled_by=by_id,
    )
    found = request_of(session, repository, user_id)
    assert found is not None
    if not is_new and found.status == "accepted":
        return False
    handle(found, "accepted", by_id=by_id)
    return True


def handle(request: AccessRequest, status: Status, *, by_id: int | None, reason: str | None = None) -> None:
    """Decide on a request, or take a decision back."""
    request.status = status
    request.reason = reason if status == "rejected" else None
    request.handled_by = None if status == "pending" else by_id
    request.handled_at = None if status == "pending" else now()


def page_of(
    session: Session, repository: Repository, status: Status, *, after: int = 0, limit: int
) -> list[tuple[AccessRequest, Account]]:
    """The requests of a status with those who asked, oldest first, from behind the number ``after``."""
    rows = session.execute(
        sa.select(AccessRequest, Account)
        .join(Account, Account.id == AccessRequest.user_id)
        .where(AccessRequest.repository_id == repository.id, AccessRequest.status == status, AccessRequest.id > after)
        .order_by(AccessRequest.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]
