"""Large files through the unmodified client: by Xet as it is installed, and by LFS when Xet is switched off."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hub_on_loopback import Hub
from huggingface_hub import CommitOperationCopy

from enfold.hub.records.schema import ExtentRecord, LargeFileRecord, XorbRecord

PRELUDE = """
import hashlib, json, os
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download

source, repo = Path(os.environ["SOURCE"]), os.environ["REPO"]
api = HfApi()


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
"""


def run_client(hub: Hub, user: str | None, home: Path, script: str, **more: str) -> Any:
    """Run a script with the client in a process of its own; what it prints, read as JSON."""
    environment = {
        **os.environ,
        "HF_HOME": str(home),
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **more,
    }
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", *(() if "HF_HUB_DISABLE_XET" in more else ("HF_HUB_DISABLE_XET",))):
        environment.pop(name, None)
    if user is not None:
        environment["HF_TOKEN"] = hub.tokens[user]
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def received_xorbs(hub: Hub) -> int:
    with hub.records.read() as session:
        return session.scalar(sa.select(sa.func.coalesce(sa.func.sum(XorbRecord.received), 0))) or 0


def reconstructions(hub: Hub) -> float:
    """How often the hub has said what a file is made of: a file that is fetched by Xet needs it."""
    lines = hub.ask("GET", "/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if "requests_total" in line and "/reconstructions/" in line)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of noise, and the same with one percent replaced and a kilobyte put in."""
    folder = tmp_path_factory.mktemp("source")
    noise = random.Random(1).randbytes(20_000_000)
    changed = bytearray(noise)
    changed[12_000_000:12_200_000] = random.Random(2).randbytes(200_000)
    changed[6_000_000:6_000_000] = random.Random(3).randbytes(1024)
    (folder / "noise.bin").write_bytes(noise)
    (folder / "changed.bin").write_bytes(changed)
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


UPLOAD = """
info = api.upload_file(path_or_fileobj=source / os.environ["FILE"], path_in_repo="weights.bin", repo_id=repo)
print(json.dumps(info.oid))
"""
DOWNLOAD = """
print(json.dumps(digest(hf_hub_download(repo, "weights.bin"))))
"""


def test_a_file_goes_up_and_down_by_xet_and_a_changed_one_sends_little(
    hub: Hub, name: str, source: Path, tmp_path: Path
) -> None:
    repo = f"alice/{name}"
    hub.api("alice").create_repo(repo, private=True)
    where = {"SOURCE": str(source), "REPO": repo}
    run_client(hub, "alice", tmp_path / "home", UPLOAD, FILE="noise.bin", **where)
    first = received_xorbs(hub)
    assert first >= 20_000_000
    run_client(hub, "alice", tmp_path / "home", UPLOAD, FILE="changed.bin", **where)
    assert received_xorbs(hub) - first < 0.05 * 20_000_000

    expected = digest(source / "changed.bin")
    by_xet = run_client(hub, "alice", tmp_path / "elsewhere", DOWNLOAD, **where)
    answered = reconstructions(hub)
    assert answered > 0
    by_http = run_client(hub, "alice", tmp_path / "third", DOWNLOAD, HF_HUB_DISABLE_XET="1", **where)
    assert by_xet == by_http == expected
    assert reconstructions(hub) == answered


def test_a_file_goes_up_and_down_by_lfs(hub: Hub, name: str, source: Path, tmp_path: Path) -> None:
    repo = f"alice/{name}"
    hub.api("alice").create_repo(repo)
    (tmp_path / "mine.bin").write_bytes(random.Random(4).randbytes(3_000_000))
    where = {"SOURCE": str(tmp_path), "REPO": repo, "HF_HUB_DISABLE_XET": "1"}
    before = received_xorbs(hub)
    run_client(hub, "alice", tmp_path / "home", UPLOAD, FILE="mine.bin", **where)
    assert received_xorbs(hub) == before
    sha256 = digest(tmp_path / "mine.bin")
    assert run_client(hub, None, tmp_path / "elsewhere", DOWNLOAD, **where) == sha256
    with hub.records.read() as session:
        (extent,) = session.scalars(sa.select(ExtentRecord).where(ExtentRecord.sha256 == sha256))
    assert extent.blob_key == f"file/{sha256[:2]}/{sha256}"


def test_a_file_is_kept_once_whoever_sends_it(hub: Hub, name: str, source: Path, tmp_path: Path) -> None:
    """Bob sends, by LFS, what Alice has sent by Xet: his repository has it, and the bytes are where they were."""
    for user in ("alice", "bob"):
        hub.api(user).create_repo(f"{user}/{name}", private=True)
    (tmp_path / "mine.bin").write_bytes(random.Random(5).randbytes(1_000_000))
    where = {"SOURCE": str(tmp_path), "FILE": "mine.bin"}
    run_client(hub, "alice", tmp_path / "a", UPLOAD, REPO=f"alice/{name}", **where)
    run_client(hub, "bob", tmp_path / "b", UPLOAD, REPO=f"bob/{name}", HF_HUB_DISABLE_XET="1", **where)
    sha256 = digest(tmp_path / "mine.bin")
    content = hub.ask("GET", f"/bob/{name}/resolve/main/weights.bin", "bob").content
    assert content == (tmp_path / "mine.bin").read_bytes()
    with hub.records.read() as session:
        assert session.get(LargeFileRecord, sha256) is not None
        keys = set(session.scalars(sa.select(ExtentRecord.blob_key).where(ExtentRecord.sha256 == sha256)))
    assert all(key.startswith("xorb/") for key in keys)


def test_a_reader_sends_a_large_file_for_a_pull_request(hub: Hub, name: str, tmp_path: Path) -> None:
    """By Xet and by LFS, without any right to write to the repository."""
    repo = f"alice/{name}"
    hub.api("alice").create_repo(repo)
    script = """
info = api.upload_file(
    path_or_fileobj=source / "mine.bin", path_in_repo="weights.bin", repo_id=repo, create_pr=True
)
print(json.dumps(info.pr_num))
"""
    for number, more in enumerate(({}, {"HF_HUB_DISABLE_XET": "1"}), 1):
        (tmp_path / "mine.bin").write_bytes(random.Random(10 + number).randbytes(500_000))
        found = run_client(hub, "bob", tmp_path / "home", script, SOURCE=str(tmp_path), REPO=repo, **more)
        assert found == number
        content = hub.ask("GET", f"/{repo}/resolve/refs%2Fpr%2F{number}/weights.bin").content
        assert content == (tmp_path / "mine.bin").read_bytes()


def test_a_large_file_is_copied_from_one_repository_to_another(hub: Hub, name: str, tmp_path: Path) -> None:
    """The bytes are sent once; Bob, who may read Alice's repository, then has them in his own."""
    hub.api("alice").create_repo(f"alice/{name}")
    hub.api("bob").create_repo(f"bob/{name}")
    (tmp_path / "mine.bin").write_bytes(random.Random(20).randbytes(400_000))
    run_client(hub, "alice", tmp_path / "a", UPLOAD, SOURCE=str(tmp_path), FILE="mine.bin", REPO=f"alice/{name}")
    before = received_xorbs(hub)
    copy = CommitOperationCopy("weights.bin", "copy.bin", src_repo_id=f"alice/{name}", src_repo_type="model")
    hub.api("bob").create_commit(f"bob/{name}", [copy], commit_message="copy")
    assert received_xorbs(hub) == before
    content = hub.ask("GET", f"/bob/{name}/resolve/main/copy.bin").content
    assert content == (tmp_path / "mine.bin").read_bytes()
