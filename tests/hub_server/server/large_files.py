"""Short words for sending large files over the wire, as clients do it."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx2
from hub_on_loopback import Hub

__all__ = ["batch", "plain", "send", "sha256_of"]

plain = httpx2.Client(verify=False)
"""For signed addresses, which need no token; one client, because making one takes longer than a request."""


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def batch(
    hub: Hub, repo: str, user: str | None, operation: str, *objects: tuple[str, int], **more: Any
) -> httpx2.Response:
    """The batch call for large files, each by its sha256 and its bytes."""
    wanted = [{"oid": oid, "size": size} for oid, size in objects]
    headers = {"Accept": "application/vnd.git-lfs+json", "Content-Type": "application/vnd.git-lfs+json"}
    body = {"operation": operation, "objects": wanted, **more}
    return hub.ask("POST", f"/{repo}.git/info/lfs/objects/batch", user, json=body, headers=headers)


def send(hub: Hub, repo: str, user: str, data: bytes) -> None:
    """Send a large file to a repository and see that it arrived."""
    answer = batch(hub, repo, user, "upload", (sha256_of(data), len(data)))
    (found,) = answer.json()["objects"]
    assert plain.put(found["actions"]["upload"]["href"], content=data).status_code == 200
    asked = {"oid": sha256_of(data), "size": len(data)}
    assert plain.post(found["actions"]["verify"]["href"], json=asked).status_code == 200
