"""A repository as answers describe it: all of the usual members, or those that a request names (``expand``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from enfold.hub.records.names import split_id
from enfold.hub.records.schema import Repository
from enfold.hub.server.errors import HubError
from enfold.hub.server.pagination import moment
from enfold.hub.server.state import HubState
from enfold.hub.store import ObjectStore, parse_pointer, trees
from enfold.hub.store.git_objects import SUBMODULE

__all__ = ["EXPANDABLE", "blob_facts", "check_expand", "describe", "expanded", "siblings"]

_ALL = (
    "author cardData createdAt disabled lastModified likes private resourceGroup sha siblings tags trendingScore "
    "usedStorage"
)
EXPANDABLE: dict[str, frozenset[str]] = {
    "model": frozenset(
        f"""
        {_ALL} baseModels childrenModelCount config downloads downloadsAllTime evalResults gated gguf inference
        inferenceProviderMapping library_name mask_token model-index pipeline_tag safetensors spaces transformersInfo
        widgetData xetEnabled
        """.split()
    ),
    "dataset": frozenset(
        f"{_ALL} citation description downloads downloadsAllTime gated mainSize paperswithcode_id xetEnabled".split()
    ),
    "space": frozenset(f"{_ALL} datasets models region runtime sdk subdomain xetEnabled".split()),
}
"""What ``expand`` may name, by repository type."""

_POINTER_BYTES = 1024


def check_expand(type: str, expand: Sequence[str]) -> None:
    """Refuse names that ``expand`` does not know (400)."""
    unknown = sorted(set(expand) - EXPANDABLE[type])
    if unknown:
        allowed = ", ".join(sorted(EXPANDABLE[type]))
        raise HubError(400, f"expand does not know {', '.join(unknown)}; it takes: {allowed}")


def describe(repository: Repository) -> dict[str, Any]:
    """The usual members, without files."""
    found: dict[str, Any] = {"_id": repository.uid, "id": repository.full_name}
    if repository.type == "model":
        found["modelId"] = repository.full_name
    for name in _USUAL[repository.type]:
        value = _MEMBERS[name](repository)
        if value is not None or name in ("sha", "description"):
            found[name] = value
    return found


def expanded(repository: Repository, expand: Sequence[str]) -> dict[str, Any]:
    """The members that a request names; those that need files are left to the caller."""
    found: dict[str, Any] = {"_id": repository.uid, "id": repository.full_name}
    for name in expand:
        value = _MEMBERS[name](repository) if name in _MEMBERS else None
        if value is not None:
            found[name] = value
    return found


def siblings(state: HubState, repository: Repository, commit: str, *, blobs: bool = False) -> list[dict[str, Any]]:
    """The files of a repository at a commit, with sizes and ids if ``blobs``."""
    store = state.objects(repository)
    return list(_siblings(store, store.commit(commit).tree, blobs))


def blob_facts(store: ObjectStore, oid: str) -> tuple[int, dict[str, Any] | None]:
    """A file's size, and what its pointer says if it stands for a large file."""
    size = store.size(oid)
    if size >= _POINTER_BYTES:
        return size, None
    pointer = parse_pointer(store.blob(oid))
    if pointer is None:
        return size, None
    return pointer.size, {"size": pointer.size, "sha256": pointer.sha256, "pointerSize": size}


def _siblings(store: ObjectStore, tree: str, blobs: bool) -> Iterator[dict[str, Any]]:
    for entry in trees.walk(store, tree, recursive=True):
        if entry.is_folder or entry.mode == SUBMODULE:
            continue
        found: dict[str, Any] = {"rfilename": entry.path.decode("utf-8", "replace")}
        if blobs:
            found["blobId"] = entry.oid
            found["size"], lfs = blob_facts(store, entry.oid)
            if lfs is not None:
                found["lfs"] = lfs
        yield found


def _author(repository: Repository) -> str | None:
    return split_id(repository.full_name)[0]


def _card(repository: Repository, name: str) -> Any:
    return (repository.card or {}).get(name)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


_MEMBERS: dict[str, Callable[[Repository], Any]] = {
    "author": _author,
    "baseModels": lambda each: [{"id": name} for name in _listed(_card(each, "base_model"))] or None,
    "cardData": lambda each: each.card,
    "config": lambda each: each.config,
    "createdAt": lambda each: moment(each.created_at),
    "datasets": lambda each: _listed(_card(each, "datasets")),
    "description": lambda each: each.description,
    "disabled": lambda each: each.disabled,
    "downloads": lambda each: each.downloads,
    "downloadsAllTime": lambda each: each.downloads_all_time,
    "gated": lambda each: each.gated or False,
    "gguf": lambda each: each.gguf,
    "lastModified": lambda each: moment(each.updated_at),
    "library_name": lambda each: each.library_name,
    "likes": lambda each: each.likes,
    "model-index": lambda each: _card(each, "model-index"),
    "models": lambda each: _listed(_card(each, "models")),
    "paperswithcode_id": lambda each: _card(each, "paperswithcode_id"),
    "pipeline_tag": lambda each: each.pipeline_tag,
    "private": lambda each: each.private,
    "runtime": lambda each: {"stage": "NO_APP_FILE"},
    "safetensors": lambda each: each.safetensors,
    "sdk": lambda each: each.sdk,
    "sha": lambda each: each.sha,
    "spaces": lambda each: [],
    "subdomain": lambda each: each.full_name.replace("/", "-").lower(),
    "tags": lambda each: each.tags,
    "trendingScore": lambda each: each.trending,
    "usedStorage": lambda each: each.used_storage,
    "widgetData": lambda each: _card(each, "widget"),
    "xetEnabled": lambda each: True,
}
_BOTH = "author sha lastModified createdAt private disabled likes tags cardData usedStorage"
_USUAL = {
    "model": f"{_BOTH} gated downloads pipeline_tag library_name config safetensors gguf spaces".split(),
    "dataset": f"{_BOTH} gated downloads description paperswithcode_id".split(),
    "space": f"{_BOTH} sdk models datasets runtime subdomain".split(),
}
