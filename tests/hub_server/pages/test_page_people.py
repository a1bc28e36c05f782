"""Gates, likes, branches and tags, quotas and jobs in a browser, by the very functions that the API has."""

from __future__ import annotations

import re

import pytest
from browser import Browser
from fastapi.routing import APIRoute
from filled import fill
from hub_on_loopback import Hub
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from enfold.hub.pages.routes import PAGES
from enfold.hub.records import scan_queue
from enfold.hub.records.repositories import find_repository
from enfold.hub.store import DEFAULT_ATTRIBUTES

REPO = "alice/behind"


@pytest.fixture(scope="module", autouse=True)
def filled(hub: Hub) -> None:
    fill(hub, REPO, {"README.md": b"# Behind a gate\n", "a.txt": b"one\n", ".gitattributes": DEFAULT_ATTRIBUTES})
    fill(hub, "alice/hidden-too", {"README.md": b"# Hidden\n"}, private=True)


def gate(hub: Hub, repo: str, how: str | None) -> None:
    with hub.records.write() as session:
        found = find_repository(session, "model", repo)
        assert found is not None
        found.gated = how


def test_asking_and_being_let_in(hub: Hub, alice: Browser, bob: Browser, nobody: Browser) -> None:
    gate(hub, REPO, "manual")
    hub.add_user("carol")
    assert f"/{REPO}/access" in bob.read(f"/{REPO}").links
    assert nobody.get(f"/{REPO}/access").headers["location"].startswith("/login?next=")
    assert bob.send(f"/{REPO}/access", "", words="For <b>science</b>").status_code == 303
    assert "You have asked." in bob.read(f"/{REPO}/access").text
    bob.read(f"/{REPO}/blob/main/a.txt")
    settings = f"/{REPO}/settings/access"
    bob.read(settings, 403)
    page = alice.read(settings)
    assert "For <b>science</b>" in page.text and "bob" in page.words
    form = next(each for each in page.forms if "request" in each.fields)
    sent = {**form.fields, "do": "rejected", "reason": "No <i>need</i>"}
    assert alice.post(settings, sent).status_code == 303
    assert "No <i>need</i>" in bob.read(f"/{REPO}/access").text
    assert "bob" in alice.read(f"{settings}?status=rejected").words
    again = alice.post(settings, sent)
    assert again.status_code == 422 and "rejected already" in again.text
    assert alice.post(settings, {**form.fields, "do": "accepted"}).status_code == 303
    assert "You have access." in bob.read(f"/{REPO}/access").text
    assert "one" in bob.read(f"/{REPO}/blob/main/a.txt").text
    assert alice.send(settings, "", {"do": "grant"}, user="carol").status_code == 303
    unknown = alice.send(settings, "", {"do": "grant"}, user="carl")
    assert unknown.status_code == 422 and "did you mean" in unknown.text
    alice.read(f"{settings}?status=other", 404)


def test_a_gate_that_lets_in_who_asks(hub: Hub, bob: Browser) -> None:
    fill(hub, "alice/open-gate", {"README.md": b"# Open\n"})
    gate(hub, "alice/open-gate", "auto")
    assert "let in at once" in bob.read("/alice/open-gate/access").text
    assert bob.send("/alice/open-gate/access", "").status_code == 303
    assert "You have access." in bob.read("/alice/open-gate/access").text


def test_likes(alice: Browser, bob: Browser, nobody: Browser) -> None:
    for browser, number in ((bob, "1 like"), (alice, "2 likes")):
        assert browser.send(f"/{REPO}", f"/{REPO}/like", {"do": "like"}).status_code == 303
        assert number in browser.read(f"/{REPO}").text
    assert {"/alice", "/bob"} <= set(nobody.read(f"/{REPO}/likers").links)
    assert alice.send(f"/{REPO}", f"/{REPO}/like", {"do": "unlike"}).status_code == 303
    assert "1 like" in nobody.read(f"/{REPO}").text and "1 likes" not in nobody.read("/models").text
    form = {"do": "like"}
    assert nobody.post(f"/{REPO}/like", form).status_code in (303, 401, 403)
    assert "1 like" in nobody.read(f"/{REPO}").text


def test_branches_and_tags(hub: Hub, alice: Browser, bob: Browser) -> None:
    page = f"/{REPO}/branches"
    assert alice.send(page, "", {"do": "branch"}, name="dev", start="main").status_code == 303
    assert alice.send(page, "", {"do": "tag"}, name="v1", words="The first").status_code == 303
    shown = bob.read(page)
    assert {"main", "dev", "v1"} <= set(shown.words) and not [each for each in shown.forms if each.action == ""]
    refs = hub.api("alice").list_repo_refs(REPO)
    assert [each.name for each in refs.tags] == ["v1"] and {each.name for each in refs.branches} == {"main", "dev"}
    for fields, said in (
        ({"name": "dev", "start": "main"}, "already exists"),
        ({"name": "x..y", "start": "main"}, "Invalid reference"),
        ({"name": "new", "start": "nowhere"}, "nowhere"),
    ):
        answer = alice.send(page, "", {"do": "branch"}, **fields)
        assert answer.status_code == 422 and said in answer.text
    assert bob.post(page, {**bob.read("/settings").forms[0].fields, "do": "branch", "name": "mine"}).status_code == 403
    assert alice.send(page, "", {"do": "delete-branch", "name": "dev"}).status_code == 303
    assert alice.send(page, "", {"do": "delete-tag", "name": "v1"}).status_code == 303
    assert {"dev", "v1"}.isdisjoint(bob.read(page).words)


def test_a_quota_is_set_and_holds(hub: Hub, admin: Browser, alice: Browser) -> None:
    page = "/admin/quotas"
    wrong = admin.send(page, page, {"account": "alice"}, bytes="some")
    assert wrong.status_code == 422 and "write it like 500 MB" in wrong.text
    assert admin.send(page, page, {"account": "alice"}, bytes="1.5 MB", file_bytes="200 kB").status_code == 303
    form = admin.read(page).form(page, account="alice")
    assert (form.fields["bytes"], form.fields["file_bytes"]) == ("1.5 MB", "200 kB")
    exact = admin.post(page, {**form.fields, "bytes": "1234567"})
    assert exact.status_code == 303
    assert admin.read(page).form(page, account="alice").fields["bytes"] == "1234.567 kB"
    add = [CommitOperationAdd("w.bin", bytes(300_000))]
    with pytest.raises((HfHubHTTPError, ConnectionError), match="413"):
        hub.api("alice").create_commit(REPO, add, commit_message="large")
    assert admin.post(page, {**form.fields, "bytes": "", "file_bytes": ""}).status_code == 303
    hub.api("alice").create_commit(REPO, add, commit_message="large")
    assert "300.0 kB" in admin.read(f"{page}?q=ali").text
    assert "quota.set" in admin.read("/admin/audit").text


def test_jobs_that_wait_are_listed(hub: Hub, admin: Browser) -> None:
    assert "Messages of webhooks" in admin.read("/admin/jobs").text
    with hub.records.write() as session:
        found = find_repository(session, "model", REPO)
        assert found is not None
        scan_queue.ask(session, found, "0" * 40, None)
        session.flush()
        number = scan_queue.waiting(session, found)[-1].job
        session.connection().exec_driver_sql(f"UPDATE jobs SET kind = 'paused scan' WHERE id = {number}")
    assert "paused scan, waiting: 1" in admin.read("/admin/jobs").text


PLACES = sorted(
    {
        (method, route.path)
        for router in PAGES
        for route in router.routes
        if isinstance(route, APIRoute) and "{place:place}" in route.path
        for method in route.methods
    }
)


@pytest.mark.parametrize(("method", "template"), PLACES)
def test_what_is_private_and_what_is_missing_look_alike(
    bob: Browser, nobody: Browser, method: str, template: str
) -> None:
    for browser, page in ((bob, "/settings"), (nobody, "/login")):
        key = browser.read(page).forms[0].fields["form_key"]
        told = []
        for name in ("hidden-too", "missin-too"):
            path = template.replace("{place:place}", f"alice/{name}").replace("{revision:piece}", "main")
            path = re.sub(r"\{\w+:int\}", "1", path)
            path = re.sub(r"\{\w+:?\w*\}", "README.md", path)
            answer = browser.get(path) if method == "GET" else browser.post(path, {"form_key": key})
            where = answer.headers.get("location", "")
            told.append((answer.status_code, answer.text.replace(name, "NAME"), where.replace(name, "NAME")))
        assert told[0] == told[1]
        assert told[0][0] == 404 or browser is nobody
        assert told[0][0] in (401, 404) or told[0][2].startswith("/login?next=")
