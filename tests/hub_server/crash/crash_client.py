"""A process of clients that write, and write down what was acknowledged.

They are told of every failure by an exception and try the same again, until it is acknowledged or they are told to end.
A line is written only after the hub said yes: {"repo", "path", "sha256", "oid"} or {"repo", "ref"}.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi

FOLDER = Path(sys.argv[1])
STOP = FOLDER / "stop"
LOCK = threading.Lock()
api = HfApi()


def acknowledged(**what: Any) -> None:
    with LOCK, (FOLDER / "acknowledged").open("a") as out:
        out.write(json.dumps(what) + "\n")


def until_it_works(action: Callable[[], Any]) -> Any:
    while not STOP.exists():
        try:
            return action()
        except Exception:
            time.sleep(0.05)
    return None


def large(worker: str) -> None:
    """Files that are sent as large ones, by Xet or by LFS, as this process is set."""
    repo, place = f"alice/{worker}", random.Random(worker)
    until_it_works(lambda: api.create_repo(repo, exist_ok=True))
    shared = place.randbytes(150_000)
    for number in range(10**6):
        data, path = shared + place.randbytes(place.randrange(1, 300_000)), f"{number % 7}.bin"
        made = until_it_works(
            lambda data=data, path=path: api.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=repo)
        )
        if made is None:
            return
        acknowledged(repo=repo, path=path, sha256=hashlib.sha256(data).hexdigest(), oid=made.oid)


def small(worker: str) -> None:
    """Commits of small files, onto one branch with another client, and tags."""
    repo, place = "alice/together", random.Random(worker)
    until_it_works(lambda: api.create_repo(repo, exist_ok=True))
    for number in range(10**6):
        files = {f"{worker}/{place.randrange(40)}.txt": place.randbytes(place.randrange(2000)) for _ in range(3)}
        operations = [CommitOperationAdd(path, data) for path, data in files.items()]
        made = until_it_works(lambda operations=operations: api.create_commit(repo, operations, commit_message="Some"))
        if made is None:
            return
        for path, data in files.items():
            acknowledged(repo=repo, path=path, sha256=hashlib.sha256(data).hexdigest(), oid=made.oid)
        if number % 4 == 3:
            tag = f"{worker}-{number}"
            until_it_works(lambda tag=tag: api.create_tag(repo, tag=tag, exist_ok=True))
            if STOP.exists():
                return
            acknowledged(repo=repo, ref=f"refs/tags/{tag}")


def git(worker: str) -> None:
    """Pushes."""
    repo, place = f"alice/{worker}", random.Random(worker)
    until_it_works(lambda: api.create_repo(repo, exist_ok=True))
    url = os.environ["HF_ENDPOINT"].replace("://", f"://alice:{os.environ['HF_TOKEN']}@")
    clone = FOLDER / worker
    run = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "filter.lfs.smudge=", "-c", "filter.lfs.process="]
    if until_it_works(lambda: call([*run, "clone", "-q", f"{url}/{repo}", str(clone)])) is None:
        return
    for number in range(10**6):
        data, path = place.randbytes(20_000).hex(), f"{number % 5}.txt"
        (clone / path).write_text(data)
        call([*run, "-C", str(clone), "add", path])
        call([*run, "-C", str(clone), "commit", "-q", "-m", f"Number {number}"])
        if until_it_works(lambda: call([*run, "-C", str(clone), "push", "-q", "origin", "HEAD:main"])) is None:
            return
        oid = call([*run, "-C", str(clone), "rev-parse", "HEAD"]).strip()
        acknowledged(repo=repo, path=path, sha256=hashlib.sha256(data.encode()).hexdigest(), oid=oid)


def call(command: list[str]) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


def main() -> None:
    kinds = {"large": large, "small": small, "git": git}
    threads = []
    for worker in sys.argv[2:]:
        kind = worker.partition("-")[0]
        threads.append(threading.Thread(target=kinds[kind], args=(worker,), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
