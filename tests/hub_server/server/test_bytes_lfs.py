"""Large files by LFS: what arrives is checked, what is linked is found, and a signed address opens one thing only."""

from __future__ import annotations

import random
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from hub_on_loopback import Hub, hub_on_loopback
from large_files import batch, plain, send, sha256_of

from enfold.hub.records import accounts, tokens
from enfold.hub.records.schema import Quota
from enfold.hub.server import signing


def noise(size: int = 5000) -> bytes:
    return random.Random(secrets.token_hex(8)).randbytes(size)


@pytest.fixture
def repo(hub: Hub, name: str) -> str:
    hub.api("alice").create_repo(f"alice/{name}", private=True)
    return f"alice/{name}"


def only(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.git-lfs+json"
    (found,) = answer.json()["objects"]
    return found


def test_a_file_that_is_here_needs_no_address(hub: Hub, repo: str) -> None:
    data = noise()
    send(hub, repo, "alice", data)
    found = only(batch(hub, repo, "alice", "upload", (sha256_of(data), len(data))))
    assert found == {"oid": sha256_of(data), "size": len(data), "authenticated": True}


def test_what_was_sent_is_fetched_whole_and_in_part(hub: Hub, repo: str) -> None:
    data = noise(400_000)
    send(hub, repo, "alice", data)
    href = only(batch(hub, repo, "alice", "download", (sha256_of(data), len(data))))["actions"]["download"]["href"]
    assert plain.get(href).content == data
    part = plain.get(href, headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, data[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(data)}"


def test_bytes_that_are_not_the_file_leave_nothing(hub: Hub, repo: str) -> None:
    data = noise()
    href = only(batch(hub, repo, "alice", "upload", (sha256_of(data), len(data))))["actions"]["upload"]["href"]
    other = plain.put(href, content=bytes(len(data)))
    assert other.status_code == 422
    assert other.json()["error"].endswith(f"{sha256_of(data)} was announced; nothing was stored")
    short = plain.put(href, content=data[:-1])
    assert short.status_code == 400
    assert short.json()["error"] == f"{len(data)} bytes were announced, the body has {len(data) - 1}"
    long = plain.put(href, content=iter([data, b"more"]))  # chunked: its length is not known before
    assert long.status_code == 413
    assert not list((hub.root / "blobs").rglob(sha256_of(data)))
    assert "actions" in only(batch(hub, repo, "alice", "upload", (sha256_of(data), len(data))))


def test_a_body_that_is_cut_off_leaves_nothing(hub: Hub, repo: str) -> None:
    data = noise(3_000_000)
    href = only(batch(hub, repo, "alice", "upload", (sha256_of(data), len(data))))["actions"]["upload"]["href"]
    address = urlsplit(href)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = f"PUT {address.path}?{address.query} HTTP/1.1\r\nHost: hub\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data[:2_500_000])
    deadline = time.monotonic() + 5
    while list((hub.root / "tmp").glob("blob-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not list((hub.root / "tmp").glob("blob-*"))
    assert "actions" in only(batch(hub, repo, "alice", "upload", (sha256_of(data), len(data))))
    assert plain.put(href, content=data).status_code == 200


def test_a_client_may_ask_before_it_sends_the_body(hub: Hub, repo: str) -> None:
    data = noise(1000)
    href = only(batch(hub, repo, "alice", "upload", (sha256_of(data), len(data))))["actions"]["upload"]["href"]
    address = urlsplit(href)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = f"PUT {address.path}?{address.query} HTTP/1.1\r\nHost: hub\r\nContent-Length: {len(data)}\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(data)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_file_comes_in_parts_when_the_client_can(tmp_path: Path) -> None:
    data = noise(1_000_000)
    with hub_on_loopback(tmp_path / "root", max_single_bytes=300_000) as hub:
        hub.api("alice").create_repo("alice/m")
        asked = (sha256_of(data), len(data))
        whole = batch(hub, "alice/m", "alice", "upload", asked).json()
        assert whole["transfer"] == "basic"
        answer = batch(hub, "alice/m", "alice", "upload", asked, transfers=["basic", "multipart"]).json()
        assert answer["transfer"] == "multipart"
        upload = answer["objects"][0]["actions"]["upload"]
        assert upload["header"]["chunk_size"] == "300000"
        parts = [{"partNumber": number, "etag": ""} for number in range(1, 5)]
        too_soon = plain.post(upload["href"], json={"oid": asked[0], "parts": parts})
        assert (too_soon.status_code, too_soon.json()["error"]) == (
            422,
            "part 1 of 4 has not arrived as named; send it again",
        )
        for part in reversed(parts):
            number = int(part["partNumber"])
            piece = data[(number - 1) * 300_000 : number * 300_000]
            part["etag"] = plain.put(upload["header"][str(number)], content=piece).headers["etag"]
        wrong = plain.put(upload["header"]["1"], content=b"short")
        assert wrong.status_code == 400
        for _ in range(2):  # a client whose answer was lost asks again
            done = plain.post(upload["href"], json={"oid": asked[0], "parts": parts})
            assert done.status_code == 200, done.text
        found = batch(hub, "alice/m", None, "download", asked).json()["objects"][0]
        assert plain.get(found["actions"]["download"]["href"]).content == data


@pytest.mark.parametrize(
    ("oid", "size", "code", "message"),
    [
        ("../../etc/passwd", 1, 422, "a large file has a sha256 of 64 lower-case hexadecimal digits and a size"),
        ("A" * 64, 1, 422, "a large file has a sha256 of 64 lower-case hexadecimal digits and a size"),
        ("a" * 64, -1, 422, "a large file has a sha256 of 64 lower-case hexadecimal digits and a size"),
        ("a" * 64, 2**60, 422, f"the file has {2**60} bytes, at most {2**42} are taken"),
    ],
)
def test_what_cannot_be_a_file_is_said_file_by_file(
    hub: Hub, repo: str, oid: str, size: int, code: int, message: str
) -> None:
    answer = batch(hub, repo, "alice", "upload", (oid, size), (sha256_of(b"x"), 1)).json()["objects"]
    assert answer[0]["error"] == {"code": code, "message": message}
    assert "actions" in answer[1]


def test_a_size_that_is_not_the_files_is_refused(hub: Hub, repo: str) -> None:
    data = noise()
    send(hub, repo, "alice", data)
    for operation in ("upload", "download"):
        found = only(batch(hub, repo, "alice", operation, (sha256_of(data), 7)))
        assert found["error"] == {
            "code": 422,
            "message": f"the file of this sha256 has {len(data)} bytes, not 7",
        }


def test_another_hash_is_refused(hub: Hub, repo: str) -> None:
    answer = batch(hub, repo, "alice", "upload", ("a" * 64, 1), hash_algo="sha1")
    assert (answer.status_code, answer.json()["error"]) == (409, "files are known by their sha256 here, not by sha1")


def test_a_stored_file_of_somebody_else_is_like_one_that_nobody_has(hub: Hub, repo: str, name: str) -> None:
    """The second user knows the sha256 and the size: it gets them nothing but the right to send the bytes."""
    data, unknown = noise(), noise()
    send(hub, repo, "alice", data)
    hub.api("bob").create_repo(f"bob/{name}")
    answers = []
    for each in (data, unknown):
        fetched = only(batch(hub, f"bob/{name}", "bob", "download", (sha256_of(each), len(each))))
        assert fetched.pop("oid") == sha256_of(each)
        sent = only(batch(hub, f"bob/{name}", "bob", "upload", (sha256_of(each), len(each))))
        verified = plain.post(
            sent["actions"]["verify"]["href"], json={"oid": sha256_of(each), "size": len(each)}
        ).json()["error"]
        answers.append([fetched, sorted(sent["actions"]), verified.replace(sha256_of(each), "it")])
    assert answers[0] == answers[1]
    assert answers[0][0]["error"] == {"code": 404, "message": "this repository has no such large file"}
    # Whoever has the bytes may use them.
    send(hub, f"bob/{name}", "bob", data)
    assert "actions" in only(batch(hub, f"bob/{name}", "bob", "download", (sha256_of(data), len(data))))


def test_who_may_not_know_of_a_repository_gets_no_addresses(hub: Hub, repo: str) -> None:
    for user, status in (("bob", 404), (None, 401)):
        for operation in ("upload", "download"):
            answer = batch(hub, repo, user, operation, ("a" * 64, 1))
            assert (answer.status_code, answer.json()["error"]) == (status, "Repository not found")
            assert answer.headers["x-error-code"] == "RepoNotFound"
        assert hub.ask("POST", f"/{repo}.git/info/lfs/locks/verify", user, json={}).status_code == status


def test_reading_is_for_readers_and_sending_for_those_with_a_name(hub: Hub, name: str) -> None:
    hub.api("alice").create_repo(f"alice/{name}")
    hub.add_token("bob-reads", "bob", role="read")
    data = noise()
    send(hub, f"alice/{name}", "alice", data)
    assert "actions" in only(batch(hub, f"alice/{name}", None, "download", (sha256_of(data), len(data))))
    assert batch(hub, f"alice/{name}", None, "upload", ("a" * 64, 1)).status_code == 401
    assert batch(hub, f"alice/{name}", "bob-reads", "upload", ("a" * 64, 1)).status_code == 403
    # There are no locks, and only who writes is told so.
    assert hub.ask("POST", f"/alice/{name}.git/info/lfs/locks/verify", "bob", json={}).status_code == 403
    answer = hub.ask("POST", f"/alice/{name}.git/info/lfs/locks/verify", "alice", json={"ref": {"name": "x"}})
    assert answer.json() == {"ours": [], "theirs": []}


def test_a_gate_holds_for_large_files(hub: Hub, name: str) -> None:
    repo, data = f"alice/{name}", noise()
    hub.api("alice").create_repo(repo)
    send(hub, repo, "alice", data)
    href = only(batch(hub, repo, None, "download", (sha256_of(data), len(data))))["actions"]["download"]["href"]
    hub.api("alice").update_repo_settings(repo, gated="manual")
    assert batch(hub, repo, "bob", "download", (sha256_of(data), len(data))).headers["x-error-code"] == "GatedRepo"
    refused = plain.get(href)
    assert (refused.status_code, refused.headers["x-error-code"]) == (401, "GatedRepo")


@pytest.fixture
def hrefs(hub: Hub, repo: str) -> Iterator[dict[str, str]]:
    """The addresses that Alice is given for one file that is here and for one that is not."""
    data, new = noise(), noise()
    send(hub, repo, "alice", data)
    fetch = only(batch(hub, repo, "alice", "download", (sha256_of(data), len(data))))["actions"]
    sends = only(batch(hub, repo, "alice", "upload", (sha256_of(new), len(new))))["actions"]
    yield {
        "GET": fetch["download"]["href"],
        "PUT": sends["upload"]["href"],
        "POST": sends["verify"]["href"],
        "data": data.hex(),
        "new": new.hex(),
    }


def request(method: str, href: str, hrefs: dict[str, str]) -> httpx2.Response:
    data = bytes.fromhex(hrefs["new"])
    if method == "POST":
        return plain.post(href, json={"oid": sha256_of(data), "size": len(data)})
    return plain.request(method, href, content=data if method == "PUT" else None)


def test_an_address_is_good_for_one_method_and_one_file(hub: Hub, hrefs: dict[str, str]) -> None:
    for method in ("GET", "PUT", "POST"):
        path, _, ticket = hrefs[method].partition("?")
        for other in ("GET", "PUT", "POST"):
            if other != method:  # the ticket of one address on the path of another
                answer = request(other, f"{hrefs[other].partition('?')[0]}?{ticket}", hrefs)
                assert (answer.status_code, answer.json()["error"]) == (
                    403,
                    "Forbidden: this address was signed for something else",
                )
        another = path.replace(path.split("/")[5], "a" * 64)
        assert request(method, f"{another}?{ticket}", hrefs).status_code == 403
        middle = len(ticket) // 2
        spoiled = ticket[:middle] + ("A" if ticket[middle] != "A" else "B") + ticket[middle + 1 :]
        for wrong in (spoiled, ticket[:-4], "ticket=", "ticket=%00", f"ticket={'A' * 5000}"):
            answer = request(method, f"{path}?{wrong}", hrefs)
            assert (answer.status_code, answer.json()["error"]) == (
                403,
                "Forbidden: this was not signed by this hub, or was changed on its way",
            )
        assert request(method, path, hrefs).status_code == 422


def test_an_address_tells_nothing_and_expires(hub: Hub, hrefs: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "alice" not in hrefs["GET"]
    assert hub.tokens["alice"] not in hrefs["GET"]
    later = time.time() + 25 * 3600
    monkeypatch.setattr(signing.time, "time", lambda: later)
    for method in ("GET", "PUT", "POST"):
        answer = request(method, hrefs[method], hrefs)
        assert (answer.status_code, answer.json()["error"]) == (
            403,
            "Forbidden: this address has expired; ask for a new one",
        )


def test_an_address_goes_with_the_token_that_asked_for_it(hub: Hub, repo: str) -> None:
    data = noise()
    send(hub, repo, "alice", data)
    label = secrets.token_hex(4)
    hub.add_token(label, "alice")
    href = only(batch(hub, repo, label, "download", (sha256_of(data), len(data))))["actions"]["download"]["href"]
    assert plain.get(href).content == data
    with hub.records.write() as session:
        tokens.revoke_token(session, accounts.user(session, "alice"), label)
    answer = plain.get(href)
    assert (answer.status_code, answer.json()["error"]) == (
        403,
        "Forbidden: the token behind this was revoked, or has expired",
    )


def test_an_address_of_another_hub_opens_nothing(hub: Hub, hrefs: dict[str, str], tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root") as other:
        address = urlsplit(hrefs["GET"])
        assert other.ask("GET", f"{address.path}?{address.query}").status_code == 403


def test_a_repository_that_goes_takes_its_addresses_with_it(hub: Hub, repo: str, hrefs: dict[str, str]) -> None:
    hub.api("alice").delete_repo(repo)
    for method in ("GET", "PUT", "POST"):
        answer = request(method, hrefs[method], hrefs)
        assert (answer.status_code, answer.json()["error"]) == (
            403,
            "Forbidden: the repository that this was signed for is gone",
        )


def test_a_full_disk_is_said_before_anything_is_read(tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root", reserve_bytes=2**60) as hub:
        hub.api("alice").create_repo("alice/m")
        href = only(batch(hub, "alice/m", "alice", "upload", ("a" * 64, 10)))["actions"]["upload"]["href"]
        answer = plain.put(href, content=b"0123456789")
        assert (answer.status_code, answer.json()["error"]) == (
            507,
            "the hub has no room for this; ask its admin to free some",
        )


def test_a_quota_is_said_before_anything_is_sent_and_holds_for_copies(tmp_path: Path) -> None:
    data, more = noise(6000), noise(5000)
    with hub_on_loopback(tmp_path / "root") as hub:
        for repo in ("alice/m", "alice/n"):
            hub.api("alice").create_repo(repo)
        found = only(batch(hub, "alice/m", "alice", "upload", (sha256_of(data), 6000)))
        for _ in range(2):  # sent twice, it counts once
            assert plain.put(found["actions"]["upload"]["href"], content=data).status_code == 200
        assert hub.api("alice").model_info("alice/m").used_storage == 6000
        with hub.records.write() as session:
            owner = accounts.user(session, "alice").id
            session.add(Quota(account_id=owner, bytes=10_000, file_bytes=7000))
        refused = batch(hub, "alice/n", "alice", "upload", (sha256_of(more), 5000))
        assert (refused.status_code, refused.json()["error"]) == (
            413,
            "alice may keep 10000 bytes and has 6000: 5000 more do not fit; "
            "delete repositories, or ask an admin of the hub for more",
        )
        one = batch(hub, "alice/n", "alice", "upload", ("a" * 64, 7001)).json()["error"]
        assert one == "the file has 7001 bytes; a file of alice may have at most 7000"
        wanted = {"target": {"name": "alice/n"}, "files": [{"sha256": sha256_of(data)}]}
        copied = hub.ask("POST", "/api/models/alice/m/lfs-files/duplicate", "alice", json=wanted)
        assert copied.status_code == 413
        assert "error" in only(batch(hub, "alice/n", "alice", "download", (sha256_of(data), 6000)))
        # What was sent before is here, and room that is made can be used.
        assert "actions" not in only(batch(hub, "alice/m", "alice", "upload", (sha256_of(data), 6000)))
        hub.api("alice").delete_repo("alice/m")
        send(hub, "alice/n", "alice", more)


def test_a_copy_links_what_its_author_may_read(hub: Hub, repo: str, name: str) -> None:
    """And nothing else: neither from a repository that is hidden from them, nor to one that they may not write to."""
    data, other = noise(), noise()
    send(hub, repo, "alice", data)
    hub.api("alice").create_repo(f"alice/{name}-b")
    hub.api("bob").create_repo(f"bob/{name}", private=True)
    send(hub, f"bob/{name}", "bob", other)

    def copy(source: str, target: str, user: str, *files: bytes) -> httpx2.Response:
        wanted = [{"sha256": sha256_of(each), "xetHash": "0" * 64, "filename": "x"} for each in files]
        body = {"target": {"type": "model", "name": target}, "files": wanted}
        return hub.ask("POST", f"/api/models/{source}/lfs-files/duplicate", user, json=body)

    done = copy(repo, f"alice/{name}-b", "alice", data, other)
    assert done.json()["failed"] == [{"sha256": sha256_of(other), "error": "the source has no such large file"}]
    asked = [(sha256_of(each), len(each)) for each in (data, other)]
    found = batch(hub, f"alice/{name}-b", "alice", "download", *asked).json()["objects"]
    assert ["actions" in each for each in found] == [True, False]
    assert copy(repo, f"bob/{name}", "bob", data).status_code == 404
    assert copy(f"bob/{name}", repo, "bob", other).status_code == 404
    assert "error" in only(batch(hub, f"bob/{name}", "bob", "download", asked[0]))
