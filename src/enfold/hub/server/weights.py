"""What the headers of safetensors files say: which tensors a model has, and how many parameters.

The format (safetensors, README, "Format"): eight bytes, little-endian, give the length of a JSON header; the header
names each tensor with its dtype, shape and place. Only headers are read, of bounded length, never tensors.
"""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

from enfold.errors import EnfoldError
from enfold.hub.records import links
from enfold.hub.server.contents import pointer_at
from enfold.hub.store import ObjectStore, trees

if TYPE_CHECKING:
    from enfold.hub.server.state import HubState

__all__ = ["parameters_at", "parameters_in", "read_header"]

LONGEST_HEADER = 16_000_000
_MOST_FILES = 500
_MOST_DTYPES = 32
_KEPT = 4096
_MODEL = re.compile(rb"(?:model|diffusion_pytorch_model|adapter_model)(?:-\d{5}-of-\d{5})?\.safetensors")
_DTYPE = re.compile(r"[A-Z][A-Z0-9_]{1,15}")

Read = Callable[[int, int], bytes]
"""Gives bytes of a file: from a place on, so many."""

_kept: OrderedDict[str, dict[str, int] | None] = OrderedDict()
_lock = Lock()


def read_header(read: Read, size: int) -> dict[str, Any] | None:
    """The header of a safetensors file; None when the bytes are not one, or the header is over the limit.

    Args:
        read: gives bytes of the file.
        size: of the file.
    """
    if size < 8:
        return None
    length = int.from_bytes(read(0, 8), "little")
    if not 2 <= length <= min(LONGEST_HEADER, size - 8):
        return None
    try:
        header = json.loads(read(8, length))
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


def parameters_in(header: dict[str, Any]) -> dict[str, int] | None:
    """Parameters by dtype; None when the header is not as the format says."""
    found: dict[str, int] = {}
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        if not isinstance(tensor, dict):
            return None
        dtype, shape = tensor.get("dtype"), tensor.get("shape")
        if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype) or not isinstance(shape, list):
            return None
        if len(shape) > 16 or not all(isinstance(each, int) and 0 <= each < 2**40 for each in shape):
            return None
        found[dtype] = found.get(dtype, 0) + math.prod(shape)
    if len(found) > _MOST_DTYPES or any(count >= 2**63 for count in found.values()):
        return None
    return found


def parameters_at(state: HubState, store: ObjectStore, tree: str) -> dict[str, int] | None:
    """Parameters by dtype of the model at the root of a tree, all its shards together; None without weights.

    Args:
        state: where large files are.
        store: the repository.
        tree: the root tree.
    """
    if tree == trees.EMPTY_TREE.oid or b".safetensors\0" not in store.tree(tree):  # by far the most
        return None
    total: dict[str, int] = {}
    chosen = [entry for entry in trees.parse_folder(store, tree).values() if _MODEL.fullmatch(entry.name)]
    for entry in chosen[:_MOST_FILES]:
        if entry.mode >> 12 != 0o10:
            continue
        for dtype, count in (_parameters_of(state, store, entry.oid) or {}).items():
            total[dtype] = total.get(dtype, 0) + count
    return total if 0 < sum(total.values()) < 2**63 else None


def _parameters_of(state: HubState, store: ObjectStore, oid: str) -> dict[str, int] | None:
    """The same of one file. What was read is kept in memory by the id of the content."""
    pointer = pointer_at(store, oid)
    key = oid if pointer is None else pointer.sha256
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    if pointer is None:
        data = store.blob(oid)
        header = read_header(lambda start, length: data[start : start + length], len(data))
    else:
        header = _header_of_large(state, pointer.sha256)
    found = None if header is None else parameters_in(header)
    with _lock:
        _kept[key] = found
        if len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return found


def _header_of_large(state: HubState, sha256: str) -> dict[str, Any] | None:
    with state.records.read() as session:
        large = links.large_file(session, sha256)
    if large is None:
        return None
    try:
        return read_header(lambda start, length: b"".join(state.large_files.read(large, start, length)), large.size)
    except EnfoldError:  # the commit must not fail because of what is derived from it
        return None
