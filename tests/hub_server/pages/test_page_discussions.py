"""Discussions and pull requests in a browser, by the very functions that the API has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

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
    assert alice.send(address, "", {"words": ""}, do="comment", words="I see").status_code == 303
    assert alice.send(address, "", {"words": ""}, do="closed").status_code == 303
    assert "I see" in nobody.read(address).text and "closed" in nobody.read(address).text
    assert address in nobody.read(page).links
    again = alice.send(address, "", {"words": ""}, do="closed")
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
    refused = bob.send(address, "", {"words": ""}, do="merge")
    assert refused.status_code == 422 and "you may not write" in refused.text
    assert "Merge into main" in alice.read(address).text
    assert alice.send(address, "", {"words": ""}, do="merge").status_code == 303
    assert "merged" in alice.read(address).text and "Merged as" in alice.read(address).text
    assert "two <script>" in bob.read("/alice/talk/blob/main/a.txt").text


def test_a_conflict_names_its_files(hub: Hub, alice: Browser) -> None:
    made = hub.api("bob").create_commit(
        "alice/talk", [CommitOperationAdd("a.txt", b"three\n")], commit_message="Three", create_pr=True
    )
    hub.api("alice").create_commit("alice/talk", [CommitOperationAdd("a.txt", b"four\n")], commit_message="Four")
    page = alice.read(f"/alice/talk/discussions/{made.pr_num}")
    assert "These files conflict" in page.text and "Merge into main" not in page.text
    assert f"/alice/talk/blob/refs%2Fpr%2F{made.pr_num}/a.txt" in page.links and "git merge origin/main" in page.text


def test_a_conflict_is_resolved_as_the_page_says(hub: Hub, alice: Browser, tmp_path: Path) -> None:
    """The lines that the page shows, run by the real git."""
    fill(hub, "alice/clash", {"a.txt": b"one\n"})
    change = CommitOperationAdd("a.txt", b"bob\n")
    made = hub.api("bob").create_commit("alice/clash", [change], commit_message="Bob", create_pr=True)
    hub.api("alice").create_commit("alice/clash", [CommitOperationAdd("a.txt", b"alice\n")], commit_message="Alice")
    address = f"/alice/clash/discussions/{made.pr_num}"
    (shown,) = re.findall(r"<pre[^>]*>([^<]+)</pre>", alice.get(address).text)
    origin = hub.url.replace("//", f"//bob:{hub.tokens['bob']}@", 1)
    clone = tmp_path / "clone"

    def run(line: str) -> int:
        who = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin", "HOME": "/tmp"}
        who |= {
            f"GIT_{role}_{what}": "bob@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        where = clone if clone.exists() else tmp_path
        return subprocess.run(line.split(), cwd=where, env=who, capture_output=True, check=False).returncode

    assert run(f"git clone -q {origin}/alice/clash {clone}") == 0
    *before, push = shown.splitlines()
    assert [run(line) for line in before] == [0, 0, 1]
    (clone / "a.txt").write_text("both\n")
    assert run("git commit -qam both") == 0 and run(push) == 0
    assert "These files conflict" not in alice.read(address).text
    assert alice.send(address, "", {"words": ""}, do="merge").status_code == 303
    assert "both" in alice.read("/alice/clash/blob/main/a.txt").text


def test_titles_and_comments_are_corrected_and_hidden(hub: Hub, alice: Browser, bob: Browser) -> None:
    page = "/alice/talk/discussions"
    address = bob.send(f"{page}/new", "", title="Tilte", words="Frist").headers["location"]
    assert bob.send(address, "", {"do": "rename"}, title="Title").status_code == 303
    form = next(each for each in bob.read(address).forms if "comment" in each.fields)
    assert form.fields["words"] == "Frist"
    assert bob.post(address, {**form.fields, "words": "First", "do": "edit"}).status_code == 303
    shown = alice.read(address)
    assert {"Title", "First"} <= set(" ".join(shown.words).split()) and "corrected" in shown.text
    (hide,) = [each for each in shown.forms if "comment" in each.fields]
    refused = alice.post(address, {**hide.fields, "words": "Not hers", "do": "edit"})
    assert refused.status_code == 422 and "only its author" in refused.text
    assert alice.post(address, {**hide.fields, "do": "hide"}).status_code == 303
    assert "The comment was hidden." in bob.read(address).text and "First" not in bob.read(address).text
    assert alice.send(address, "", {"words": ""}, do="closed").status_code == 303
    for query, there in (("?status=open", False), ("?status=closed", True), ("?type=pull_request", False), ("", True)):
        assert (address in bob.read(f"{page}{query}").links) is there, query


@pytest.mark.parametrize("rest", ["", "/1", "/new", "/99999999999"])
def test_those_of_what_is_private_look_like_those_of_what_is_missing(bob: Browser, rest: str) -> None:
    told = [bob.read(f"/alice/{name}/discussions{rest}", 404).text for name in ("hidden-talk", "missin-talk")]
    assert told[0].replace("hidden", "missin") == told[1]


def test_a_form_from_elsewhere_says_nothing(bob: Browser) -> None:
    fields = {**bob.read("/alice/talk/discussions/new").forms[0].fields, "title": "Spam spam", "words": "spam"}
    answer = bob.client.post("/alice/talk/discussions/new", data=fields, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "Spam spam" not in bob.read("/alice/talk/discussions").text
