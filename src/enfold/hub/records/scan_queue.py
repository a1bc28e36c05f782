"""Which commits wait to be looked at: one row for each move of a ref, written in the transaction that moves it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.schema import Job, Repository, now

__all__ = ["Waiting", "ask", "done", "waiting"]

_KIND = "scan"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A commit whose files, and those of the commits between it and ``old``, were not all looked at yet."""

    job: int
    repository: int
    commit: str
    old: str | None


def ask(session: Session, repository: Repository, commit: str, old: str | None) -> None:
    """Let a commit be looked at; once more is no more than once."""
    insert_if_absent(
        session,
        Job,
        kind=_KIND,
        key=f"{repository.id} {commit}",
        arguments={"repository": repository.id, "commit": commit, "old": old},
        status="waiting",
        attempts=0,
        due_at=now(),
        created_at=now(),
    )


def waiting(session: Session, repository: Repository | None = None, *, limit: int = 50) -> list[Waiting]:
    """What waits, the oldest first; of one repository, or of all."""
    chosen = sa.select(Job).where(Job.kind == _KIND)
    if repository is not None:
        chosen = chosen.where(Job.key.startswith(f"{repository.id} "))
    found = session.scalars(chosen.order_by(Job.id).limit(limit))
    return [
        Waiting(each.id, each.arguments["repository"], each.arguments["commit"], each.arguments["old"])
        for each in found
    ]


def done(session: Session, job: int) -> None:
    """It was looked at."""
    session.execute(sa.delete(Job).where(Job.id == job))
