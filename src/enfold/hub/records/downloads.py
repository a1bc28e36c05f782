"""How often repositories are downloaded, by day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.schema import Download, Repository

__all__ = ["add_downloads"]

_DAYS = 30


def add_downloads(session: Session, counts: Mapping[int, int], day: date) -> None:
    """Add downloads of a day to what is known, by the ids of repositories; those that are gone are passed over.

    A repository's ``downloads`` are those of the last 30 days, as listings show them.
    """
    there = session.scalars(sa.select(Repository.id).where(Repository.id.in_(sorted(counts))))
    for repository_id in there.all():
        insert_if_absent(session, Download, repository_id=repository_id, day=day, count=0)
        mine = sa.and_(Download.repository_id == repository_id, Download.day == day)
        session.execute(sa.update(Download).where(mine).values(count=Download.count + counts[repository_id]))
        recent = sa.select(sa.func.coalesce(sa.func.sum(Download.count), 0)).where(
            Download.repository_id == repository_id, Download.day > day - timedelta(days=_DAYS)
        )
        session.execute(
            sa.update(Repository)
            .where(Repository.id == repository_id)
            .values(
                downloads=recent.scalar_subquery(),
                downloads_all_time=Repository.downloads_all_time + counts[repository_id],
            )
        )
