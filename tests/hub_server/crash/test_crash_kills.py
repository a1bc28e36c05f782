"""A hub that is killed again and again under eight writing clients loses nothing that it acknowledged.

The clients are the unmodified ones: three send large files by Xet, two by LFS, two make commits of small files on one
branch, and one pushes by git. The server is the real command; it dies by SIGKILL at random moments, also while it
starts. Afterwards every acknowledged commit is reachable from its branch, its files read back equal, acknowledged tags
are there, and `verify` finds nothing.

``ENFOLD_TEST_KILLS`` is the number of kills: 20 if it is not set.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from enfold.hub.records import HubRoot, Records, accounts, refs, tokens
from enfold.hub.records.schema import Repository
from enfold.hub.server.state import HubState
from enfold.hub.upkeep.opening import opened
from enfold.hub.upkeep.verifying import verify

HERE = Path(__file__).parent
KILLS = int(os.environ.get("ENFOLD_TEST_KILLS", "20"))
CLIENTS = {
    "xet": ["large-xet-1", "large-xet-2", "large-xet-3"],
    "lfs": ["large-lfs-1", "large-lfs-2", "small-1", "small-2"],
    "git": ["git-1"],
}
REPOSITORIES = {
    "alice/together" if worker.startswith("small") else f"alice/{worker}"
    for workers in CLIENTS.values()
    for worker in workers
}


class Server:
    """The command, started and killed."""

    def __init__(self, root: Path, errors: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.errors = errors
        command = [str(HERE / "crash_server.py"), str(errors), "hub", "serve", "--root", str(root)]
        self._forking = subprocess.Popen(
            [sys.executable, *command, "--port", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._answer() == "ready"
        self._child = 0

    def _answer(self) -> str:
        assert self._forking.stdout is not None
        return self._forking.stdout.readline().strip()

    def start(self) -> None:
        assert self._forking.stdin is not None
        self._forking.stdin.write("\n")
        self._forking.stdin.flush()
        self._child = int(self._answer())

    def wait(self) -> None:
        for _ in range(1200):
            try:
                if httpx2.get(f"{self.url}/health").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError(self.errors.read_text())

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self._child, number)
        for _ in range(1200):
            state = Path(f"/proc/{self._child}/stat")
            if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
                return
            time.sleep(0.01)
        raise AssertionError("it does not end")

    def close(self) -> None:
        assert self._forking.stdin is not None
        self._forking.stdin.close()
        self._forking.wait(timeout=10)
        assert self._forking.stdout is not None
        self._forking.stdout.close()


@contextmanager
def clients(folder: Path, url: str, token: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The writing processes, which end when the block does."""
    running = []
    for kind, workers in CLIENTS.items():
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {
            "HF_HOME": str(folder / kind),
            "HF_ENDPOINT": url,
            "HF_TOKEN": token,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "0" if kind == "xet" else "1",
            # They try again themselves, at once.
            "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1",
            "HF_XET_CLIENT_RETRY_BASE_DELAY": "100ms",
        }
        command = [sys.executable, str(HERE / "crash_client.py"), str(folder), *workers]
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    try:
        yield running
    finally:
        (folder / "stop").touch()
        for process in running:
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.mark.timeout(120 + 10 * KILLS)
def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    root = tmp_path / "root"
    token = a_user(root)
    server = Server(root, tmp_path / "errors")
    moments = random.Random(17)
    try:
        server.start()
        server.wait()
        with clients(tmp_path, server.url, token) as running:
            log = tmp_path / "acknowledged"
            while not log.exists() or {each["repo"] for each in read(log)} != REPOSITORIES:
                assert all(process.poll() is None for process in running)
                time.sleep(0.05)
            for number in range(KILLS):
                if number % 8 != 7:  # else it dies while it starts
                    server.wait()
                time.sleep(moments.uniform(0, 0.9))
                server.kill()
                server.start()
            server.wait()
            time.sleep(1)
        check_answers(server.url, token, read(log))
        server.kill(signal.SIGTERM)
    finally:
        server.close()
    with opened(root) as state:
        assert list(verify(state)) == []
        check_reachable(state, read(log))
    assert "Traceback" not in "".join(unexpected(server.errors)), unexpected(server.errors)


def a_user(root: Path) -> str:
    records = Records(HubRoot.open(root).database)
    with records.write() as session:
        secret = tokens.create_token(session, accounts.create_user(session, "alice"), "test")
    records.close()
    return secret


def read(log: Path) -> list[dict[str, Any]]:
    # The last line may be in the making.
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def unexpected(errors: Path) -> list[str]:
    return [line for line in errors.read_text().splitlines() if "Traceback" in line or "ERROR" in line]


def check_answers(url: str, token: str, acknowledged: list[dict[str, Any]]) -> None:
    """Every file of every acknowledged commit is answered with its bytes."""
    by_client = Counter(each["repo"] for each in acknowledged)
    assert set(by_client) == REPOSITORIES, by_client
    print(f"{KILLS} kills, {len(acknowledged)} acknowledged: {dict(by_client)}")
    with httpx2.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        for each in acknowledged:
            if "path" in each:
                answer = client.get(f"{url}/{each['repo']}/resolve/{each['oid']}/{each['path']}")
                assert answer.status_code == 200, each
                assert hashlib.sha256(answer.content).hexdigest() == each["sha256"], each


def check_reachable(state: HubState, acknowledged: list[dict[str, Any]]) -> None:
    with state.records.read() as session:
        found = {repository.full_name: repository for repository in session.scalars(sa.select(Repository))}
        heads = {name: refs.head_of(session, repository) for name, repository in found.items()}
        names = {name: {ref.name for ref in refs.refs_of(session, each)} for name, each in found.items()}
    reached: dict[str, set[str]] = {}
    for name, repository in found.items():
        head = heads[name]
        assert head is not None
        reached[name] = state.objects(repository).ancestors([head])
    for each in acknowledged:
        if "oid" in each:
            assert each["oid"] in reached[each["repo"]], each
        else:
            assert each["ref"] in names[each["repo"]], each
