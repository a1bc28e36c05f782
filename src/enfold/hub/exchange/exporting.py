"""Repositories of a hub into one signed file."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from enfold import __version__
from enfold.errors import InputError, ServiceError
from enfold.files import atomic_file
from enfold.hub.exchange.bundle import MAGIC, Content, Exported, Manifest
from enfold.hub.records import links, refs
from enfold.hub.records.addresses import typed_name
from enfold.hub.records.errors import NotKnown
from enfold.hub.records.repositories import find_repository
from enfold.hub.records.schema import Repository
from enfold.hub.server.contents import pointer_at
from enfold.hub.server.state import HubState
from enfold.hub.store import ObjectStore, plan_fetch, trees
from enfold.hub.store.git_objects import SUBMODULE

__all__ = ["TAKEN", "export_repositories"]

TAKEN = ("refs/heads/", "refs/tags/", "refs/convert/")
"""What travels; pull requests and discussions stay behind."""


def export_repositories(state: HubState, names: Sequence[str], out: Path, key: Ed25519PrivateKey) -> Manifest:
    """Write repositories with their branches, tags and large files to a file that must not be there.

    Args:
        state: the hub; it may be serving meanwhile.
        names: of the repositories; see `typed_name`.
        out: the file. It is whole or not there, and only its owner may read it.
        key: signs the manifest.

    Raises:
        NotKnown: there is no such repository.
        InputError: the file is there already, nothing was named, or a mirrored repository is not kept whole.
        ServiceError: a large file is damaged or gone.
    """
    if not names:
        raise InputError("name the repositories to export, such as alice/spam or datasets/alice/messages")
    if out.exists():
        raise InputError(f"{out} is there already: name another file, or remove it")
    found = [_found(state, name) for name in dict.fromkeys(names)]
    with tempfile.TemporaryFile(dir=state.root.tmp) as packs:
        exported: list[Exported] = []
        large: dict[str, int] = {}
        for repository in {each.id: each for each in found}.values():
            described, files = _exported(state, repository, packs)
            exported.append(described)
            large |= files
        manifest = Manifest(
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            enfold=__version__,
            repositories=tuple(exported),
            large=tuple(Content(sha256=sha256, size=size) for sha256, size in sorted(large.items())),
        )
        packs.seek(0)
        data = manifest.model_dump_json().encode()
        with atomic_file(out) as temporary:
            temporary.touch(mode=0o600)
            with temporary.open("r+b") as file:
                file.write(MAGIC + key.public_key().public_bytes_raw() + key.sign(MAGIC + data))
                file.write(len(data).to_bytes(8, "big") + data)
                shutil.copyfileobj(packs, file, 1 << 20)
                for content in manifest.large:
                    _write_large(state, content, file)
    return manifest


def _found(state: HubState, name: str) -> Repository:
    kind, full_name = typed_name(name)
    with state.records.read() as session:
        found = find_repository(session, kind, full_name)
    if found is None:
        raise NotKnown(f"there is no {kind} {full_name!r} in this hub")
    return found


def _exported(state: HubState, repository: Repository, packs: IO[bytes]) -> tuple[Exported, dict[str, int]]:
    with state.records.read() as session:
        chosen = {
            each.name: (each.target, each.commit)
            for each in refs.refs_of(session, repository)
            if each.name.startswith(TAKEN)
        }
    store = state.objects(repository)
    plan = plan_fetch(store, [target for target, _ in chosen.values()])
    pack = _copied(plan.stream(), packs)
    blobs = (oid.hex() for oid in plan.oids if store.head(oid.hex())[0] == "blob")
    named = {pointer.sha256 for oid in blobs if (pointer := pointer_at(store, oid)) is not None}
    with state.records.read() as session:
        large = links.linked(session, repository, named)
    if repository.mirrored:
        _check_all_there(store, repository, [commit for _, commit in chosen.values()], large)
    described = Exported.model_validate(
        {
            "type": repository.type,
            "name": repository.full_name,
            "private": repository.private,
            "gated": repository.gated,
            "description": repository.description,
            "sdk": repository.sdk,
            "refs": chosen,
            "pack": pack,
            "large": tuple(sorted(large)),
        }
    )
    return described, large


def _check_all_there(store: ObjectStore, repository: Repository, commits: Iterable[str], large: Container[str]) -> None:
    """Refuse a mirrored repository of which files at a branch or a tag were not fetched yet."""
    lacking = {
        entry.path.decode("utf-8", "replace")
        for commit in set(commits)
        for entry in trees.walk(store, store.commit(commit).tree, recursive=True)
        if not entry.is_folder
        and entry.mode != SUBMODULE
        and (pointer := pointer_at(store, entry.oid)) is not None
        and pointer.sha256 not in large
    }
    if lacking:
        raise InputError(
            f"{len(lacking)} large files of {repository.full_name}, such as {min(lacking)}, are not kept in this hub, "
            f"which mirrors another: read them first, with: hf download {repository.full_name}"
        )


def _copied(pieces: Iterable[bytes], out: IO[bytes]) -> Content:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        out.write(piece)
    return Content(sha256=digest.hexdigest(), size=size)


def _write_large(state: HubState, content: Content, out: IO[bytes]) -> None:
    with state.records.read() as session:
        file = links.large_file(session, content.sha256)
    if file is None or _copied(state.large_files.read(file), out) != content:
        raise ServiceError(f"the large file {content.sha256} is damaged or gone in this hub; nothing was written")
