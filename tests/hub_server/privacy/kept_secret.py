"""What alice keeps to herself: a repository, a collection, a webhook, large files; and what bob has of his own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import xet_writing as written
from browser import Browser
from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import CommitOperationAdd

from enfold.hub.records import accounts, passwords

PASSWORD = "a long sentence of mine"
PRIVATE, MISSING = "alice/vault73", "alice/nought73"
LARGE = b"large and secret " * 50


@dataclass
class Secrets:
    """The hub, browsers of its people, and the ids of alice's things."""

    hub: Hub
    browsers: dict[str | None, Browser]
    values: dict[str, str] = field(default_factory=dict)
    """For the pieces of addresses: commit, uid of a comment, of a webhook, slug of a collection, hashes."""

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def ask(self, who: str | None, method: str, path: str, **more: Any) -> httpx2.Response:
        """A request as programs send it, with the user's token."""
        return self.hub.ask(method, path, who, **more)

    def browse(self, who: str | None, method: str, path: str, fields: dict[str, str] | None = None) -> httpx2.Response:
        """A request as a browser sends it; a form has the key of the user's session."""
        browser = self.browsers[who]
        if method == "GET":
            return browser.get(path)
        return browser.post(path, {**(fields or {}), "form_key": self.values[f"form key of {who}"]})

    def cas(self, who: str, repo: str, kind: str = "write") -> tuple[str, dict[str, str]]:
        """The place of a user's Xet token, as a path, and the header that opens it."""
        answer = self.ask(who, "GET", f"/api/models/{repo}/xet-{kind}-token/main").json()
        return answer["casUrl"].removeprefix(self.hub.url), {"Authorization": f"Bearer {answer['accessToken']}"}

    def batch(self, who: str, repo: str, operation: str, oid: str, size: int) -> dict[str, Any]:
        """What LFS answers about one file."""
        body = {"operation": operation, "transfers": ["basic"], "objects": [{"oid": oid, "size": size}]}
        answer = self.ask(who, "POST", f"/{repo}.git/info/lfs/objects/batch", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["objects"][0]
        return found


@contextmanager
def secrets_of_alice(root: Path) -> Iterator[Secrets]:
    """Serve such a hub while the block runs."""
    with hub_on_loopback(root, requests_per_minute=1_000_000) as hub:
        with hub.records.write() as session:
            alice, bob = accounts.user(session, "alice"), accounts.user(session, "bob")
            passwords.set_password(alice, PASSWORD)
            bob.password_hash = alice.password_hash
            accounts.create_organization(session, "lab", members=[(alice, "admin")])
        with Browser(hub.url) as nobody, Browser(hub.url) as first, Browser(hub.url) as second:
            kept = Secrets(hub, {None: nobody, "alice": first, "bob": second})
            first.sign_in("alice", PASSWORD)
            second.sign_in("bob", PASSWORD)
            for who, browser in kept.browsers.items():
                form = browser.read("/login" if who is None else "/settings").forms[0]
                kept.values[f"form key of {who}"] = form.fields["form_key"]
            _fill(kept)
            yield kept


def _fill(kept: Secrets) -> None:
    hub, api = kept.hub, kept.hub.api("alice")
    for who in ("alice", "bob"):
        hub.api(who).create_repo(f"{who}/open")
    api.create_repo(PRIVATE, private=True)
    api.create_repo("lab/vault73", private=True)
    api.create_commit(PRIVATE, operations=[CommitOperationAdd("a", b"secret")], commit_message="whisper")
    api.create_branch(PRIVATE, branch="dev")
    api.create_tag(PRIVATE, tag="v1")
    kept.values["commit"] = api.repo_info(PRIVATE).sha or ""
    discussion = api.create_discussion(PRIVATE, title="whisper", description="whisper")
    kept.values["comment"] = discussion.events[0].id
    api.create_pull_request(PRIVATE, title="whisper")
    kept.values["slug"] = api.create_collection("vault73", namespace="alice", private=True).slug
    kept.values["item"] = api.add_collection_item(kept["slug"], PRIVATE, "model").items[0].item_object_id
    watched = [{"type": "model", "name": PRIVATE}]
    api.create_webhook(url="https://example.org/vault73", watched=watched, domains=["repo"])  # type: ignore[arg-type]
    kept.values["webhook"] = api.list_webhooks()[0].id
    hub.ask("POST", f"/api/models/{PRIVATE}/like", "alice")

    kept.values["oid"] = hashlib.sha256(LARGE).hexdigest()
    actions = kept.batch("alice", PRIVATE, "upload", kept["oid"], len(LARGE))["actions"]
    with httpx2.Client() as plain:
        assert plain.put(actions["upload"]["href"], content=LARGE).status_code == 200
    kept.values["ticket to send"] = re.split(r"ticket=", actions["upload"]["href"])[1]
    kept.values["ticket to verify"] = re.split(r"ticket=", actions["verify"]["href"])[1]
    found = kept.batch("alice", PRIVATE, "download", kept["oid"], len(LARGE))["actions"]["download"]["href"]
    kept.values["ticket to fetch"] = re.split(r"ticket=", found)[1]

    chunks = written.some_chunks(4, seed=11)
    place, opened = kept.cas("alice", PRIVATE)
    kept.values |= {"xorb": written.xorb_name(chunks), "file": written.file_name(chunks)}
    kept.values["chunk"] = written.shown(written.chunk_hash(chunks[0]))
    sent = hub.ask(
        "POST", f"{place}/v1/xorbs/default/{kept['xorb']}", headers=opened, content=written.xorb_body(chunks)
    )
    assert sent.status_code == 200, sent.text
    shard = written.shard([written.file_entry([(chunks, 0, len(chunks))])])
    assert hub.ask("POST", f"{place}/v1/shards", headers=opened, content=shard).status_code == 200
    terms = hub.ask("GET", f"{place}/v2/reconstructions/{kept['file']}", headers=opened).json()
    kept.values["range"] = terms["xorbs"][kept["xorb"]][0]["url"].removeprefix(hub.url)
    kept.values["place"] = place
