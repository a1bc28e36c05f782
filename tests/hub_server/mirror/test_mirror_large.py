"""Large files of a mirror: fetched when they are first read, once, checked, and never given whole when wrong."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from between import Asked, Between, Reply
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from large_files import batch, plain, sha256_of

from enfold.errors import InputError
from enfold.hub.exchange.exporting import export_repositories
from enfold.hub.records import HubRoot, Records, links
from enfold.hub.records.repositories import find_repository
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState


def with_large(source: Hub, data: bytes, path: str = "model.bin") -> str:
    """A new repository upstream with one large file."""
    name = f"google/m-{secrets.token_hex(4)}"
    source.api("google").create_repo(name)
    source.api("google").upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=name)
    return name


def is_kept(mirror: Hub, name: str, data: bytes) -> bool:
    with mirror.records.read() as session:
        found = find_repository(session, "model", name)
        return found is not None and links.is_linked(session, found, sha256_of(data))


def leftovers(mirror: Hub) -> list[str]:
    return [each.name for each in (mirror.root / "tmp").iterdir() if each.name.startswith("mirror-")]


def sends_large(asked: Asked) -> bool:
    return asked.path.startswith("/lfs/objects/")


@pytest.fixture
def data() -> bytes:
    return secrets.token_bytes(300_000)


def test_a_large_file_comes_when_it_is_read(
    source: Hub, mirror: Hub, wire: Between, data: bytes, tmp_path: Path
) -> None:
    name = with_large(source, data)
    head = mirror.ask("HEAD", f"/{name}/resolve/main/model.bin")
    assert head.headers["x-linked-etag"].strip('"') == sha256_of(data)
    assert head.headers["x-linked-size"] == head.headers["content-length"] == str(len(data))
    assert not is_kept(mirror, name, data) and wire.count("POST", "/objects/batch") == 0
    for cache in ("a", "b"):
        file = hf_hub_download(name, "model.bin", endpoint=mirror.url, token=False, cache_dir=tmp_path / cache)
        assert Path(file).read_bytes() == data
    assert is_kept(mirror, name, data) and wire.count("POST", "/objects/batch") == 1
    wire.is_down = True
    answer = mirror.ask("GET", f"/{name}/resolve/main/model.bin")
    assert answer.content == data and "x-hf-warning" in answer.headers
    assert leftovers(mirror) == []


def test_ranges_are_given_once_the_whole_was_checked(source: Hub, mirror: Hub, data: bytes) -> None:
    name = with_large(source, data)
    part = mirror.ask("GET", f"/{name}/resolve/main/model.bin", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])
    assert is_kept(mirror, name, data)
    rest = mirror.ask("GET", f"/{name}/resolve/main/model.bin", headers={"Range": "bytes=299990-"})
    assert rest.content == data[299_990:]


def test_the_end_of_a_file_is_given_as_it_comes(source: Hub, mirror: Hub, data: bytes) -> None:
    name = with_large(source, data)
    rest = mirror.ask("GET", f"/{name}/resolve/main/model.bin", headers={"Range": "bytes=1000-"})
    assert (rest.status_code, rest.content) == (206, data[1000:])


def test_git_lfs_gets_it_too(source: Hub, mirror: Hub, data: bytes, tmp_path: Path) -> None:
    name = with_large(source, data)
    mirror.api().model_info(name)
    (found,) = batch(mirror, name, None, "download", (sha256_of(data), len(data))).json()["objects"]
    assert not is_kept(mirror, name, data)
    assert plain.get(found["actions"]["download"]["href"]).content == data
    assert is_kept(mirror, name, data)
    other = secrets.token_bytes(10)
    (found,) = batch(mirror, name, None, "download", (sha256_of(other), 10)).json()["objects"]
    assert plain.get(found["actions"]["download"]["href"]).status_code == 404
    if shutil.which("git-lfs"):
        subprocess.run(["git", "clone", "-q", f"{mirror.url}/{name}", str(tmp_path / "c")], check=True)
        assert (tmp_path / "c" / "model.bin").read_bytes() == data


def test_many_readers_at_once_make_one_fetch(source: Hub, mirror: Hub, wire: Between, data: bytes) -> None:
    name = with_large(source, data)
    mirror.api().model_info(name)

    def slow(asked: Asked, reply: Reply) -> None:
        if sends_large(asked):
            time.sleep(0.5)

    wire.change = slow
    found: list[bytes] = []
    address = f"/{name}/resolve/main/model.bin"
    threads = [threading.Thread(target=lambda: found.append(mirror.ask("GET", address).content)) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [data] * 12
    assert sum(map(sends_large, wire.asked)) == 1


def test_a_connection_that_breaks_is_taken_up_again(source: Hub, mirror: Hub, wire: Between, data: bytes) -> None:
    name = with_large(source, data)
    asked_for: list[str | None] = []

    def breaking(asked: Asked, reply: Reply) -> Reply | None:
        if not sends_large(asked):
            return None
        asked_for.append(asked.headers.get("range"))
        return Reply(reply.status, reply.headers, reply.body, cut=100_000)

    wire.change = breaking
    assert mirror.ask("GET", f"/{name}/resolve/main/model.bin").content == data
    assert asked_for == [None, "bytes=100000-", "bytes=200000-"]


def test_an_upstream_that_takes_no_ranges_is_read_again(source: Hub, mirror: Hub, wire: Between, data: bytes) -> None:
    name = with_large(source, data)
    cuts = iter([100_000, None])

    def breaking(asked: Asked, reply: Reply) -> Reply | None:
        return Reply(200, reply.headers, data, cut=next(cuts)) if sends_large(asked) else None

    wire.change = breaking
    assert mirror.ask("GET", f"/{name}/resolve/main/model.bin").content == data


@pytest.mark.parametrize("how", ["altered", "longer", "altered range"])
def test_a_wrong_file_is_never_given_whole(source: Hub, mirror: Hub, wire: Between, data: bytes, how: str) -> None:
    name = with_large(source, data)
    wrong = data + b"x" if how == "longer" else data[:-1] + bytes([data[-1] ^ 1])
    wire.change = lambda asked, reply: Reply(200, reply.headers, wrong) if sends_large(asked) else None
    headers = {"Range": "bytes=0-99"} if how == "altered range" else {}
    try:
        got = mirror.ask("GET", f"/{name}/resolve/main/model.bin", headers=headers).content
    except httpx2.HTTPError:
        got = b""
    assert len(got) < len(data) and not (headers and got == data[:100])
    assert not is_kept(mirror, name, data) and leftovers(mirror) == []
    wire.mend()
    assert mirror.ask("GET", f"/{name}/resolve/main/model.bin").content == data


def test_the_real_client_does_not_take_a_wrong_file(
    source: Hub, mirror: Hub, wire: Between, data: bytes, tmp_path: Path
) -> None:
    name = with_large(source, data)
    wrong = bytes([data[0] ^ 1]) + data[1:]
    wire.change = lambda asked, reply: Reply(200, reply.headers, wrong) if sends_large(asked) else None
    with pytest.raises(Exception, match=r"."):
        hf_hub_download(name, "model.bin", endpoint=mirror.url, token=False, cache_dir=tmp_path)
    assert not any(path.is_file() and path.stat().st_size == len(data) for path in tmp_path.rglob("*"))


def test_a_file_that_upstream_lacks_is_not_there(
    source: Hub, mirror: Hub, wire: Between, data: bytes, tmp_path: Path
) -> None:
    name = with_large(source, data)

    def lacking(asked: Asked, reply: Reply) -> Reply | None:
        if not asked.path.endswith("/objects/batch"):
            return None
        body = {"objects": [{"oid": sha256_of(data), "size": 1, "error": {"code": 404, "message": "none"}}]}
        return Reply(200, reply.headers, json.dumps(body).encode())

    wire.change = lacking
    answer = mirror.ask("GET", f"/{name}/resolve/main/model.bin")
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "EntryNotFound")
    with pytest.raises(EntryNotFoundError):
        mirror.api().hf_hub_download(name, "model.bin", cache_dir=tmp_path, force_download=True)


def test_while_upstream_is_down_a_file_that_is_not_kept_is_to_be_asked_for_again(
    source: Hub, mirror: Hub, wire: Between, data: bytes
) -> None:
    name = with_large(source, data)
    mirror.api().model_info(name)
    wire.is_down = True
    answer = mirror.ask("GET", f"/{name}/resolve/main/model.bin")
    assert answer.status_code == 503
    assert "is not kept here, and the upstream hub" in answer.json()["error"]
    assert mirror.ask("HEAD", f"/{name}/resolve/main/model.bin").status_code == 200


def test_one_mirror_does_not_lend_what_another_repository_keeps(
    source: Hub, mirror: Hub, wire: Between, data: bytes
) -> None:
    mirror.api("alice").create_repo(f"alice/m-{sha256_of(data)[:8]}", private=True)
    mirror.api("alice").upload_file(
        path_or_fileobj=data, path_in_repo="secret.bin", repo_id=f"alice/m-{sha256_of(data)[:8]}"
    )
    name = with_large(source, data)
    wire.change = lambda asked, reply: Reply(200, reply.headers, b"guess" * 60_000) if sends_large(asked) else None
    try:
        got = mirror.ask("GET", f"/{name}/resolve/main/model.bin").content
    except httpx2.HTTPError:
        got = b""
    assert got != data and not is_kept(mirror, name, data)


def test_a_page_says_that_a_file_comes_when_it_is_read(source: Hub, mirror: Hub, data: bytes) -> None:
    name = with_large(source, data)
    assert "mirrored" in mirror.ask("GET", f"/{name}").text
    shown = mirror.ask("GET", f"/{name}/blob/main/model.bin").text
    assert "The file is fetched from the upstream hub when it is first read." in shown
    assert not is_kept(mirror, name, data)
    assert mirror.ask("GET", f"/{name}/view/main/model.bin").content == data
    assert is_kept(mirror, name, data)


def test_a_mirror_is_exported_once_it_is_kept_whole(source: Hub, mirror: Hub, data: bytes, tmp_path: Path) -> None:
    name = with_large(source, data)
    mirror.api().model_info(name)
    settings = HubSettings(root=mirror.root)
    state = HubState(HubRoot.open(mirror.root), settings, Records(mirror.root / "hub.sqlite"))
    try:
        with pytest.raises(InputError, match=f"1 large files of {name}, such as model.bin, are not kept in this hub"):
            export_repositories(state, [name], tmp_path / "out", Ed25519PrivateKey.generate())
        assert not list(tmp_path.iterdir())
        assert mirror.ask("GET", f"/{name}/resolve/main/model.bin").content == data
        done = export_repositories(state, [name], tmp_path / "out", Ed25519PrivateKey.generate())
    finally:
        state.close()
    assert [each.sha256 for each in done.large] == [sha256_of(data)]


def test_a_copy_of_a_mirror_has_what_is_kept(source: Hub, mirror: Hub, data: bytes) -> None:
    name = with_large(source, data)
    assert mirror.ask("GET", f"/{name}/resolve/main/model.bin").content == data
    copy = f"alice/copy-{secrets.token_hex(3)}"
    assert mirror.ask("POST", f"/api/models/{name}/duplicate", "alice", json={"repository": copy}).status_code == 200
    assert mirror.ask("GET", f"/{copy}/resolve/main/model.bin").content == data
    mirror.api("alice").upload_file(path_or_fileobj=b"mine", path_in_repo="x", repo_id=copy)


# Files with code in them -------------------------------------------------------------------------------------------

EVIL = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R." + bytes(300_000)


@pytest.fixture(scope="module")
def evil(source: Hub) -> str:
    return with_large(source, EVIL, "model.pkl")


@pytest.fixture(params=["quarantine", "refuse"])
def strict(request: pytest.FixtureRequest, wire: Between, tmp_path: Path) -> Iterator[tuple[str, Hub]]:
    with hub_on_loopback(tmp_path / "root", upstream=wire.url, unsafe_files=request.param) as running:
        yield request.param, running


def test_files_that_are_judged_are_whole_before_they_are_given(strict: tuple[str, Hub], source: Hub, evil: str) -> None:
    policy, hub = strict
    answer = hub.ask("GET", f"/{evil}/resolve/main/model.pkl")
    assert answer.status_code == {"quarantine": 403, "refuse": 422}[policy], answer.text
    assert hashlib.sha256(answer.content).hexdigest() != sha256_of(EVIL)
    data = secrets.token_bytes(200_000)
    assert hub.ask("GET", f"/{with_large(source, data)}/resolve/main/model.bin").content == data


def test_a_warning_hub_looks_at_what_came(source: Hub, mirror: Hub, evil: str) -> None:
    assert mirror.ask("GET", f"/{evil}/resolve/main/model.pkl").content == EVIL
    until = time.monotonic() + 20
    while time.monotonic() < until:
        status = mirror.ask("GET", f"/api/models/{evil}?securityStatus=true").json()["securityRepoStatus"]
        if status["filesWithIssues"]:
            break
        time.sleep(0.2)
    assert status["filesWithIssues"] == [{"path": "model.pkl", "level": "unsafe"}]
