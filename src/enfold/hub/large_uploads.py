"""Large files to a Hub, as git-lfs sends them: whole, or in parts where the Hub asks for parts.

Source: git-lfs, docs/api/batch.md; the parts are those of the hub's own client.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from enfold.errors import SourceError
from enfold.hub.hub_requests import HubAddress

__all__ = ["send_large"]

_MEDIA_TYPE = "application/vnd.git-lfs+json"
_AT_ONCE = 50  # addresses are signed for some hours: they are asked for as they are needed


def send_large(hub: HubAddress, repository: str, files: Mapping[str, tuple[Path, int]]) -> int:
    """Send the files that the repository has not yet.

    Args:
        hub: where to.
        repository: ``owner/name`` of a model.
        files: by sha256, each with its size in bytes.

    Returns:
        bytes that were sent.

    Raises:
        SourceError: a file is refused, or the Hub cannot be reached.
    """
    sent, known = 0, list(files)
    for start in range(0, len(known), _AT_ONCE):
        group = known[start : start + _AT_ONCE]
        wanted = {
            "operation": "upload",
            "transfers": ["basic", "multipart"],
            "hash_algo": "sha256",
            "objects": [{"oid": oid, "size": files[oid][1]} for oid in group],
        }
        answer = _post(hub, f"/{repository}.git/info/lfs/objects/batch", wanted)
        for each in answer.get("objects", []):
            path, size = files[each["oid"]]
            if "error" in each:
                raise SourceError(f"{hub.url} refused {path.name}: {each['error'].get('message', 'no reason given')}")
            actions = each.get("actions") or {}
            if "upload" not in actions:
                continue
            _send(hub, path, each["oid"], size, actions["upload"])
            sent += size
            if "verify" in actions:
                _post(hub, actions["verify"]["href"], {"oid": each["oid"], "size": size})
    return sent


def _send(hub: HubAddress, path: Path, oid: str, size: int, upload: dict[str, Any]) -> None:
    header = upload.get("header") or {}
    with path.open("rb") as file:
        if "chunk_size" not in header:
            hub.put(upload["href"], file, size)
            return
        length, parts = int(header["chunk_size"]), []
        for number in range(1, -(-size // length) + 1):
            data = file.read(length)
            etag = hub.put(header[str(number)], io.BytesIO(data), len(data)).get("ETag", "")
            parts.append({"partNumber": number, "etag": etag})
    _post(hub, upload["href"], {"oid": oid, "parts": parts})


def _post(hub: HubAddress, path: str, body: Any) -> Any:
    headers = {"Content-Type": _MEDIA_TYPE, "Accept": _MEDIA_TYPE}
    data, _ = hub.send("POST", path, json.dumps(body).encode(), headers)
    try:
        return json.loads(data) if data else {}
    except ValueError:
        raise SourceError(f"{hub.url} does not take large files: its answer is not JSON") from None
