"""Webhooks: a real receiver on loopback, signed messages, and addresses that are not sent to."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import WebhookPayload
from huggingface_hub.errors import HfHubHTTPError

from enfold.errors import SettingsError
from enfold.hub.records import Records
from enfold.hub.records.schema import WebhookDelivery, now
from enfold.hub.server.outside import Destination, NotAllowed, check_address, destination, post
from enfold.hub.server.serving import background_hub
from enfold.hub.server.settings import HubSettings

LOOPBACK = ("127.0.0.0/8",)
SECRET = "a secret of my own"


@dataclass
class Receiver:
    """An HTTP server that keeps what it is sent."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; then 200."""

    def wait(self, count: int, seconds: float = 15) -> list[dict[str, Any]]:
        """What came, once ``count`` messages have."""
        end = time.monotonic() + seconds
        while len(self.messages) < count and time.monotonic() < end:
            time.sleep(0.02)
        assert len(self.messages) >= count, f"{len(self.messages)} messages of {count} came"
        return self.messages


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status = kept.answers.pop(0) if kept.answers else 200
            if status == 200:
                kept.messages.append(json.loads(body))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{kept.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub whose webhooks may reach loopback."""
    with hub_on_loopback(tmp_path_factory.mktemp("telling") / "root", allow_webhooks=LOOPBACK) as running:
        yield running


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def scopes(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["event"]["action"], each["event"]["scope"]) for each in messages]


def deliveries(hub: Hub) -> list[WebhookDelivery]:
    with hub.records.read() as session:
        return list(session.scalars(sa.select(WebhookDelivery).order_by(WebhookDelivery.id)))


def wait_for(condition: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_webhook_from_its_making_to_its_end(hub: Hub) -> None:
    alice = hub.api("alice")
    made = alice.create_webhook(
        url="https://example.org/hook",
        watched=[{"type": "user", "name": "alice"}, {"type": "model", "name": "bob/m"}],
        secret=SECRET,
    )
    assert (made.url, made.domains, made.secret, made.disabled) == (
        "https://example.org/hook",
        ["repo", "discussion"],
        SECRET,
        False,
    )
    assert [(each.type, each.name) for each in made.watched] == [("user", "alice"), ("model", "bob/m")]
    assert alice.get_webhook(made.id) == made
    assert made in alice.list_webhooks()
    assert alice.disable_webhook(made.id).disabled and not alice.enable_webhook(made.id).disabled
    changed = alice.update_webhook(
        made.id, url="https://example.org/other", watched=[{"type": "org", "name": "lab"}], domains=["repo"]
    )
    assert (changed.url, changed.domains, changed.watched[0].name) == ("https://example.org/other", ["repo"], "lab")
    assert changed.secret == SECRET
    for call in (
        lambda: hub.api("bob").get_webhook(made.id),
        lambda: hub.api("bob").delete_webhook(made.id),
        lambda: hub.api("bob").update_webhook(made.id, watched=[]),
        lambda: hub.api("bob").disable_webhook(made.id),
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            call()
        assert caught.value.response.status_code == 404
    assert hub.api("bob").list_webhooks() == []
    hub.add_token("alice-reads", "alice", role="read")
    with pytest.raises(HfHubHTTPError) as caught:
        hub.api("alice-reads").list_webhooks()
    assert caught.value.response.status_code == 403, "a secret is for tokens that may write"
    alice.delete_webhook(made.id)
    assert alice.list_webhooks() == []


def test_what_happens_is_told_and_signed(telling: Hub, inbox: Receiver, name: str) -> None:
    alice, bob = telling.api("alice"), telling.api("bob")
    alice.create_repo(f"alice/{name}-before")
    alice.create_webhook(url=f"{inbox.url}/hook?x=1", watched=[{"type": "user", "name": "Alice"}], secret=SECRET)
    repo = alice.create_repo(f"alice/{name}").repo_id
    alice.create_repo(f"alice/{name}-secret", private=True)
    alice.update_repo_settings(repo, gated="auto")
    bob.create_repo(f"bob/{name}")
    bob.create_discussion(repo, "A question", description="Why?")
    bob.comment_discussion(repo, 1, "Hello?")
    alice.change_discussion_status(repo, 1, "closed")
    bob.create_pull_request(repo, "A change")
    told = scopes(inbox.wait(8))
    assert sorted(told) == sorted(
        [
            ("create", "repo"),
            ("create", "repo"),
            ("update", "repo.config"),
            ("create", "discussion"),
            ("create", "discussion.comment"),
            ("update", "discussion"),
            ("update", "repo.content"),
            ("create", "discussion"),
        ]
    )
    alice.move_repo(repo, f"alice/{name}-new")
    moved = WebhookPayload.model_validate(inbox.wait(9)[8])
    assert (moved.event.action, moved.repo.name, moved.movedTo and moved.movedTo.name) == (
        "move",
        repo,
        f"alice/{name}-new",
    )
    alice.delete_repo(f"alice/{name}-new")
    gone = WebhookPayload.model_validate(inbox.wait(10)[9])
    assert (gone.event.action, gone.event.scope, gone.repo.name) == ("delete", "repo", f"alice/{name}-new")
    for _, headers, body in inbox.requests:
        assert headers["x-webhook-secret"] == SECRET
        signed = f"{headers['x-webhook-timestamp']}.".encode() + body
        expected_mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert headers["x-webhook-signature"] == f"sha256={expected_mac}"
        assert abs(time.time() - int(headers["x-webhook-timestamp"])) < 30
        WebhookPayload.model_validate_json(body)
    assert {path for path, _, _ in inbox.requests} == {"/hook?x=1"}
    assert not any(f"{name}-before" in body.decode() for _, _, body in inbox.requests), "that was before"
    assert not any(f"bob/{name}" in body.decode() for _, _, body in inbox.requests), "bob is not watched"


def test_a_discussion_and_a_pull_request_are_told_whole(telling: Hub, inbox: Receiver, name: str) -> None:
    alice, bob = telling.api("alice"), telling.api("bob")
    repo = alice.create_repo(f"alice/{name}").repo_id
    alice.create_webhook(url=inbox.url, watched=[{"type": "model", "name": repo}])
    bob.create_discussion(repo, "A question", description="Why?")
    alice.comment_discussion(repo, 1, "Because.")
    alice.change_discussion_status(repo, 1, "closed")
    bob.create_pull_request(repo, "A change")
    alice.change_discussion_status(repo, 2, "open")
    alice.merge_pull_request(repo, 2)
    told = [WebhookPayload.model_validate(each) for each in inbox.wait(7)]
    by_scope = sorted(scopes(inbox.messages))
    assert by_scope == sorted(
        [
            ("create", "discussion"),
            ("create", "discussion"),
            ("create", "discussion.comment"),
            ("update", "discussion"),
            ("update", "discussion"),
            ("update", "discussion"),
            ("update", "repo.content"),
        ]
    )
    comments = {each.comment.content for each in told if each.comment}
    assert {"Why?", "Because."} <= comments
    pulls = [each.discussion for each in told if each.discussion and each.discussion.num == 2]
    assert all(each.isPullRequest and each.changes and each.changes.base == "refs/heads/main" for each in pulls)
    moved = next(each.updatedRefs for each in told if each.updatedRefs)
    assert (moved[0].ref, moved[0].oldSha) == ("refs/pr/2", None)
    assert told[0].repo.url.web == f"{telling.url}/{repo}"
    assert told[0].repo.name == repo and not told[0].repo.private
    assert "x-webhook-secret" not in inbox.requests[0][1]
    assert "x-webhook-signature" not in inbox.requests[0][1]


def test_nobody_hears_of_what_they_may_not_see(telling: Hub, inbox: Receiver, name: str) -> None:
    telling.api("bob").create_webhook(url=inbox.url, watched=[{"type": "user", "name": "alice"}])
    alice = telling.api("alice")
    secret = alice.create_repo(f"alice/{name}-secret", private=True).repo_id
    alice.create_discussion(secret, "Inside", description="secret words")
    alice.delete_repo(secret)
    alice.create_repo(f"alice/{name}-public")
    inbox.wait(1)
    time.sleep(1.2)
    assert [each["repo"]["name"] for each in inbox.messages] == [f"alice/{name}-public"]


def test_a_domain_that_was_not_asked_for_is_not_told(telling: Hub, inbox: Receiver, name: str) -> None:
    alice = telling.api("alice")
    repo = alice.create_repo(f"alice/{name}").repo_id
    alice.create_webhook(url=inbox.url, watched=[{"type": "model", "name": repo}], domains=["discussion"])
    off = alice.create_webhook(url=f"{inbox.url}/off", watched=[{"type": "model", "name": repo}])
    alice.disable_webhook(off.id)
    alice.update_repo_settings(repo, gated="auto")
    alice.create_discussion(repo, "Heard", description="text")
    inbox.wait(1)
    assert scopes(inbox.messages) == [("create", "discussion")]
    assert {path for path, _, _ in inbox.requests} == {"/"}


def test_a_message_that_was_not_taken_is_sent_again(tmp_path: Path) -> None:
    """Refused, answered with an error, redirected; then the hub is stopped and started; nothing is lost."""
    root = tmp_path / "root"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    def again(records: Records) -> None:
        with records.write() as session:
            session.execute(sa.update(WebhookDelivery).values(due_at=now()))

    with hub_on_loopback(root, allow_webhooks=LOOPBACK) as hub:
        alice = hub.api("alice")
        alice.create_webhook(url=f"http://127.0.0.1:{port}/", watched=[{"type": "user", "name": "alice"}])
        alice.create_repo("alice/m")
        wait_for(lambda: any(each.attempts == 1 and each.due_at > now() for each in deliveries(hub)))
        with receiver(port) as inbox:
            inbox.answers += [500, 302]
            for count in (1, 2):
                again(hub.records)
                wait_for(lambda count=count: len(inbox.requests) == count)
                wait_for(lambda count=count: deliveries(hub)[0].answer == (500, 302)[count - 1])
            assert inbox.messages == [] and {path for path, _, _ in inbox.requests} == {"/"}, "no redirect is followed"
            assert deliveries(hub)[0].status == "waiting"
            assert len({headers["x-webhook-id"] for _, headers, _ in inbox.requests}) == 1
    settings = HubSettings(root=root, port=0, allow_webhooks=LOOPBACK)
    with receiver(port) as inbox, background_hub(settings):
        records = Records(root / "hub.sqlite")
        again(records)
        assert scopes(inbox.wait(1)) == [("create", "repo")]

        def last() -> WebhookDelivery:
            with records.read() as session:
                return session.scalars(sa.select(WebhookDelivery)).one()

        wait_for(lambda: last().status == "delivered")
        assert last().body == {}, "what it said is not kept"
        records.close()


def test_the_hubs_own_network_is_not_reached(hub: Hub, name: str) -> None:
    alice = hub.api("alice")
    with receiver() as inbox:
        watched = [{"type": "user", "name": "alice"}]
        with pytest.raises(HfHubHTTPError, match="not a public address") as caught:
            alice.create_webhook(url=inbox.url, watched=watched)
        assert caught.value.response.status_code == 400
        # A name is looked up when there is something to send.
        made = alice.create_webhook(url=inbox.url.replace("127.0.0.1", "localhost"), watched=watched)
        alice.create_repo(f"alice/{name}")
        wait_for(lambda: any(each.status == "failed" for each in deliveries(hub)))
        assert inbox.requests == []
        alice.delete_webhook(made.id)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0.0.0.0/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.1.1:8080/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[fc00::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "https://localhost/",
    ],
)
def test_addresses_that_are_not_public(url: str) -> None:
    with pytest.raises(NotAllowed, match="is not a public address; an admin of the hub can allow its network"):
        destination(url)


def test_public_and_allowed_addresses() -> None:
    assert destination("https://93.184.216.34/a b?q=ä".replace(" ", "%20")) == Destination(
        "93.184.216.34", 443, "93.184.216.34", True, "/a%20b?q=%C3%A4"
    )
    networks = [ipaddress.ip_network("10.0.0.0/8")]
    assert destination("http://10.1.2.3:8000/x", networks).address == "10.1.2.3"
    with pytest.raises(NotAllowed):
        destination("http://127.0.0.1/", networks)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "http:///path",
        "//example.org",
        "http://user:secret@example.org/",
        "http://example.org:99999/",
        "http://example.org/a b",
        "http://example.org/\r\nHost: x",
        "http://[::1/",
        "",
    ],
)
def test_addresses_that_cannot_be(url: str, hub: Hub) -> None:
    with pytest.raises(NotAllowed) as caught:
        check_address(url)
    assert "secret" not in str(caught.value) or "secret of the webhook" in str(caught.value)
    body = {"url": url, "watched": [{"type": "user", "name": "alice"}]}
    assert hub.ask("POST", "/api/settings/webhooks", "alice", json=body).status_code == 400


def test_the_address_that_was_checked_is_the_one_connected_to(inbox: Receiver) -> None:
    """The name is not looked up again: this one is no name at all."""
    port = int(inbox.url.rpartition(":")[2])
    to = Destination("name.invalid", port, "127.0.0.1", False, "/x")
    assert post(to, b'{"a": 1}', {"X-Test": "yes"}) == 200
    path, headers, body = inbox.requests[0]
    assert (path, headers["host"], headers["x-test"], body) == ("/x", f"name.invalid:{port}", "yes", b'{"a": 1}')


def test_an_answer_that_trickles_in_has_one_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not ended.wait(0.05):
                    try:
                        connection.sendall(b"X-More: x\r\n"[:1])
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        began = time.monotonic()
        to = Destination("slow.invalid", server.getsockname()[1], "127.0.0.1", False, "/")
        with pytest.raises(TimeoutError, match="did not answer within"):
            post(to, b"{}", {}, seconds=0.4)
        assert time.monotonic() - began < 3
        ended.set()
        thread.join()


def test_settings_of_allowed_networks(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="allow_webhooks: 'here' is no network in CIDR form"):
        HubSettings(root=tmp_path, allow_webhooks=("here",))
