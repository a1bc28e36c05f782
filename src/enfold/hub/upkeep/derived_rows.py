"""What the records keep although it follows from other things, made again: for `reindex`, and to compare with.

Derived are: the columns and the tags of a repository that its head gives, the text that search looks through, the sum
of its large files, its likes; the chunks of xorbs that clients ask for; and the index of changed paths, a file beside
the git objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.errors import EnfoldError
from enfold.hub.records import refs, search
from enfold.hub.records.schema import (
    LargeFileRecord,
    Like,
    Link,
    Repository,
    RepositoryTag,
    XetChunk,
    XetTerm,
    XorbRecord,
)
from enfold.hub.server import derived
from enfold.hub.server.state import HubState
from enfold.hub.store.xet_files import queryable_chunks
from enfold.hub.xet import XorbIndex

__all__ = ["rebuild_chunks", "rebuild_repository", "reindex", "stray_rows"]

_TRIES = 20
_COLUMNS = (
    "sha",
    "card",
    "config",
    "safetensors",
    "parameters",
    "library_name",
    "pipeline_tag",
    "sdk",
    "tags",
    "used_storage",
    "likes",
)


class _Undone(Exception):
    """Takes back what a transaction wrote."""


def reindex(state: HubState) -> Iterator[str]:
    """Make everything derived again; a line for each thing that was not as it should be.

    No server may run meanwhile.

    Raises:
        ServiceError: one does.
    """
    with state.root.only_server():
        for repository in _repositories(state):
            for name in rebuild_repository(state, repository, keep=True):
                yield f"{repository.type} {repository.full_name}: {name} was made again"
            with state.records.read() as session:
                tips = [ref.commit for ref in refs.refs_of(session, repository, "refs/heads/")]
            state.changed_paths(repository).rebuild(tips)
        for xorb in _xorbs(state):
            if rebuild_chunks(state, xorb, keep=True):
                yield f"xorb {xorb}: its chunks were written down again"
        with state.records.write() as session:
            for statement in _stray().values():
                session.execute(statement)


def rebuild_repository(state: HubState, repository: Repository, *, keep: bool) -> list[str]:
    """Make again what is derived of a repository; the names of what changed.

    Args:
        state: the hub.
        repository: which.
        keep: whether the result stays. Otherwise it is taken back, and what was found is all that is wanted.
    """
    store = state.objects(repository)
    for _ in range(_TRIES):
        with state.records.read() as session:
            head = refs.head_of(session, repository)
        facts = None if head is None else derived.read(store, store.commit(head).tree, state)
        before: dict[str, str] = {}
        after: dict[str, str] = {}
        try:
            with state.records.write() as session:
                mine = session.get(Repository, repository.id)
                if mine is None:
                    return []
                if refs.head_of(session, mine) != head:
                    continue
                before = _kept(session, mine)
                if head is not None and facts is not None:
                    derived.write(session, mine, head, facts)
                mine.used_storage = _used(session, mine)
                mine.likes = _likes(session, mine)
                session.flush()
                after = _kept(session, mine)
                if not keep:
                    raise _Undone
        except _Undone:
            pass
        return [name for name, value in after.items() if before[name] != value]
    raise EnfoldError(f"{repository.full_name} is written to all the time; try again later")


def rebuild_chunks(state: HubState, xorb: str, *, keep: bool) -> bool:
    """Write down again which chunks of a xorb clients may ask for; whether anything changed.

    Raises:
        MissingBlob, DamagedBlob: the xorb cannot be read.
    """
    index = state.xorbs.index(xorb)
    with state.records.read() as session:
        changed = _differing_chunks(session, xorb, index)
    if not any(changed) or not keep:
        return any(changed)
    with state.records.write() as session:
        lacking, stray = _differing_chunks(session, xorb, index)
        for chunk in stray:
            mine = sa.and_(XetChunk.xorb_hash == xorb, XetChunk.chunk_hash == chunk)
            session.execute(sa.delete(XetChunk).where(mine))
        session.add_all(XetChunk(chunk_hash=chunk, xorb_hash=xorb) for chunk in lacking)
    return True


def stray_rows(session: Session) -> list[str]:
    """The derived tables that hold rows of things which are gone."""
    return [name for name, statement in _stray().items() if _count(session, statement)]


def _differing_chunks(session: Session, xorb: str, index: XorbIndex) -> tuple[set[str], set[str]]:
    """Which chunks lack in the records, and which are there for no reason."""
    terms = session.execute(
        sa.select(XetTerm.first_chunk, XetTerm.end_chunk, sa.func.min(XetTerm.position))
        .where(XetTerm.xorb_hash == xorb)
        .group_by(XetTerm.first_chunk, XetTerm.end_chunk)
    ).all()
    wanted: set[str] = set()
    for first, end, position in terms:
        wanted |= queryable_chunks(index, first, end, begins_file=position == 0)
    kept = set(session.scalars(sa.select(XetChunk.chunk_hash).where(XetChunk.xorb_hash == xorb)))
    return wanted - kept, kept - wanted


def _kept(session: Session, repository: Repository) -> dict[str, str]:
    """The derived values of a repository as texts that can be compared."""
    session.expire(repository)
    found: dict[str, Any] = {name: getattr(repository, name) for name in _COLUMNS}
    tags = sa.select(RepositoryTag.tag).where(RepositoryTag.repository_id == repository.id)
    found["the tags that listings filter by"] = sorted(session.scalars(tags))
    text = sa.select(search.TABLE.c.text).where(search.TABLE.c.rowid == repository.id)
    found["the text that search finds"] = list(session.scalars(text))
    return {name: json.dumps(value, sort_keys=True) for name, value in found.items()}


def _used(session: Session, repository: Repository) -> int:
    sizes = sa.select(sa.func.coalesce(sa.func.sum(LargeFileRecord.size), 0))
    return int(
        session.scalar(
            sizes.join(Link, Link.sha256 == LargeFileRecord.sha256).where(Link.repository_id == repository.id)
        )
        or 0
    )


def _likes(session: Session, repository: Repository) -> int:
    return int(session.scalar(sa.select(sa.func.count()).where(Like.repository_id == repository.id)) or 0)


def _stray() -> dict[str, Any]:
    there = sa.select(Repository.id)
    return {"repository_search": sa.delete(search.TABLE).where(search.TABLE.c.rowid.not_in(there))}


def _count(session: Session, statement: Any) -> int:
    counted = sa.select(sa.func.count()).select_from(statement.table).where(statement.whereclause)
    return int(session.scalar(counted) or 0)


def _repositories(state: HubState) -> list[Repository]:
    with state.records.read() as session:
        return list(session.scalars(sa.select(Repository).order_by(Repository.id)))


def _xorbs(state: HubState) -> list[str]:
    with state.records.read() as session:
        return list(session.scalars(sa.select(XorbRecord.hash).where(XorbRecord.dead_at.is_(None))))
