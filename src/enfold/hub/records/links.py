"""Which repository may use which large file, and where the bytes of one lie.

A file is stored once, whoever sent it. A repository may use it only if it is *linked*: the bytes came with a token
for this repository, or somebody who may read a linked repository copied it. An unlinked file is answered exactly like
one that is not stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.errors import ServiceError
from enfold.hub.records.errors import NotKnown
from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.quotas import check_quota
from enfold.hub.records.schema import ExtentRecord, LargeFileRecord, Link, Repository, XetFile, XetTerm, XorbRecord, now
from enfold.hub.store.blobs import Blobs
from enfold.hub.store.extents import Extent, LargeFile

__all__ = [
    "WentMeanwhile",
    "is_linked",
    "large_file",
    "link",
    "linked",
    "name_large_files",
    "put_arrived",
    "put_large_file",
]

_AT_ONCE = 500


class WentMeanwhile(ServiceError):
    """What arrived was removed by a clean-up before it was written down: it has to be sent once more."""


def is_linked(session: Session, repository: Repository, sha256: str) -> bool:
    """Whether a repository may use a large file."""
    return session.get(Link, (repository.id, sha256)) is not None


def linked(session: Session, repository: Repository, sha256s: Iterable[str]) -> dict[str, int]:
    """Those of the large files that a repository may use, with their sizes."""
    wanted = sorted(set(sha256s))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        rows = session.execute(
            sa.select(LargeFileRecord.sha256, LargeFileRecord.size)
            .join(Link, Link.sha256 == LargeFileRecord.sha256)
            .where(Link.repository_id == repository.id, Link.sha256.in_(wanted[start : start + _AT_ONCE]))
        )
        found.update((sha256, size) for sha256, size in rows)
    return found


def large_file(session: Session, sha256: str) -> LargeFile | None:
    """A large file and where its bytes lie, whoever may use it; ask :func:`is_linked` first."""
    record = session.get(LargeFileRecord, sha256)
    if record is None or record.dead_at is not None:
        return None
    rows = session.execute(
        sa.select(ExtentRecord.blob_key, ExtentRecord.start, ExtentRecord.length)
        .where(ExtentRecord.sha256 == sha256)
        .order_by(ExtentRecord.position)
    )
    return LargeFile(sha256, record.size, tuple(Extent(*row) for row in rows))


def put_large_file(session: Session, file: LargeFile) -> None:
    """Write down a large file that is whole on the disk; one that is known already keeps its own extents."""
    moment = now()
    known = None
    while not insert_if_absent(
        session, LargeFileRecord, sha256=file.sha256, size=file.size, created_at=moment, named_at=moment
    ):
        known = session.get(LargeFileRecord, file.sha256, with_for_update=True, populate_existing=True)
        if known is not None:  # else a clean-up has just taken the row away
            break
    if known is not None:
        known.named_at = moment
        if known.dead_at is None:
            return
        known.dead_at = None
        session.execute(sa.delete(ExtentRecord).where(ExtentRecord.sha256 == file.sha256))
    session.add_all(
        ExtentRecord(
            sha256=file.sha256, position=position, blob_key=extent.blob, start=extent.start, length=extent.length
        )
        for position, extent in enumerate(file.extents)
    )


def put_arrived(session: Session, file: LargeFile, blobs: Blobs) -> None:
    """Write down a large file whose bytes arrived a moment ago.

    A clean-up may have been removing the same bytes just then. It does so while it holds the file's row, so that, once
    this transaction has the row, either the bytes are there or they are gone for good.

    Raises:
        WentMeanwhile: they are gone; the transaction must not go on.
    """
    put_large_file(session, file)
    session.flush()
    kept = large_file(session, file.sha256)
    if kept is None or not all(blobs.exists(extent.blob) for extent in kept.extents if extent in file.extents):
        raise WentMeanwhile(f"the large file {file.sha256} was removed by a clean-up while it arrived; send it again")


def link(session: Session, repository: Repository, sha256s: Sequence[str], *, by_id: int | None) -> None:
    """Let a repository use large files that are stored.

    Raises:
        NotKnown: one is not stored.
        OverQuota: the account may not keep so much; the transaction must not go on.
    """
    added = []
    for sha256 in sorted(set(sha256s)):
        # Locked, so that a clean-up cannot find it without a link meanwhile; in order, so that no two wait in a circle.
        record = session.get(LargeFileRecord, sha256, with_for_update=True, populate_existing=True)
        if record is None or record.dead_at is not None:
            raise NotKnown(f"the large file {sha256} is not stored")
        record.named_at = now()
        link = {"repository_id": repository.id, "sha256": sha256, "by_id": by_id, "created_at": now()}
        if insert_if_absent(session, Link, **link):
            added.append(record.size)
    if added:
        check_quota(session, repository, added)
        mine = sa.update(Repository).where(Repository.id == repository.id)
        session.execute(mine.values(used_storage=Repository.used_storage + sum(added)))


def name_large_files(session: Session, repository: Repository) -> None:
    """Note that the large files of a repository, and the xorbs they are made of, were in use until now.

    So a clean-up that began before leaves them to the next one: clients may have been told of them meanwhile.
    """
    mine = sa.select(Link.sha256).where(Link.repository_id == repository.id)
    made_of = (
        sa.select(XetTerm.xorb_hash).join(XetFile, XetFile.hash == XetTerm.file_hash).where(XetFile.sha256.in_(mine))
    )
    unloaded = {"synchronize_session": False}
    session.execute(
        sa.update(LargeFileRecord).where(LargeFileRecord.sha256.in_(mine)).values(named_at=now()),
        execution_options=unloaded,
    )
    session.execute(
        sa.update(XorbRecord).where(XorbRecord.hash.in_(made_of)).values(named_at=now()), execution_options=unloaded
    )
