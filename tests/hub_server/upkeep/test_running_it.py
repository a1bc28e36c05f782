"""A hub as a service: behind nginx and with TLS of its own, stopped while it answers, and within its limits."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from certificates import make_certificate
from client_process import run_client, served_again
from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError
from large_files import batch, plain, send, sha256_of

from enfold.errors import SettingsError
from enfold.hub.records import Records
from enfold.hub.records.schema import Account, LandedCommit, Quota, now

PAGE = Path(__file__).parents[3] / "docs" / "hub-operations.md"
DAY = 24 * 3600


def old(path: Path) -> None:
    os.utime(path, (time.time() - 25 * 3600,) * 2)


def test_uploads_that_were_abandoned_go_while_the_hub_serves(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with hub_on_loopback(root, housekeeping_seconds=0.1) as hub:
        hub.api("alice").create_repo("alice/m")
        left, going_on = root / "tmp" / "blob-left", root / "tmp" / "parts-going-on"
        left.write_bytes(b"half")
        going_on.mkdir()
        (going_on / "data").write_bytes(b"a part that is arriving")
        old(left)
        old(going_on)  # nothing was made in it for a day, but its file was written to a moment ago
        hub.api("alice").create_commit("alice/m", [CommitOperationAdd("a", b"a")], commit_message="a")
        with hub.records.write() as session:
            session.execute(sa.update(LandedCommit).values(at=LandedCommit.at))
            for row in session.scalars(sa.select(LandedCommit)):
                row.at = now().replace(year=2020)
        for _ in range(100):
            with hub.records.read() as session:
                kept = session.scalar(sa.select(sa.func.count()).select_from(LandedCommit))
            if not left.exists() and not kept:
                break
            time.sleep(0.05)
        assert not left.exists()
        assert kept == 0
        assert (going_on / "data").exists()


def test_the_reserve_of_the_disk_is_for_small_commits(tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root", reserve_bytes=2**60) as hub:
        api = hub.api("alice")
        api.create_repo("alice/m")
        api.create_commit("alice/m", [CommitOperationAdd("small.txt", b"small")], commit_message="Small")
        with pytest.raises(HfHubHTTPError, match="507"):
            api.create_commit("alice/m", [CommitOperationAdd("a.txt", b"a" * 100_000)], commit_message="Not small")


def test_it_speaks_https_itself(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with hub_on_loopback(tmp_path / "root", tls_certificate=certificate, tls_key=key) as hub:
        assert hub.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificate))
        answer = httpx2.get(f"{hub.url}/health", verify=trusted)
        assert answer.json() == {"status": "ok"}
        batched = httpx2.post(
            f"{hub.url}/alice/m.git/info/lfs/objects/batch",
            json={"operation": "download", "objects": []},
            verify=trusted,
        )
        assert batched.status_code == 401


@contextmanager
def command(root: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The real command, and its address."""
    started = [sys.executable, "-m", "enfold", "hub", "serve", "--root", str(root), "--port", "0", *more]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[4]
        finally:
            if process.poll() is None:
                process.kill()


def test_what_was_accepted_is_answered_before_it_ends(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with hub_on_loopback(root) as hub:
        hub.api("alice").create_repo("alice/m")
        users = hub.tokens
    data = b"x" * 400_000
    with command(root, "--log", "json") as (process, url):
        records = Records(root / "hub.sqlite")
        running = Hub(url, root, records, users)
        (found,) = batch(running, "alice/m", "alice", "upload", (sha256_of(data), len(data))).json()["objects"]
        began = threading.Event()

        def slowly() -> Iterator[bytes]:
            for place in range(0, len(data), 40_000):
                yield data[place : place + 40_000]
                began.set()
                time.sleep(0.1)

        answers: list[httpx2.Response] = []
        headers = {"Content-Length": str(len(data)), "X-Request-Id": "mine-1"}
        href = found["actions"]["upload"]["href"]
        sending = threading.Thread(target=lambda: answers.append(plain.put(href, content=slowly(), headers=headers)))
        sending.start()
        assert began.wait(10)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{url}/health")
        sending.join()
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
        assert process.wait(20) == 0
        records.close()
    assert [answer.status_code for answer in answers] == [200]
    assert {"mine-1"} <= {line.get("request_id") for line in lines}
    with served_again(root) as hub:
        assert batch(hub, "alice/m", "alice", "download", (sha256_of(data), len(data))).json()["objects"][0]["actions"]


def test_an_open_address_without_tls_warns(tmp_path: Path) -> None:
    with command(tmp_path / "root", "--host", "0.0.0.0") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert "warning: 0.0.0.0 can be reached from other machines and tokens would cross" in process.stderr.read()


# Limits ------------------------------------------------------------------------------------------------------------


def test_quotas_are_set_in_the_terminal(tmp_path: Path, enfold: Callable[..., Any]) -> None:
    root = tmp_path / "root"
    with hub_on_loopback(root) as hub:
        hub.api("alice").create_repo("alice/m")
        send(hub, "alice/m", "alice", b"x" * 1000)
        done = enfold("quota", "set", "alice", "--total", "1500", "--file", "1K", "--root", str(root))
        assert done.stdout == "alice may keep 1500 bytes, and 1000 bytes a file\n"
        answer = batch(hub, "alice/m", "alice", "upload", ("b" * 64, 600))
        assert answer.status_code == 413
        assert enfold("quota", "list", "--root", str(root)).stdout == "alice\t1000\t1500\t1000\n"
        done = enfold("quota", "set", "alice", "--root", str(root))
        assert done.stdout == "alice may keep as much as there is room for, and as much as there is room for a file\n"
        assert batch(hub, "alice/m", "alice", "upload", ("b" * 64, 600)).status_code == 200
        with hub.records.read() as session:
            owner = session.scalars(sa.select(Account.id).where(Account.name == "alice")).one()
            assert session.get_one(Quota, owner).bytes is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("17", 17), ("500M", 500_000_000), ("2t", 2 * 10**12), ("20 ", 20), ("1kB", 1000), ("3GB", 3 * 10**9)],
)
def test_sizes(text: str, number: int) -> None:
    from enfold.cli.hub_quotas import read_size

    assert read_size("--total", text) == number


@pytest.mark.parametrize("text", ["", "M", "-1", "1.5G", "1e9", "2X", "٣"])
def test_what_is_no_size(text: str, enfold: Callable[..., Any], tmp_path: Path) -> None:
    from enfold.cli.hub_quotas import read_size

    with pytest.raises(SettingsError, match="must be a number of bytes, such as 500M, 20G or 2T"):
        read_size("--total", text)
    done = enfold("serve", "--root", str(tmp_path / "none"), f"--reserve={text}")
    assert done.returncode == 2
    assert done.stderr == f"error: --reserve {text!r} must be a number of bytes, such as 500M, 20G or 2T\n"


def test_who_is_nobody_has_no_quota(tmp_path: Path, enfold: Callable[..., Any]) -> None:
    with hub_on_loopback(tmp_path / "root"):
        done = enfold("quota", "set", "alcie", "--total", "1G", "--root", str(tmp_path / "root"))
    assert done.returncode == 2
    assert "there is no account 'alcie'; did you mean 'alice'?" in done.stderr


# nginx -------------------------------------------------------------------------------------------------------------


@contextmanager
def nginx(folder: Path, hub_url: str, port: int) -> Iterator[Path]:
    """nginx with the file of the documentation, but for its ports and paths; its certificate."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    certificate, key = make_certificate(folder)
    match = re.search(r"```text\n(server {.*?)```", PAGE.read_text(), re.DOTALL)
    assert match is not None
    server = match[1]
    for before, after in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/hub.pem": str(certificate),
        "/etc/ssl/hub.key": str(key),
        "http://127.0.0.1:8080": hub_url,
        "hub.example.org": "127.0.0.1",
    }.items():
        assert before in server
        server = server.replace(before, after)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n{paths}{server}}}\n"
    (folder / "nginx.conf").write_text(whole)
    with subprocess.Popen(
        [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if process.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            yield certificate
        finally:
            process.terminate()


THROUGH_NGINX = """
import hashlib, json, os, random, subprocess
from huggingface_hub import HfApi

api = HfApi()
api.create_repo("alice/m")
data = random.Random(1).randbytes(3_000_000)
api.upload_file(path_or_fileobj=data, path_in_repo="a folder/ü+%25.bin", repo_id="alice/m")
api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id="alice/m")
got = api.hf_hub_download("alice/m", "a folder/ü+%25.bin")
assert open(got, "rb").read() == data
print(json.dumps(hashlib.sha256(data).hexdigest()))
"""


def test_the_documented_nginx_passes_everything_on(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"https://127.0.0.1:{port}"
    settings: dict[str, Any] = {"trusted_proxies": ("127.0.0.1/32",), "public_url": url}
    with hub_on_loopback(tmp_path / "root", **settings) as hub, nginx(tmp_path, hub.url, port) as certificate:
        outside = Hub(url, hub.root, hub.records, hub.tokens)
        trusted = {"SSL_CERT_FILE": str(certificate), "HF_HUB_DISABLE_XET": "1"}
        sha256 = run_client(outside, "alice", tmp_path / "home", THROUGH_NGINX, **trusted)
        context = ssl.create_default_context(cafile=str(certificate))
        with httpx2.Client(verify=context, headers={"Authorization": f"Bearer {hub.tokens['alice']}"}) as client:
            address = f"{url}/alice/m/resolve/main/a%20folder/%C3%BC%2B%2525.bin"
            head = client.head(address)
            assert (head.status_code, head.headers["x-linked-etag"]) == (200, f'"{sha256}"')
            part = client.get(address, headers={"Range": "bytes=1000-1999"})
            assert (part.status_code, len(part.content)) == (206, 1000)
            whole = client.get(address)
            assert hashlib.sha256(whole.content).hexdigest() == sha256
            asked = {"operation": "download", "objects": [{"oid": sha256, "size": len(whole.content)}]}
            (found,) = client.post(f"{url}/alice/m.git/info/lfs/objects/batch", json=asked).json()["objects"]
            assert found["actions"]["download"]["href"].startswith(f"{url}/lfs/objects/{sha256}?")
        clone = subprocess.run(
            ["git", "clone", "-q", f"{url}/alice/m", str(tmp_path / "clone")],
            env={**os.environ, "GIT_LFS_SKIP_SMUDGE": "1", "GIT_SSL_CAINFO": str(certificate)},
            capture_output=True,
            text=True,
        )
        assert clone.returncode == 0, clone.stderr
        assert (tmp_path / "clone" / "a.txt").read_text() == "text"
