"""A folder to a repository of a Hub, as one commit.

Files that the repository has already are not sent again; what it has beside them stays. Large files go ahead, and only
the commit makes them visible, so that a push that breaks off changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from enfold.errors import InputError, SourceError
from enfold.files import fingerprint
from enfold.hub.hub_requests import HubAddress, Refused
from enfold.hub.large_uploads import send_large

__all__ = ["REPOSITORY", "Pushed", "check_target", "files_of", "push"]

REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
"""How a repository is named."""
_AT_ONCE = 250
_SAMPLE = 512
_KEPT_DOTFILES = (".gitattributes", ".gitignore")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did."""

    url: str
    """Address of the repository."""
    commit: str | None
    """The commit, 40 hex digits; None where nothing had changed."""
    files: int
    """Files of the commit."""
    sent: int
    """Bytes of large files that were sent."""


@dataclass(frozen=True, slots=True)
class _Planned:
    content: Path
    size: int
    large: bool


def files_of(folder: Path) -> dict[str, Path]:
    """The files of a folder by their path in it, without hidden ones but for .gitattributes and .gitignore.

    Raises:
        InputError: there is no such folder, or no file in it.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}")
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if path.is_file() and (not name.startswith(".") or name in _KEPT_DOTFILES):
                found[path.relative_to(folder).as_posix()] = path
    if not found:
        raise InputError(f"there is nothing to push in {folder}: no file but hidden ones")
    return found


def check_target(repository: str, *, private: bool = False, url: str | None = None) -> HubAddress:
    """See, before long work, that there is a token, a hub, and a repository that may be written or is yet to be made.

    Raises:
        InputError: ``repository`` is not ``owner/name``.
        SourceError: no token, or a wrong one; the Hub cannot be reached; the repository may not be written, or is
            public where a private one is wanted.
    """
    if not REPOSITORY.fullmatch(repository):
        raise InputError(f"a repository is written owner/name; it is {repository!r}")
    hub = HubAddress(url)
    try:
        hub.ask("GET", "/api/whoami-v2")
    except Refused as error:
        raise SourceError(f"{hub.url} does not accept the token ({error}): set HF_TOKEN to another") from None
    there = _repository(hub, repository)
    if there is not None:
        if private and there.get("private") is False:
            raise SourceError(f"{repository} on {hub.url} is public already: make it private there, or push without it")
        try:
            hub.ask("GET", f"/api/models/{repository}/auth-check/write")
        except Refused as error:
            raise _not_writable(hub, repository, error) from None
    return hub


def push(
    files: Mapping[str, Path],
    repository: str,
    *,
    revision: str = "main",
    message: str = "Upload with Enfold",
    private: bool = False,
    url: str | None = None,
) -> Pushed:
    """Put files into a model repository of a Hub, which is made if it is not there.

    Args:
        files: by their path in the repository; see `files_of`.
        repository: ``owner/name``.
        revision: the branch; made from the main one if it is not there.
        message: of the commit.
        private: whether a repository that is made can be seen by its owners only. One that is there must be private.
        url: address of the Hub; that of ``HF_ENDPOINT`` unless given.

    Raises:
        InputError: the name of the repository or a file is wrong.
        SourceError: no token; the Hub cannot be reached; it refuses the repository or a file.
    """
    hub = check_target(repository, private=private, url=url)
    try:
        _make(hub, repository, revision, private)
        place = f"/api/models/{repository}"
        planned = _plan(hub, f"{place}/preupload/{quote(revision, safe='')}", files)
        address = f"{hub.url}/{repository}"
        if not planned:
            return Pushed(address, None, 0, 0)
        large = {path: fingerprint(each.content) for path, each in planned.items() if each.large}
        sent = send_large(
            hub, repository, {oid: (planned[path].content, planned[path].size) for path, oid in large.items()}
        )
        commit = _commit(hub, f"{place}/commit/{quote(revision, safe='')}", message, planned, large)
    except Refused as error:
        raise _not_writable(hub, repository, error) from None
    return Pushed(address, commit, len(planned), sent)


def _repository(hub: HubAddress, repository: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = hub.ask("GET", f"/api/models/{repository}")
    except Refused as error:
        if error.status in (401, 404):
            return None
        raise _not_writable(hub, repository, error) from None
    return found


def _make(hub: HubAddress, repository: str, revision: str, private: bool) -> None:
    if _repository(hub, repository) is None:
        owner, name = repository.split("/")
        visibility = "private" if private else "public"
        body = {"name": name, "organization": owner, "type": "model", "visibility": visibility}
        try:
            hub.ask("POST", "/api/repos/create", body)
        except Refused as error:
            if error.status != 409 or private:  # somebody made it meanwhile, and it may be public
                raise
    if revision != "main" and not revision.startswith("refs/"):
        try:
            hub.ask("POST", f"/api/models/{repository}/branch/{quote(revision, safe='')}", {})
        except Refused as error:
            if error.status != 409:
                raise


def _plan(hub: HubAddress, place: str, files: Mapping[str, Path]) -> dict[str, _Planned]:
    """The files that differ from what is there, and how each is to be sent."""
    planned: dict[str, _Planned] = {}
    paths = list(files)
    for start in range(0, len(paths), _AT_ONCE):
        asked = []
        for path in paths[start : start + _AT_ONCE]:
            content = files[path]
            size = content.stat().st_size
            asked.append({"path": path, "size": size, "sample": base64.b64encode(_sample(content)).decode()})
        sizes = {each["path"]: int(str(each["size"])) for each in asked}
        for each in hub.ask("POST", place, {"files": asked}).get("files", []):
            path, content = each["path"], files[each["path"]]
            large = each["uploadMode"] == "lfs" and sizes[path] > 0
            if not each.get("shouldIgnore") and each.get("oid") != _identity(content, sizes[path], large):
                planned[path] = _Planned(content, sizes[path], large)
    return planned


def _sample(content: Path) -> bytes:
    with content.open("rb") as file:
        return file.read(_SAMPLE)


def _identity(content: Path, size: int, large: bool) -> str:
    """What the Hub knows it by: the sha256 of a large file, the id that git gives to a small one."""
    if large:
        return fingerprint(content)
    return hashlib.sha1(b"blob %d\0" % size + content.read_bytes(), usedforsecurity=False).hexdigest()


def _commit(
    hub: HubAddress, place: str, message: str, planned: Mapping[str, _Planned], large: Mapping[str, str]
) -> str:
    summary, _, description = message.partition("\n")
    with tempfile.TemporaryFile() as body:

        def line(key: str, value: dict[str, Any]) -> None:
            body.write(json.dumps({"key": key, "value": value}).encode() + b"\n")

        line("header", {"summary": summary, "description": description.strip()})
        for path, each in planned.items():
            if path in large:
                line("lfsFile", {"path": path, "algo": "sha256", "oid": large[path], "size": each.size})
            else:
                data = each.content.read_bytes()
                line("file", {"path": path, "content": base64.b64encode(data).decode(), "encoding": "base64"})
        size = body.tell()
        body.seek(0)
        headers = {"Content-Type": "application/x-ndjson", "Content-Length": str(size)}
        answer, _ = hub.send("POST", place, body, headers)
    return str(json.loads(answer)["commitOid"])


def _not_writable(hub: HubAddress, repository: str, error: Refused) -> SourceError:
    if error.status in (401, 403, 404):
        return SourceError(f"{repository} on {hub.url} may not be written with this token: {error}")
    return SourceError(f"{hub.url} refused {repository}: {error}")
