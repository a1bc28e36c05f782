"""A hub and its clients in one process, whose writes below the root are written down by `power_log.c`.

After each answer a mark goes into the same log: what was acknowledged until there has to survive.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import CommitOperationAdd, CommitOperationDelete

LOG = ctypes.CDLL(os.environ["POWER_LIBRARY"])
PLACE = random.Random(3)


def mark(**what: Any) -> None:
    LOG.power_mark(json.dumps(what).encode())


def work(hub: Hub, scratch: Path) -> None:
    api = hub.api("alice")
    for name in ("alice/one", "alice/two"):
        api.create_repo(name)
        mark(repo=name, ref="refs/heads/main")
    for number in range(6):
        files = {f"f/{number % 4}.txt": PLACE.randbytes(700), "README.md": f"---\ntags: [t{number}]\n---\n".encode()}
        made = api.create_commit(
            "alice/one", [CommitOperationAdd(path, data) for path, data in files.items()], commit_message="Small"
        )
        for path, data in files.items():
            mark(repo="alice/one", path=path, sha256=hashlib.sha256(data).hexdigest(), oid=made.oid)
        data = PLACE.randbytes(150_000)  # by Xet or by LFS, as this process is set
        made = api.upload_file(path_or_fileobj=data, path_in_repo=f"{number}.bin", repo_id="alice/two")
        mark(repo="alice/two", path=f"{number}.bin", sha256=hashlib.sha256(data).hexdigest(), oid=made.oid)
    api.create_commit("alice/two", [CommitOperationDelete("0.bin")], commit_message="Less")
    api.create_tag("alice/two", tag="v1", tag_message="A tag")
    mark(repo="alice/two", ref="refs/tags/v1")
    pull = api.create_commit(
        "alice/one", [CommitOperationAdd("new.txt", b"new")], commit_message="Proposed", create_pr=True
    )
    api.merge_pull_request("alice/one", discussion_num=pull.pr_num)
    mark(repo="alice/one", ref=f"refs/pr/{pull.pr_num}")
    pushed = scratch / "clone"
    run = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    url = hub.url.replace("://", f"://alice:{hub.tokens['alice']}@")
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    for command in (
        [*run, "clone", "-q", f"{url}/alice/one", str(pushed)],
        [*run, "-C", str(pushed), "commit", "-q", "--allow-empty", "-m", "By git"],
        [*run, "-C", str(pushed), "push", "-q", "origin", "HEAD:refs/heads/side"],
    ):
        subprocess.run(command, env=plain, check=True, capture_output=True)
    mark(repo="alice/one", ref="refs/heads/side")
    api.create_repo("alice/short")
    api.delete_repo("alice/short")


def main() -> None:
    root, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    with hub_on_loopback(root) as hub:
        mark(served=True)
        work(hub, scratch)
        mark(done=True)


if __name__ == "__main__":
    main()
