"""What lies on disk: git objects of each repository, and large content shared by all of them.

No HTTP, no users, no permissions: who may do what is decided above. Names are resolved when first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

_GIT = {
    "attributes": ("AttributeRules", "IgnoreRules", "Rules"),
    "git_errors": (
        "GitError",
        "MalformedObject",
        "MalformedPath",
        "MissingObject",
        "MissingPath",
        "PathConflict",
        "RefusedPack",
    ),
    "commit_objects": ("Commit", "Signature", "Tag"),
    "git_objects": ("GitObject", "TreeEntry", "is_oid"),
    "git_names": ("check_path", "check_ref"),
    "changed_paths": ("ChangedPaths",),
    "compaction": ("compact", "remove_unreachable"),
    "gitmodules": ("check_gitmodules",),
    "fetch": ("FetchPlan", "plan_fetch"),
    "incoming": ("IncomingPack", "PackCaps", "ReceivedPack"),
    "object_store": ("ObjectStore",),
    "pointer": ("DEFAULT_ATTRIBUTES", "Pointer", "parse_pointer"),
}
_LARGE = {
    "blobs": ("BlobInfo", "Blobs", "DamagedBlob", "LocalBlobs", "MissingBlob"),
    "extents": ("Extent", "LargeFile", "Segment"),
    "lfs_files": ("LargeFiles", "UploadRefused"),
    "remote_blobs": ("ObjectStoreBlobs",),
    "spool": ("StorageFull",),
    "xet_files": ("XetFile", "XetFiles"),
    "xorbs": ("Xorbs",),
}
_WHERE = {name: module for part in (_GIT, _LARGE) for module, names in part.items() for name in names}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
