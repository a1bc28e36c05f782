"""Removing large content that nothing uses any more, beside a running server.

A client may believe that a piece is here and refer to it without sending it. What it believes is bound to the address
of the store, which holds the *generation*, and to a token. So a clean-up raises the generation, waits until the last
token of the earlier one has ended, and removes what nobody has linked or named since it began:

- *begin* notes the moment and raises the generation;
- the wait is as long as the tokens that were really given out are good, so on a quiet hub there is none;
- *sweep* marks rows dead, each in a transaction that looks once more at whether it is used, and then removes the bytes
  of dead rows, each under the lock of its row. Who sends the same bytes just then looks, under the same lock, whether
  they are still there.

A clean-up that was killed goes on where it was: the moment is in the records, and so is what is dead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.errors import ServiceError
from enfold.hub.records import xet_tokens
from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.schema import (
    ExtentRecord,
    LargeFileRecord,
    Link,
    Repository,
    Setting,
    XetChunk,
    XetFile,
    XetTerm,
    XorbOwner,
    XorbRecord,
    now,
)
from enfold.hub.server.state import HubState
from enfold.hub.store.blobs import BlobInfo, DamagedBlob, MissingBlob
from enfold.hub.store.xorbs import xorb_key
from enfold.hub.upkeep.derived_rows import rebuild_chunks
from enfold.hub.upkeep.exclusive import alone

__all__ = ["DAY", "Begun", "Collected", "begin", "seconds_to_wait", "sweep"]

DAY = 24 * 3600.0
"""After so many seconds what arrived and was never written down counts as abandoned."""
_SETTING = "clean-up"
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Begun:
    """A clean-up that has begun: what was unused before ``at`` may go when the tokens of ``wait_until`` have ended."""

    at: datetime
    wait_until: int


@dataclass(slots=True)
class Collected:
    """What a clean-up removed."""

    files: int = 0
    xorbs: int = 0
    bytes: int = 0
    repositories: int = 0
    """Folders of repositories that are gone."""
    uploads: int = 0
    """What interrupted uploads had left."""


def begin(state: HubState) -> Begun:
    """Note the moment and raise the generation; one that was begun and not ended is gone on with.

    Raises:
        ServiceError: another clean-up or a backup is at work.
    """
    with alone(state.root, state.records.database, "a clean-up"):
        with state.records.read() as session:
            kept = session.get(Setting, _SETTING)
        if kept is None:
            moment = now()
            state.root.raise_generation()
            # After it was raised: whoever was given an address of the generation before has noted its token's end.
            with state.records.write() as session:
                value = {"at": moment.isoformat(), "wait_until": xet_tokens.last_end(session)}
                kept = Setting(name=_SETTING, value=value)
                session.add(kept)
        return Begun(datetime.fromisoformat(kept.value["at"]), int(kept.value["wait_until"]))


def seconds_to_wait(begun: Begun) -> float:
    """How long the last token of the generation before is still good."""
    return max(0.0, begun.wait_until - time.time())


def sweep(state: HubState, begun: Begun, *, abandoned_seconds: float = DAY) -> Collected:
    """Remove what nothing uses and nobody named since the clean-up began; the wait must be over.

    Raises:
        ServiceError: it is not over.
    """
    if seconds_to_wait(begun):
        raise ServiceError("tokens of the generation before are still good; end the clean-up when they have ended")
    done = Collected()
    with alone(state.root, state.records.database, "a clean-up", wait=True):
        oldest = time.time() - abandoned_seconds
        _note_unknown_blobs(state, oldest)
        touched = _mark_files(state, begun)
        _mark_xorbs(state, begun)
        for xorb in sorted(touched):
            with suppress(MissingBlob, DamagedBlob):  # what is dead by now
                rebuild_chunks(state, xorb, keep=True)
        _remove_files(state, done)
        _remove_xorbs(state, done)
        _remove_second_copies(state, done)
        _remove_folders(state, oldest, done)
        done.uploads = state.blobs.spool.remove_abandoned(abandoned_seconds)
        with state.records.write() as session:
            session.execute(sa.delete(Setting).where(Setting.name == _SETTING))
    return done


# Marking -----------------------------------------------------------------------------------------------------------


def _mark_files(state: HubState, begun: Begun) -> set[str]:
    """Mark the unused files dead; the xorbs that they were made of."""
    unused = sa.and_(
        LargeFileRecord.dead_at.is_(None),
        LargeFileRecord.named_at < begun.at,
        ~sa.select(Link.sha256).where(Link.sha256 == LargeFileRecord.sha256).exists(),
    )
    touched: set[str] = set()
    while True:
        with state.records.write() as session:
            dead = _mark(session, LargeFileRecord, LargeFileRecord.sha256, unused)
            if not dead:
                return touched
            names = list(session.scalars(sa.select(XetFile.hash).where(XetFile.sha256.in_(dead))))
            touched.update(session.scalars(sa.select(XetTerm.xorb_hash).where(XetTerm.file_hash.in_(names)).distinct()))
            session.execute(sa.delete(XetTerm).where(XetTerm.file_hash.in_(names)))
            session.execute(sa.delete(XetFile).where(XetFile.hash.in_(names)))


def _mark_xorbs(state: HubState, begun: Begun) -> None:
    alive = sa.select(LargeFileRecord.sha256).where(LargeFileRecord.dead_at.is_(None))
    unused = sa.and_(
        XorbRecord.dead_at.is_(None),
        XorbRecord.named_at < begun.at,
        ~sa.select(XetTerm.xorb_hash).where(XetTerm.xorb_hash == XorbRecord.hash).exists(),
        ~sa.select(ExtentRecord.sha256)
        .where(ExtentRecord.blob_key == XorbRecord.blob_key, ExtentRecord.sha256.in_(alive))
        .exists(),
    )
    while True:
        with state.records.write() as session:
            dead = _mark(session, XorbRecord, XorbRecord.hash, unused)
            if not dead:
                return
            session.execute(sa.delete(XetChunk).where(XetChunk.xorb_hash.in_(dead)))
            session.execute(sa.delete(XorbOwner).where(XorbOwner.hash.in_(dead)))


def _mark(session: Session, table: Any, key: Any, unused: sa.ColumnElement[bool]) -> list[str]:
    """Mark some rows dead, if they are unused at this very moment; their keys.

    A writer who has one of the rows locked is waited for, and has named it by then.
    """
    some = list(session.scalars(sa.select(key).where(unused).order_by(key).limit(_AT_ONCE)))
    marking = sa.update(table).where(key.in_(some), unused).values(dead_at=now()).returning(key)
    return list(session.scalars(marking, execution_options={"synchronize_session": False})) if some else []


def _note_unknown_blobs(state: HubState, oldest: float) -> None:
    """Write blobs that no row knows down as dead: what a killed process had put there and never wrote down."""
    for prefix, table in (("file", LargeFileRecord), ("xorb", XorbRecord), ("xorb-index", XorbRecord)):
        for some in _pages(state, prefix, oldest):
            names = [blob.key.rpartition("/")[2] for blob in some]
            with state.records.read() as session:
                key: Any = LargeFileRecord.sha256 if table is LargeFileRecord else XorbRecord.hash
                known = set(session.scalars(sa.select(key).where(key.in_(names))))
            unknown = [(name, blob) for name, blob in zip(names, some, strict=True) if name not in known]
            if not unknown:
                continue
            with state.records.write() as session:
                for name, blob in unknown:
                    moment = {"created_at": now(), "named_at": now(), "dead_at": now()}
                    if table is LargeFileRecord:
                        insert_if_absent(session, LargeFileRecord, sha256=name, size=blob.size, **moment)
                    else:
                        facts = {"blob_key": xorb_key(name), "length": 0, "received": 0, "chunks": 0}
                        insert_if_absent(session, XorbRecord, hash=name, **facts, **moment)


def _pages(state: HubState, prefix: str, oldest: float) -> Iterator[list[BlobInfo]]:
    page: list[BlobInfo] = []
    for blob in state.blobs.list(prefix):
        if blob.modified < oldest:
            page.append(blob)
        if len(page) == _AT_ONCE:
            yield page
            page = []
    if page:
        yield page


# Removing ----------------------------------------------------------------------------------------------------------


def _remove_files(state: HubState, done: Collected) -> None:
    while True:
        with state.records.write() as session:
            dead = _dead(session, LargeFileRecord)
            if not dead:
                return
            for row in dead:
                key = f"file/{row.sha256[:2]}/{row.sha256}"
                if state.blobs.exists(key):
                    done.bytes += state.blobs.size(key)
                state.blobs.delete(key)
                session.execute(sa.delete(ExtentRecord).where(ExtentRecord.sha256 == row.sha256))
                session.delete(row)
                done.files += 1


def _remove_xorbs(state: HubState, done: Collected) -> None:
    while True:
        with state.records.write() as session:
            dead = _dead(session, XorbRecord)
            if not dead:
                return
            for row in dead:
                if state.blobs.exists(row.blob_key):
                    done.bytes += state.blobs.size(row.blob_key)
                state.xorbs.delete(row.hash)
                session.delete(row)
                done.xorbs += 1


def _dead(session: Session, table: Any) -> list[Any]:
    """Some dead rows, locked: nobody brings them back to life before the transaction has ended."""
    key = sa.inspect(table).primary_key[0]
    chosen = sa.select(table).where(table.dead_at.is_not(None)).order_by(key).limit(_AT_ONCE)
    return list(session.scalars(chosen.with_for_update()))


def _remove_second_copies(state: HubState, done: Collected) -> None:
    """Remove bytes that came a second time, for a file that is kept in other extents."""
    for some in _pages(state, "file", time.time()):
        keys = {blob.key.rpartition("/")[2]: blob for blob in some}
        with state.records.write() as session:
            chosen = sa.select(LargeFileRecord).where(
                LargeFileRecord.sha256.in_(keys), LargeFileRecord.dead_at.is_(None)
            )
            rows = session.scalars(chosen.order_by(LargeFileRecord.sha256).with_for_update()).all()
            used = set(
                session.scalars(
                    sa.select(ExtentRecord.blob_key).where(ExtentRecord.blob_key.in_([blob.key for blob in some]))
                )
            )
            for row in rows:
                blob = keys[row.sha256]
                if blob.key not in used:
                    state.blobs.delete(blob.key)
                    done.bytes += blob.size


def _remove_folders(state: HubState, oldest: float, done: Collected) -> None:
    """Remove the git objects of repositories that are gone, or were never made."""
    for folder in (state.root.path / "repos").glob("*/*"):
        if folder.stat().st_mtime > oldest:
            continue
        with state.records.read() as session:
            known = session.scalar(sa.select(Repository.id).where(Repository.uid == folder.name))
        if known is None:
            state.root.remove_repository(folder.name)
            done.repositories += 1
