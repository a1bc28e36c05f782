"""Refs: where they point, and moving them only if nobody else has."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records import scan_queue
from enfold.hub.records.errors import RefMoved
from enfold.hub.records.schema import LandedCommit, RefMove, RefRecord, Repository, now

__all__ = ["MAIN", "head_of", "landed", "move_ref", "note_landed", "ref_of", "refs_of"]

MAIN = "refs/heads/main"
"""The branch every repository has."""


def ref_of(session: Session, repository: Repository, name: str) -> RefRecord | None:
    """A ref by its full name."""
    return session.get(RefRecord, (repository.id, name))


def head_of(session: Session, repository: Repository, name: str = MAIN) -> str | None:
    """The commit a ref points to, or None when there is no such ref."""
    chosen = sa.select(RefRecord.commit).where(RefRecord.repository_id == repository.id, RefRecord.name == name)
    return session.scalars(chosen).one_or_none()


def refs_of(session: Session, repository: Repository, prefix: str = "refs/") -> list[RefRecord]:
    """The refs whose names start with ``prefix``, by name."""
    chosen = sa.select(RefRecord).where(RefRecord.repository_id == repository.id)
    if prefix != "refs/":
        chosen = chosen.where(RefRecord.name.startswith(prefix, autoescape=True))
    return list(session.scalars(chosen.order_by(RefRecord.name)))


def move_ref(
    session: Session,
    repository: Repository,
    name: str,
    old: str | None,
    new: str | None,
    *,
    commit: str | None = None,
    actor_id: int | None = None,
    reason: str,
) -> None:
    """Move a ref from one object to another, make it (``old=None``) or delete it (``new=None``): compare and swap.

    Belongs in the transaction that links the large files of the new commit. The objects must be on the disk by then.

    Args:
        session: a writing transaction.
        repository: whose ref it is.
        name: full name, such as ``refs/heads/main``.
        old: the object it has to point to for the move to happen.
        new: the object it is to point to.
        commit: the commit behind ``new``, when that is a tag object.
        actor_id: the user who moves it.
        reason: what moves it, such as ``commit`` or ``push``.

    Raises:
        RefMoved: it points to another object; nothing was changed.
    """
    mine = (RefRecord.repository_id == repository.id) & (RefRecord.name == name)
    if old is None:
        if ref_of(session, repository, name) is not None:
            raise _moved(session, repository, name, old)
        assert new is not None, "a ref is moved from something or to something"
        session.add(RefRecord(repository_id=repository.id, name=name, target=new, commit=commit or new))
        try:
            session.flush()
        except sa.exc.IntegrityError:  # two made it at once; the transaction is lost
            session.rollback()
            raise RefMoved(name, old, "another commit") from None
    else:
        if new is None:
            statement: Any = sa.delete(RefRecord).where(mine, RefRecord.target == old)
        else:
            statement = (
                sa.update(RefRecord)
                .where(mine, RefRecord.target == old)
                .values(target=new, commit=commit or new, updated_at=now())
            )
        result = cast(
            "sa.CursorResult[Any]", session.execute(statement, execution_options={"synchronize_session": False})
        )
        if result.rowcount != 1:
            raise _moved(session, repository, name, old)
    session.add(RefMove(repository_id=repository.id, name=name, old=old, new=new, actor_id=actor_id, reason=reason))
    session.execute(sa.update(Repository).where(Repository.id == repository.id).values(updated_at=now()))
    if new is not None:
        scan_queue.ask(session, repository, commit or new, None if commit else old)


def landed(session: Session, repository: Repository, digest: str, *, since: datetime) -> str | None:
    """The commit that was made for a request of this digest, if one was acknowledged after ``since``."""
    found = session.get(LandedCommit, (repository.id, digest))
    return found.commit if found is not None and found.at >= since else None


def note_landed(session: Session, repository: Repository, digest: str, commit: str) -> None:
    """Remember which commit a request led to, in the transaction that moves the ref."""
    session.merge(LandedCommit(repository_id=repository.id, digest=digest, commit=commit, at=now()))


def _moved(session: Session, repository: Repository, name: str, expected: str | None) -> RefMoved:
    session.expire_all()
    found = ref_of(session, repository, name)
    return RefMoved(name, expected, None if found is None else found.target)
