"""A hub out of a backup: into an empty root, as another store, and read whole before it counts.

The restored store has another id, so that clients forget what they believe to be in it, and another signing key, so
that addresses and tokens which the first one signed open nothing.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from enfold.errors import ServiceError, SettingsError
from enfold.hub.records import HubRoot, Records
from enfold.hub.records.root import FORMAT
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState
from enfold.hub.store.spool import full_disk_named, make_folder, sync_folder
from enfold.hub.upkeep.backing_up import blobs_of
from enfold.hub.upkeep.backup_files import BackupReader, backup_reader
from enfold.hub.upkeep.dumps import load, snapshot
from enfold.hub.upkeep.verifying import verify

__all__ = ["restore"]


def restore(backup: Path, root: Path, *, database: str | None = None, blobs: str | None = None) -> Iterator[str]:
    """Restore a backup; a line for each fault that is found in the restored hub.

    Nothing serves the root before everything of the backup is in it.

    Args:
        backup: a folder or an archive.
        root: an empty or a missing folder.
        database: address of a database without a hub, instead of a file in the root.
        blobs: address of an object store for large content, instead of the root.

    Raises:
        SettingsError: the root or the database is not empty, or the backup is none or is damaged.
        ServiceError: a format is newer than this version reads, or something cannot be written.
    """
    reader = backup_reader(backup)
    if reader.manifest["root"] > FORMAT:
        raise ServiceError(
            f"{backup} holds a root of format {reader.manifest['root']}, newer than {FORMAT}, the newest that this "
            "version reads; upgrade Enfold: pip install --upgrade enfold"
        )
    planned = HubRoot.planned(root)
    settings = HubSettings(root=root, database=database, blobs=blobs, reserve_bytes=0)
    with full_disk_named(planned.path):
        _load_records(reader, planned, database or planned.database, str(backup))
        state = HubState(planned, settings, Records(database or planned.database))
        try:
            _copy_packs(reader, planned)
            yield from _copy_blobs(reader, state)
            yield from verify(state)
            planned.settle()
        finally:
            state.close()


def _load_records(reader: BackupReader, root: HubRoot, database: str | Path, name: str) -> None:
    about = reader.manifest["records"]
    file = root.tmp / f"records-{secrets.token_hex(8)}"
    digest = hashlib.sha256()
    try:
        with file.open("xb") as out:
            for piece in reader.open(about["file"]):
                digest.update(piece)
                out.write(piece)
        if digest.hexdigest() != about["sha256"]:
            raise SettingsError(f"{about['file']} in {name} is damaged; take an earlier backup")
        load(file, database, name)
    finally:
        file.unlink(missing_ok=True)


def _copy_packs(reader: BackupReader, root: HubRoot) -> None:
    folders = set()
    for name in reader.names("repos/"):
        file = root.path / name
        make_folder(file.parent)
        with file.open("xb") as out:
            for piece in reader.open(name):
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        file.chmod(0o444)
        folders.add(file.parent)
    for folder in folders:
        sync_folder(folder)


def _copy_blobs(reader: BackupReader, state: HubState) -> Iterator[str]:
    with snapshot(state.records.database) as connection:
        keys = blobs_of(connection)
    there = set(reader.names("blobs/"))
    for key in keys:
        if f"blobs/{key}" not in there:
            yield f"blob {key} is not in the backup"
            continue
        with state.blobs.create(key) as writer:
            for piece in reader.open(f"blobs/{key}"):
                writer.write(piece)
            writer.commit()
