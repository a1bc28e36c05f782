"""A copy of a hub that is as the hub was at one moment, made beside a running server.

The records are read in one snapshot. Whatever they name was durable before they named it, and nothing of it goes while
the backup runs: a clean-up is kept away, and where packs are put together, their objects are in the new one. Only a
repository that is deleted meanwhile takes its packs along: then the snapshot is taken again.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from enfold import __version__
from enfold.errors import ServiceError
from enfold.hub.records.root import FORMAT
from enfold.hub.records.schema import ExtentRecord, LargeFileRecord, Repository, XorbRecord
from enfold.hub.server.state import HubState
from enfold.hub.upkeep.backup_files import BACKUP_FORMAT, BackupWriter, backup_writer, read_pieces
from enfold.hub.upkeep.dumps import Dumped, dump, snapshot
from enfold.hub.upkeep.exclusive import alone

__all__ = ["BackedUp", "back_up", "blobs_of"]

_TRIES = 10


@dataclass(slots=True)
class BackedUp:
    """What a backup holds, and what of it was new."""

    repositories: int = 0
    blobs: int = 0
    rows: int = 0
    new_bytes: int = 0
    names: set[str] = field(default_factory=set)


class _Deleted(Exception):
    """A repository went while it was copied."""


def back_up(state: HubState, path: Path) -> BackedUp:
    """Back a hub up into a folder, to which only what is new is copied, or into one archive (``.tar``).

    Raises:
        SettingsError: the path holds something else, or the backup of another hub.
        ServiceError: a clean-up or another backup is at work, or something cannot be read.
    """
    with alone(state.root, state.records.database, "a backup"):
        writer = backup_writer(path, state.root.store)
        records = state.root.tmp / f"records-{secrets.token_hex(8)}"
        try:
            for _ in range(_TRIES):
                done = BackedUp()
                dumped, uids, keys = _dump(state, records)
                with suppress(_Deleted):
                    for uid in uids:
                        _copy_packs(state, uid, writer, done)
                    break
            else:
                raise ServiceError("packs of a repository are not there; `enfold hub verify` says which")
            for key in keys:
                _copy_blob(state, key, writer, done)
            _finish(state, writer, records, dumped, done)
            return done
        finally:
            records.unlink(missing_ok=True)
            writer.abandon()


def blobs_of(connection: sa.Connection) -> list[str]:
    """The keys of all blobs that the records name."""
    alive = sa.select(LargeFileRecord.sha256).where(LargeFileRecord.dead_at.is_(None))
    extents = sa.select(ExtentRecord.blob_key).where(ExtentRecord.sha256.in_(alive)).distinct()
    keys = set(connection.scalars(extents))
    for name, key in connection.execute(
        sa.select(XorbRecord.hash, XorbRecord.blob_key).where(XorbRecord.dead_at.is_(None))
    ):
        keys |= {key, f"xorb-index/{name[:2]}/{name}"}
    return sorted(keys)


def _dump(state: HubState, file: Path) -> tuple[Dumped, list[str], list[str]]:
    format = state.records.database.found_format() or ""
    with snapshot(state.records.database) as connection:
        uids = sorted(connection.scalars(sa.select(Repository.uid)))
        keys = blobs_of(connection)
        return dump(connection, format, file), uids, keys


def _copy_packs(state: HubState, uid: str, writer: BackupWriter, done: BackedUp) -> None:
    folder = state.root.repository(uid) / "packs"
    for _ in range(_TRIES):
        if not folder.is_dir():
            raise _Deleted
        names: set[str] = set()
        try:
            for index in sorted(folder.glob("pack-*.idx")):
                for file in (index.with_suffix(".pack"), index):
                    name = f"repos/{uid[:2]}/{uid}/packs/{file.name}"
                    with file.open("rb") as source:
                        _add(writer, name, file.stat().st_size, source, done)
                    names.add(name)
        except FileNotFoundError:
            continue  # packs were put together meanwhile: what it held is in another one now
        done.names |= names
        done.repositories += 1
        return
    raise ServiceError(f"the packs of {folder.parent.name} change faster than they can be copied; try again later")


def _copy_blob(state: HubState, key: str, writer: BackupWriter, done: BackedUp) -> None:
    name, size = f"blobs/{key}", state.blobs.size(key)
    if not writer.has(name, size):
        writer.add(name, size, state.blobs.open_range(key, 0, size))
        done.new_bytes += size
    done.names.add(name)
    done.blobs += 1


def _add(writer: BackupWriter, name: str, size: int, source: object, done: BackedUp) -> None:
    if not writer.has(name, size):
        writer.add(name, size, read_pieces(source))
        done.new_bytes += size


def _finish(state: HubState, writer: BackupWriter, records: Path, dumped: Dumped, done: BackedUp) -> None:
    moment = datetime.now(UTC)
    name = f"records-{moment:%Y%m%dT%H%M%S%fZ}.jsonl.gz"
    with records.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        source.seek(0)
        writer.add(name, records.stat().st_size, read_pieces(source))
    done.names.add(name)
    done.rows = dumped.rows
    manifest = {
        "backup": BACKUP_FORMAT,
        "made_at": moment.isoformat(timespec="seconds"),
        "enfold": __version__,
        "store": state.root.store,
        "root": FORMAT,
        "records": {"file": name, "sha256": digest, "format": dumped.format, "rows": dumped.rows},
        "repositories": done.repositories,
        "blobs": done.blobs,
    }
    writer.finish(manifest, done.names)
