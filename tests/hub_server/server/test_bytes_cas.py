"""The store behind Xet, spoken to byte by byte: who may refer to what, and that others learn nothing."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import xet_writing as written
from hub_on_loopback import Hub, hub_on_loopback
from large_files import batch, plain, send, sha256_of

from enfold.hub.records import Grant, Principal, accounts, tokens
from enfold.hub.records.permissions import downloadable, may
from enfold.hub.records.repositories import find_repository
from enfold.hub.records.schema import Quota, Repository
from enfold.hub.server import signing
from enfold.hub.server.routes import cas as cas_routes

Chunks = Sequence[bytes]


@dataclass
class Cas:
    """The store as one token opens it."""

    token: str
    url: str

    @classmethod
    def of(cls, hub: Hub, repo: str, user: str | None, kind: str = "write", **more: Any) -> Cas:
        answer = hub.ask("GET", f"/api/models/{repo}/xet-{kind}-token/main", user, **more)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert answer.headers["x-xet-access-token"] == body["accessToken"]
        assert answer.headers["x-xet-cas-url"] == body["casUrl"]
        assert int(answer.headers["x-xet-token-expiration"]) == body["exp"] >= time.time() + 3500
        return cls(body["accessToken"], body["casUrl"])

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return plain.request(method, self.url + path, headers=headers, **more)

    def xorb(self, chunks: Chunks) -> httpx2.Response:
        return self.ask("POST", f"/v1/xorbs/default/{written.xorb_name(chunks)}", content=written.xorb_body(chunks))

    def shard(self, *terms: written.Term, version: str = "v2", **more: Any) -> httpx2.Response:
        return self.ask("POST", f"/{version}/shards", content=written.shard([written.file_entry(terms, **more)]))

    def reconstruction(self, chunks: Chunks, version: str = "v2", **headers: str) -> httpx2.Response:
        return self.ask("GET", f"/{version}/reconstructions/{written.file_name(chunks)}", headers=headers)


def some_chunks(count: int = 5) -> list[bytes]:
    return written.some_chunks(count, seed=secrets.randbits(40))


def error(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


@pytest.fixture
def repo(hub: Hub, name: str) -> str:
    hub.api("alice").create_repo(f"alice/{name}", private=True)
    return f"alice/{name}"


@pytest.fixture
def theirs(hub: Hub, name: str) -> str:
    hub.api("bob").create_repo(f"bob/{name}", private=True)
    return f"bob/{name}"


def upload(cas: Cas, chunks: Chunks) -> None:
    assert cas.xorb(chunks).json() == {"was_inserted": True}
    answer = cas.shard((chunks, 0, len(chunks)))
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text == '{"type": "result", "result": 1}\n', answer.text


def test_a_file_is_sent_and_read_back_in_both_forms(hub: Hub, repo: str) -> None:
    chunks = some_chunks()
    content = b"".join(chunks)
    cas = Cas.of(hub, repo, "alice")
    upload(cas, chunks)
    assert cas.xorb(chunks).json() == {"was_inserted": False}
    assert cas.shard((chunks, 0, 5), version="v1").json() == {"result": 1}
    # LFS knows it too, whatever way it came.
    (found,) = batch(hub, repo, "alice", "download", (sha256_of(content), len(content))).json()["objects"]
    assert plain.get(found["actions"]["download"]["href"]).content == content

    reader = Cas.of(hub, repo, "alice", "read")
    newer, older = reader.reconstruction(chunks).json(), reader.reconstruction(chunks, "v1").json()
    (xorb,) = newer["xorbs"].values()
    (fetched,) = older["fetch_info"].values()
    assert newer["terms"] == older["terms"]
    for url, stretch in ((xorb[0]["url"], xorb[0]["ranges"][0]["bytes"]), (fetched[0]["url"], fetched[0]["url_range"])):
        part = plain.get(url, headers={"Range": f"bytes={stretch['start']}-{stretch['end']}"})
        assert (part.status_code, part.content) == (206, written.plain_body(chunks))
        size = len(part.content)
        assert part.headers["content-range"] == f"bytes 0-{size - 1}/{size}"


def test_a_range_of_a_file_names_what_holds_it(hub: Hub, repo: str) -> None:
    chunks = some_chunks()
    cas = Cas.of(hub, repo, "alice")
    upload(cas, chunks)
    size = len(b"".join(chunks))
    first = len(chunks[0])
    found = cas.reconstruction(chunks, Range=f"bytes={first + 10}-{first + 20}").json()
    assert found["offset_into_first_range"] == 10
    assert found["terms"][0]["range"] == {"start": 1, "end": 2}
    (xorb,) = found["xorbs"].values()
    stretch = xorb[0]["ranges"][0]["bytes"]
    part = plain.get(xorb[0]["url"], headers={"Range": f"bytes={stretch['start']}-{stretch['end']}"})
    assert part.content == written.plain_body(chunks[1:2])
    behind = cas.reconstruction(chunks, Range=f"bytes={size}-")
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{size}")
    # The address is good for this stretch and nothing around it.
    for wrong in (f"bytes={stretch['start'] - 1}-{stretch['end']}", f"bytes={stretch['start']}-{stretch['end'] + 1}"):
        assert plain.get(xorb[0]["url"], headers={"Range": wrong}).status_code == 403
    for more in ("start=0", f"end={stretch['end'] + 100}"):
        assert plain.get(f"{xorb[0]['url']}&{more}").status_code == 403
    assert plain.get(xorb[0]["url"], headers={"Range": "bytes=0-1,3-4"}).status_code == 400


def test_what_is_wrong_with_a_xorb_or_a_shard_is_said(hub: Hub, repo: str) -> None:
    chunks, other = some_chunks(), some_chunks(2)
    cas = Cas.of(hub, repo, "alice")
    name = written.xorb_name(chunks)
    wrong = cas.ask("POST", f"/v1/xorbs/default/{name}", content=written.xorb_body(other))
    assert wrong.status_code == 400
    assert name in wrong.json()["error"]
    assert cas.ask("POST", f"/v1/xorbs/default/{name}", content=b"\1junk").status_code == 400
    assert cas.ask("POST", "/v1/xorbs/default/x", content=b"").status_code == 400
    cut = cas.ask("POST", f"/v1/xorbs/default/{name}", content=written.xorb_body(chunks)[:-10])
    assert cut.status_code == 400
    assert cas.xorb(chunks).json() == {"was_inserted": True}
    lie = cas.shard((chunks, 0, 5), sha256="0" * 64)
    assert lie.status_code == 400
    assert lie.json()["error"].endswith(f"the shard says {'0' * 64}")
    assert cas.shard((chunks, 0, 5), proofs=[bytes(32)]).status_code == 400
    assert cas.ask("POST", "/v2/shards", content=b"junk").status_code == 400
    assert cas.reconstruction(chunks).status_code == 404


def test_a_shard_that_takes_long_is_followed_while_it_is_checked(
    hub: Hub, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the status was sent before the end: lines tell of progress, and the last one of the result or the error."""
    monkeypatch.setattr(cas_routes, "_PATIENCE_SECONDS", 0)
    chunks = some_chunks()
    cas = Cas.of(hub, repo, "alice")
    cas.xorb(chunks)
    size = len(b"".join(chunks))
    *before, last = [json.loads(line) for line in cas.shard((chunks, 0, 5)).text.splitlines()]
    assert last == {"type": "result", "result": 1}
    assert before in ([], [{"type": "validating", "verified": size, "total": size}])
    (failed,) = [json.loads(line) for line in cas.shard((some_chunks(), 0, 5)).text.splitlines()]
    assert failed.pop("message").endswith("which was not uploaded here; upload it first")
    assert failed == {"type": "error", "retryable": False}


def test_a_xorb_of_somebody_else_is_like_one_that_is_not_here(hub: Hub, repo: str, theirs: str) -> None:
    """Bob knows Alice's chunks and hashes, and can prove it; without the bytes it gets him nothing."""
    chunks, unknown = some_chunks(), some_chunks()
    upload(Cas.of(hub, repo, "alice"), chunks)
    cas = Cas.of(hub, theirs, "bob")
    answers = []
    for each in (chunks, unknown):
        names = (written.xorb_name(each), written.file_name(each))
        found = [
            cas.shard((each, 0, 5)),
            cas.shard((each, 1, 3), version="v1"),
            cas.ask("GET", f"/v1/chunks/default/{written.shown(written.chunk_hash(each[0]))}"),
            cas.ask("GET", f"/v1/chunks/default-merkledb/{written.shown(written.chunk_hash(each[0]))}"),
            cas.reconstruction(each),
            cas.reconstruction(each, "v1"),
            cas.ask("GET", f"/ranges/{names[0]}?start=0&end=10&ticket=abc"),
        ]
        shown = [(answer.status_code, answer.text) for answer in found]
        for name in (*names, written.shown(written.chunk_hash(each[0]))):
            shown = [(status, text.replace(name, "it")) for status, text in shown]
        answers.append(shown)
    assert answers[0] == answers[1]
    assert answers[0][0] == (
        400,
        '{"error":"the shard refers to xorb it, which was not uploaded here; upload it first"}',
    )
    # Sending the bytes is what opens it, and the answer does not say that they were here.
    upload(cas, chunks)
    assert cas.reconstruction(chunks).status_code == 200


def test_what_a_reader_may_download_they_need_not_send(hub: Hub, theirs: str, name: str) -> None:
    """A public file: Bob refers to its xorb, and is told of it when he asks for its first chunk."""
    public = f"alice/{name}-public"
    hub.api("alice").create_repo(public)
    chunks = some_chunks()
    upload(Cas.of(hub, public, "alice"), chunks)
    cas = Cas.of(hub, theirs, "bob")
    chunk = written.shown(written.chunk_hash(chunks[0]))
    answer = cas.ask("GET", f"/v1/chunks/default/{chunk}")
    assert answer.status_code == 200
    assert written.stored(written.xorb_name(chunks)) in answer.content
    assert written.chunk_hash(chunks[1]) not in answer.content, "hashes are keyed"
    assert cas.shard((chunks, 0, 3)).status_code == 200
    # Behind a gate it is his no longer: another part of it is refused, and the chunk unknown.
    hub.api("alice").update_repo_settings(public, gated="manual")
    hub.api("bob").delete_repo(theirs)
    hub.api("bob").create_repo(theirs, private=True)
    cas = Cas.of(hub, theirs, "bob")
    assert cas.shard((chunks, 1, 4)).status_code == 400
    assert cas.ask("GET", f"/v1/chunks/default/{chunk}").status_code == 404


def test_a_file_is_read_only_with_a_token_of_a_repository_that_has_it(hub: Hub, repo: str, name: str) -> None:
    chunks = some_chunks()
    upload(Cas.of(hub, repo, "alice"), chunks)
    hub.api("alice").create_repo(f"alice/{name}-other")
    assert Cas.of(hub, f"alice/{name}-other", "alice").reconstruction(chunks).status_code == 404


def test_a_token_is_good_for_its_right_its_place_and_its_time(
    hub: Hub, repo: str, theirs: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = some_chunks()
    reader, writer = Cas.of(hub, repo, "alice", "read"), Cas.of(hub, repo, "alice")
    assert reader.xorb(chunks).status_code == 403
    assert reader.shard((chunks, 0, 5)).status_code == 403
    assert reader.ask("GET", f"/v1/chunks/default/{'0' * 64}").status_code == 403
    bobs = Cas.of(hub, theirs, "bob")
    assert bobs.url != writer.url, "each user has a place of their own"
    assert hub.url in writer.url
    assert "alice" not in writer.url
    wrong = [
        (Cas(writer.token, bobs.url), "this Xet token is good at another address"),
        (Cas(writer.token[:-6], writer.url), "this was not signed by this hub, or was changed on its way"),
        (Cas(hub.tokens["alice"], writer.url), "this is not a Xet token: ask the repository for one"),
        (
            Cas(writer.token, f"{hub.url}/cas/0000-1-00"),
            "this is another store now; ask the repository for a new token",
        ),
    ]
    for cas, message in wrong:
        assert error(cas.xorb(chunks)) == (401, message)
        assert error(cas.shard((chunks, 0, 5))) == (401, message)
        assert error(cas.reconstruction(chunks)) == (401, message)
    later = time.time() + 2 * 3600
    monkeypatch.setattr(signing.time, "time", lambda: later)
    assert error(writer.xorb(chunks)) == (401, "this Xet token has expired; ask for a new one")


def test_a_xet_token_opens_nothing_else(hub: Hub, repo: str) -> None:
    cas = Cas.of(hub, repo, "alice")
    headers = {"Authorization": f"Bearer {cas.token}"}
    assert hub.ask("GET", "/api/whoami-v2", headers=headers).status_code == 401
    assert hub.ask("GET", f"/{repo}/resolve/main/.gitattributes", headers=headers).status_code == 401
    # … nor is it a signature of an address.
    address = f"/lfs/objects/{'a' * 64}?ticket={cas.token.removeprefix('xet_')}"
    assert hub.ask("GET", address).status_code == 403


def test_a_token_goes_with_the_right_it_was_given_for(hub: Hub, repo: str) -> None:
    label = secrets.token_hex(4)
    hub.add_token(label, "alice")
    cas = Cas.of(hub, repo, label)
    chunks = some_chunks()
    upload(cas, chunks)
    (stretches,) = cas.reconstruction(chunks).json()["xorbs"].values()
    assert plain.get(stretches[0]["url"]).status_code == 206
    with hub.records.write() as session:
        tokens.revoke_token(session, accounts.user(session, "alice"), label)
    assert cas.xorb(chunks).status_code == 403
    assert cas.reconstruction(chunks).status_code == 403
    assert plain.get(stretches[0]["url"]).status_code == 403


def test_who_gets_a_token(hub: Hub, repo: str, name: str) -> None:
    public = f"alice/{name}-public"
    hub.api("alice").create_repo(public)
    hub.add_token("bob-reads-only", "bob", role="read")

    def status(where: str, kind: str, user: str | None, query: str = "") -> int:
        return hub.ask("GET", f"/api/models/{where}/xet-{kind}-token/main{query}", user).status_code

    assert [status(repo, kind, user) for kind in ("read", "write") for user in ("bob", None)] == [404, 401] * 2
    assert [status(public, "read", user) for user in ("alice", "bob", None)] == [200] * 3
    assert [status(public, "write", user) for user in ("alice", "bob", "bob-reads-only", None)] == [200, 403, 403, 401]
    for_a_pull_request = [status(public, "write", user, "?create_pr=1") for user in ("bob", "bob-reads-only", None)]
    assert for_a_pull_request == [200, 403, 401]
    assert hub.ask("GET", f"/api/models/{public}/xet-write-token/None?create_pr=1", "bob").status_code == 200
    hub.api("alice").update_repo_settings(public, gated="auto")
    assert [status(public, "read", user) for user in ("alice", "bob", None)] == [200, 403, 401]


def test_what_a_client_may_ask_beside(hub: Hub, repo: str) -> None:
    cas = Cas.of(hub, repo, "alice")
    grant = cas.ask("POST", f"/v1/xorb-grants/default/{'0' * 64}", json={"length": 1})
    assert grant.status_code == 404, "the client then posts the xorb"
    for address in (f"{hub.url}/v1/telemetry", f"{cas.url}/v1/telemetry"):
        assert plain.post(address, json={}).status_code == 200


def test_a_body_over_the_bound_is_refused(hub: Hub, repo: str) -> None:
    cas = Cas.of(hub, repo, "alice")
    body = (bytes(1 << 20) for _ in range(80))
    try:
        answer = cas.ask("POST", "/v1/shards", content=body)
    except httpx2.TransportError:
        return  # refused while the body was still on its way
    assert answer.status_code == 413


def test_a_quota_holds_for_shards(tmp_path: Path) -> None:
    chunks = some_chunks()
    with hub_on_loopback(tmp_path / "root") as hub:
        hub.api("alice").create_repo("alice/m")
        with hub.records.write() as session:
            session.add(Quota(account_id=accounts.user(session, "alice").id, bytes=9000))
        cas = Cas.of(hub, "alice/m", "alice")
        cas.xorb(chunks)
        refused = cas.shard((chunks, 0, 5))
        assert refused.status_code == 413
        assert refused.json()["error"].startswith("alice may keep 9000 bytes and has 0:")
        assert cas.shard((chunks, 0, 2)).status_code == 200


def test_a_restarted_store_takes_its_old_tokens_and_another_store_does_not(tmp_path: Path) -> None:
    chunks = some_chunks()
    with hub_on_loopback(tmp_path / "one") as hub:
        hub.api("alice").create_repo("alice/m")
        upload(Cas.of(hub, "alice/m", "alice"), chunks)
        token = Cas.of(hub, "alice/m", None, "read")
        place = urlsplit(token.url).path
        assert token.reconstruction(chunks).status_code == 200
    with hub_on_loopback(tmp_path / "two") as other:
        assert Cas(token.token, other.url + place).reconstruction(chunks).status_code == 401


def principals(hub: Hub) -> list[Principal]:
    """Every kind of caller: without a name, members, those a gate let in, admins, tokens with grants."""
    with hub.records.write() as session:
        alice, bob = accounts.user(session, "alice"), accounts.user(session, "bob")
        everyone = [repository.id for repository in session.query(Repository)]
        some = random.Random(1)

        def user(account_id: int, **more: Any) -> Principal:
            return Principal(kind="user", name="x", account_id=account_id, **{"scope": "write", **more})

        found = [Principal(kind="anonymous"), Principal.job("test"), user(99, is_admin=True)]
        for account in (alice.id, bob.id, 99):
            for accepted in ((), tuple(some.sample(everyone, len(everyone) // 2))):
                mine = {"roles": {account: "admin"}, "accepted": frozenset(accepted)}
                grants = (Grant("read", account_id=alice.id), *(Grant("read", repository_id=i) for i in everyone[::3]))
                found += [user(account, **mine), user(account, scope="fineGrained", **mine)]
                found.append(user(account, scope="fineGrained", grants=grants, **mine))
        return found


def test_the_condition_on_repositories_is_the_rule_of_permissions(hub: Hub, name: str) -> None:
    """``downloadable`` and ``may(…, "download", …)`` agree for every caller and repository."""
    for number, (private, gated) in enumerate((p, g) for p in (False, True) for g in (None, "manual")):
        for owner in ("alice", "bob"):
            hub.api(owner).create_repo(f"{owner}/{name}-{number}", private=private)
            with hub.records.write() as session:
                made = find_repository(session, "model", f"{owner}/{name}-{number}")
                assert made is not None
                made.gated = gated
    for principal in principals(hub):
        with hub.records.read() as session:
            every = session.query(Repository).all()
            chosen = {row.id for row in session.query(Repository).where(downloadable(principal))}
        assert chosen == {row.id for row in every if may(principal, "download", row)}, principal


def test_files_that_came_by_lfs_are_no_xorbs(hub: Hub, repo: str) -> None:
    data = random.Random(8).randbytes(3000)
    send(hub, repo, "alice", data)
    assert Cas.of(hub, repo, "alice").reconstruction([data]).status_code == 404


def test_a_hub_on_each_kind_of_database(hub_database: str, tmp_path: Path) -> None:
    """A file is sent, found by its chunks, and read back; git and LFS write to the same records."""
    chunks, data = some_chunks(), random.Random(9).randbytes(3000)
    with hub_on_loopback(tmp_path / "root", database=hub_database) as hub:
        hub.api("alice").create_repo("alice/m")
        hub.api("bob").create_repo("bob/m")
        upload(Cas.of(hub, "alice/m", "alice"), chunks)
        send(hub, "alice/m", "alice", data)
        bobs = Cas.of(hub, "bob/m", "bob")
        assert bobs.ask("GET", f"/v1/chunks/default/{written.shown(written.chunk_hash(chunks[0]))}").status_code == 200
        assert bobs.ask("GET", "/v1/chunks/default/%00").status_code == 404
        assert bobs.shard((chunks, 0, 2), (chunks, 3, 5)).status_code == 200
        assert Cas.of(hub, "alice/m", None, "read").reconstruction(chunks).status_code == 200
        assert Cas.of(hub, "bob/m", None, "read").reconstruction(chunks).status_code == 404
