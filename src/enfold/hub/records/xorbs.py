"""Xorbs and the files made of them: who may refer to which, and what a token of a repository may read.

A xorb is stored once, whoever sent it. A user may refer to it only if they sent it themselves, or if a file that a
repository they may download from uses it. Any other is answered exactly like one that is not here, by every route.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records import links
from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.permissions import downloadable
from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import Link, Repository, XetChunk, XetFile, XetTerm, XorbOwner, XorbRecord, now
from enfold.hub.store.xet_files import XetFile as ProvedFile
from enfold.hub.xet import Term, UnknownXorb, XorbIndex

__all__ = ["holders", "note_files", "note_xorb", "proved", "sha256_of", "terms_in", "usable"]

_AT_ONCE = 500
_HOLDERS = 4


def note_xorb(session: Session, name: str, index: XorbIndex, *, blob: str, received: int, sender: Principal) -> bool:
    """Write down a xorb that is whole on the disk, and who sent it; whether it is new to them.

    To somebody who may not use it, a xorb that is here already is as new as any.
    """
    assert sender.account_id is not None, "somebody sent it"
    moment = now()
    is_new = not usable(session, sender, [name])
    facts = {"blob_key": blob, "length": index.size, "received": received, "chunks": len(index)}
    again = sa.update(XorbRecord).where(XorbRecord.hash == name).values(named_at=moment, dead_at=None, **facts)
    # A clean-up may take the row away between the two.
    while not insert_if_absent(session, XorbRecord, hash=name, created_at=moment, named_at=moment, **facts):
        if session.execute(again.returning(XorbRecord.hash)).first() is not None:
            break
    insert_if_absent(session, XorbOwner, user_id=sender.account_id, hash=name, created_at=moment)
    return is_new


def usable(session: Session, principal: Principal, names: Iterable[str]) -> set[str]:
    """Those of the xorbs that ``principal`` may refer to."""
    found: set[str] = set()
    for some in _parts(names):
        alive = sa.select(XorbRecord.hash).where(XorbRecord.hash.in_(some), XorbRecord.dead_at.is_(None))
        found.update(session.scalars(alive.where(_may_use(principal))))
    return found


def proved(session: Session, principal: Principal, file_hash: str) -> str | None:
    """The sha256 of a Xet file, if it was proved before and ``principal`` may download it somewhere."""
    chosen = (
        sa.select(XetFile.sha256)
        .join(Link, Link.sha256 == XetFile.sha256)
        .join(Repository, Repository.id == Link.repository_id)
        .where(XetFile.hash == file_hash, downloadable(principal))
    )
    return session.scalars(chosen.limit(1)).first()


def note_files(session: Session, files: Sequence[ProvedFile], repository: Repository, *, sender: Principal) -> None:
    """Write down proved files and link them to the repository whose token they came with.

    Raises:
        UnknownXorb: a xorb went away meanwhile.
    """
    for some in _parts({term.xorb for file in files for term in file.terms}):
        mine = (XorbRecord.hash.in_(some)) & XorbRecord.dead_at.is_(None)
        kept = set(session.scalars(sa.update(XorbRecord).where(mine).values(named_at=now()).returning(XorbRecord.hash)))
        for gone in set(some) - kept:
            raise UnknownXorb(f"the shard refers to xorb {gone}, which was not uploaded here; upload it first")
    for file in files:
        links.put_large_file(session, file.content)
        session.flush()
        if insert_if_absent(session, XetFile, hash=file.hash, sha256=file.content.sha256):
            session.execute(
                sa.insert(XetTerm),
                [
                    {
                        "file_hash": file.hash,
                        "position": position,
                        "xorb_hash": term.xorb,
                        "first_chunk": term.start,
                        "end_chunk": term.end,
                        "length": term.length,
                    }
                    for position, term in enumerate(file.terms)
                ],
            )
            for chunk, xorb in file.queryable:
                insert_if_absent(session, XetChunk, chunk_hash=chunk, xorb_hash=xorb)
    links.link(session, repository, [file.content.sha256 for file in files], by_id=sender.account_id)


def terms_in(session: Session, repository_id: int, file_hash: str) -> list[Term]:
    """What a Xet file is made of, if the repository is linked to it; else nothing."""
    chosen = (
        sa.select(XetTerm.xorb_hash, XetTerm.first_chunk, XetTerm.end_chunk, XetTerm.length)
        .join(XetFile, XetFile.hash == XetTerm.file_hash)
        .join(Link, Link.sha256 == XetFile.sha256)
        .where(XetTerm.file_hash == file_hash, Link.repository_id == repository_id)
        .order_by(XetTerm.position)
    )
    return [Term(*row) for row in session.execute(chosen)]


def sha256_of(session: Session, file_hash: str) -> str | None:
    """The sha256 of the content that a Xet file is."""
    found = session.get(XetFile, file_hash)
    return None if found is None else found.sha256


def holders(session: Session, principal: Principal, chunk_hash: str) -> list[str]:
    """A few xorbs that hold a chunk, of those that a file uses which ``principal`` may download.

    Others are not named, not even to who sent them: a clean-up may be about to remove them.
    """
    chosen = (
        sa.select(XetChunk.xorb_hash)
        .join(XorbRecord, XorbRecord.hash == XetChunk.xorb_hash)
        .where(XetChunk.chunk_hash == chunk_hash, XorbRecord.dead_at.is_(None), _in_use(principal))
        .order_by(XorbRecord.chunks.desc(), XorbRecord.hash)
    )
    return list(session.scalars(chosen.limit(_HOLDERS)))


def _may_use(principal: Principal) -> sa.ColumnElement[bool]:
    """Whether the xorb of the row of `XorbRecord` is one that ``principal`` may refer to."""
    used = _in_use(principal)
    if principal.account_id is None:
        return used
    sent = sa.select(XorbOwner.hash).where(XorbOwner.hash == XorbRecord.hash, XorbOwner.user_id == principal.account_id)
    return sa.or_(sent.correlate(XorbRecord).exists(), used)


def _in_use(principal: Principal) -> sa.ColumnElement[bool]:
    """Whether a file uses the xorb of the row of `XorbRecord` that ``principal`` may download."""
    return (
        sa.select(XetTerm.xorb_hash)
        .join(XetFile, XetFile.hash == XetTerm.file_hash)
        .join(Link, Link.sha256 == XetFile.sha256)
        .join(Repository, Repository.id == Link.repository_id)
        .where(XetTerm.xorb_hash == XorbRecord.hash, downloadable(principal))
        .correlate(XorbRecord)
        .exists()
    )


def _parts(names: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(set(names))
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
