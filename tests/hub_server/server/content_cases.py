"""What the tests of content share: large files that are there already, git itself, and commits as plain requests."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx2
from hub_on_loopback import Hub

from enfold.hub.records import links
from enfold.hub.records.repositories import find_repository
from enfold.hub.records.schema import Repository
from enfold.hub.store import LargeFile, LargeFiles, LocalBlobs

__all__ = ["Git", "commit", "put_large", "repository"]


def repository(hub: Hub, full_name: str, type: str = "model") -> Repository:
    """The row of a repository."""
    with hub.records.read() as session:
        found = find_repository(session, type, full_name)
    assert found is not None
    return found


def put_large(hub: Hub, full_name: str | None, data: bytes) -> str:
    """Store a large file and link it to a repository, as an upload does; its sha256."""
    sha256 = hashlib.sha256(data).hexdigest()
    with LargeFiles(LocalBlobs(hub.root / "blobs")).begin_upload(sha256, len(data)) as upload:
        upload.write(data)
        file: LargeFile = upload.commit()
    with hub.records.write() as session:
        links.put_large_file(session, file)
        if full_name is not None:
            found = find_repository(session, "model", full_name)
            assert found is not None
            links.link(session, found, [sha256], by_id=None)
    return sha256


def commit(
    hub: Hub,
    full_name: str,
    *operations: tuple[str, dict[str, Any]],
    user: str = "alice",
    revision: str = "main",
    query: str = "",
    **header: Any,
) -> httpx2.Response:
    """Commit by a plain request: operations are pairs of key and value."""
    first = {"summary": "change", "description": "", **header}
    lines = [("header", first), *operations]
    body = "\n".join(json.dumps({"key": key, "value": value}) for key, value in lines)
    path = f"/api/models/{full_name}/commit/{revision}{query}"
    return hub.ask("POST", path, user, content=body, headers={"Content-Type": "application/x-ndjson"})


class Git:
    """The real git on the objects of a repository, with its refs as the records have them."""

    def __init__(self, hub: Hub, full_name: str, folder: Path, type: str = "model") -> None:
        self.hub, self.full_name, self.folder, self.type = hub, full_name, folder, type
        subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
        (folder / "objects" / "pack").rmdir()
        uid = repository(hub, full_name, type).uid
        (folder / "objects" / "pack").symlink_to(hub.root / "repos" / uid[:2] / uid / "packs")

    def __call__(self, *arguments: str) -> str:
        """What a command prints."""
        refs = self.hub.ask("GET", f"/api/{self.type}s/{self.full_name}/refs?include_prs=1", "alice").json()
        packed = [f"{each['targetCommit']} {each['ref']}" for found in refs.values() for each in found]
        (self.folder / "packed-refs").write_text("\n".join(packed) + "\n")
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
