"""Discussions and pull requests in a browser, by the very functions that the API has."""

from __future__ import annotations

import pytest
from browser import Browser
from filled import fill
from hub_on_loopback import Hub
from huggingface_hub import CommitOperationAdd


@pytest.fixture(scope="module", autouse=True)
def filled(hub: Hub) -> None:
    fill(hub, "alice/talk", {"README.md": b"# Talk\n", "a.txt": b"one\n"})
    fill(hub, "alice/hidden-talk", {"README.md": b"# Hidden\n"}, private=True)


def test_a_discussion_is_opened_answered_and_closed(bob: Browser, alice: Browser, nobody: Browser) -> None:
    page = "/alice/talk/discussions"
    made = bob.send(f"{page}/new", "", title="Why <b>one</b>?", words="**Because**<script>alert(1)</script>")
    address = made.headers["location"]
    shown = nobody.read(address)
    assert "Why <b>one</b>?" in shown.text and "Because" in shown.text
    assert len(shown.find("script")) == 1 and "Sign in to take part." in shown.text
    assert alice.send(address, "", do="comment", words="I see").status_code == 303
    assert alice.send(address, "", do="closed").status_code == 303
    assert "I see" in nobody.read(address).text and "closed" in nobody.read(address).text
    assert address in nobody.read(page).links
    again = alice.send(address, "", do="closed")
    assert again.status_code == 422 and "it is closed already" in again.text
    empty = bob.send(f"{page}/new", "", title="x", words="y")
    assert empty.status_code == 422 and "at least 3 characters" in empty.text
    assert nobody.get(f"{page}/new").headers["location"].startswith("/login?next=")


def test_a_pull_request_is_read_and_merged(hub: Hub, alice: Browser, bob: Browser) -> None:
    change = CommitOperationAdd("a.txt", b"two <script>\n")
    made = hub.api("bob").create_commit("alice/talk", [change], commit_message="Better", create_pr=True)
    address = f"/alice/talk/discussions/{made.pr_num}"
    page = bob.read(address)
    assert "one" in page.text and "two <script>" in page.text and "Merge into main" not in page.text
    assert {given.get("class") for given in page.find("tr")} >= {"name", "added", "removed"}
    refused = bob.send(address, "", do="merge")
    assert refused.status_code == 422 and "you may not write" in refused.text
    assert "Merge into main" in alice.read(address).text
    assert alice.send(address, "", do="merge").status_code == 303
    assert "merged" in alice.read(address).text and "Merged as" in alice.read(address).text
    assert "two <script>" in bob.read("/alice/talk/blob/main/a.txt").text


def test_a_conflict_names_its_files(hub: Hub, alice: Browser) -> None:
    made = hub.api("bob").create_commit(
        "alice/talk", [CommitOperationAdd("a.txt", b"three\n")], commit_message="Three", create_pr=True
    )
    hub.api("alice").create_commit("alice/talk", [CommitOperationAdd("a.txt", b"four\n")], commit_message="Four")
    page = alice.read(f"/alice/talk/discussions/{made.pr_num}")
    assert "These files conflict" in page.text and "Merge into main" not in page.text


@pytest.mark.parametrize("rest", ["", "/1", "/new", "/99999999999"])
def test_those_of_what_is_private_look_like_those_of_what_is_missing(bob: Browser, rest: str) -> None:
    told = [bob.read(f"/alice/{name}/discussions{rest}", 404).text for name in ("hidden-talk", "missin-talk")]
    assert told[0].replace("hidden", "missin") == told[1]


def test_a_form_from_elsewhere_says_nothing(bob: Browser) -> None:
    fields = {**bob.read("/alice/talk/discussions/new").forms[0].fields, "title": "Spam spam", "words": "spam"}
    answer = bob.client.post("/alice/talk/discussions/new", data=fields, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "Spam spam" not in bob.read("/alice/talk/discussions").text
