"""The names that large files have in the Xet protocol."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.schema import Link, Repository, XetFile

__all__ = ["xet_hashes"]

_AT_ONCE = 500


def xet_hashes(session: Session, repository: Repository, sha256s: Iterable[str]) -> dict[str, str]:
    """For those large files of a repository that came by Xet, the hash string readers ask for them by."""
    wanted = sorted(set(sha256s))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        rows = session.execute(
            sa.select(XetFile.sha256, sa.func.min(XetFile.hash))
            .join(Link, Link.sha256 == XetFile.sha256)
            .where(Link.repository_id == repository.id, XetFile.sha256.in_(wanted[start : start + _AT_ONCE]))
            .group_by(XetFile.sha256)
        )
        found.update((sha256, hash) for sha256, hash in rows)
    return found
