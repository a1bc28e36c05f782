"""Files that are changed in a browser: as a commit, on a pull request, or as a pull request of their own."""

from __future__ import annotations

import pytest
from browser import Browser
from filled import add_files, fill
from hub_on_loopback import Hub

from enfold.hub.records.repositories import find_repository
from enfold.hub.store import DEFAULT_ATTRIBUTES

REPO = "alice/edited"
EDIT = f"/{REPO}/edit/main"


@pytest.fixture(scope="module", autouse=True)
def filled(hub: Hub) -> None:
    files = {
        "README.md": b"# Edited\n",
        ".gitattributes": DEFAULT_ATTRIBUTES,
        "a.txt": b"\none <b>\ntwo\n",
        "dos.txt": b"one\r\ntwo\r\n",
        "mixed.txt": b"one\r\ntwo\n",
        "control.txt": b"a\x0cb\n",
        "latin.txt": b"\xe9\n",
    }
    fill(hub, REPO, files)
    fill(hub, "alice/hidden-edit", {"README.md": b"# Hidden\n", "a.txt": b"x\n"}, private=True)


def content(hub: Hub, path: str, revision: str = "main") -> bytes:
    answer = hub.ask("GET", f"/{REPO}/resolve/{revision.replace('/', '%2F')}/{path}")
    return answer.content if answer.status_code == 200 else b""


def test_a_file_is_changed(hub: Hub, alice: Browser) -> None:
    address = f"{EDIT}/a.txt"
    assert address in alice.read(f"/{REPO}/blob/main/a.txt").links
    assert "<textarea" in alice.get(address).text and "\n\none &lt;b&gt;\ntwo\n</textarea>" in alice.get(address).text
    sent = alice.send(address, "", content="\r\none <b>\r\nthree\r\n", title="Count <on>", words="Why not", do="save")
    assert sent.status_code == 303, sent.text
    assert "Count <on>" in alice.read(sent.headers["location"]).text
    assert content(hub, "a.txt") == b"\none <b>\nthree\n"


def test_line_ends_stay_as_they_were(hub: Hub, alice: Browser) -> None:
    sent = alice.send(f"{EDIT}/dos.txt", "", content="one\r\nthree\r\n", do="save")
    assert sent.status_code == 303 and content(hub, "dos.txt") == b"one\r\nthree\r\n"


@pytest.mark.parametrize("name", ["mixed.txt", "control.txt", "latin.txt"])
def test_what_a_browser_would_not_send_back_as_it_is_stays(hub: Hub, alice: Browser, name: str) -> None:
    before = content(hub, name)
    assert "not text; upload another" in alice.read(f"{EDIT}/{name}").text
    refused = alice.send(f"{EDIT}/{name}", "", content="other", do="save")
    assert refused.status_code == 422 and "Nothing was changed." in refused.text
    assert alice.send(f"{EDIT}/{name}", "", content="other", path=f"moved/{name}", do="save").status_code == 303
    assert content(hub, f"moved/{name}") == before and content(hub, name) == b""


def test_a_large_file_is_renamed_and_deleted(hub: Hub, alice: Browser) -> None:
    weights = bytes(range(256)) * 3000
    hub.api("alice").upload_file(path_or_fileobj=weights, path_in_repo="w.bin", repo_id=REPO)
    assert "Rename or delete" in alice.read(f"/{REPO}/blob/main/w.bin").text
    assert alice.send(f"{EDIT}/w.bin", "", path="weights.bin", do="save").status_code == 303
    assert (content(hub, "weights.bin"), content(hub, "w.bin")) == (weights, b"")
    assert alice.send(f"{EDIT}/weights.bin", "", do="delete").status_code == 303
    assert content(hub, "weights.bin") == b""


def test_a_file_is_made_renamed_and_deleted(hub: Hub, alice: Browser) -> None:
    assert alice.send(EDIT, "", path="docs/new.md", content="# New\r\n", do="save").status_code == 303
    assert content(hub, "docs/new.md") == b"# New\n"
    moved = alice.send(f"{EDIT}/docs/new.md", "", path="docs/old.md", content="# New\r\n", do="save")
    assert moved.status_code == 303
    assert (content(hub, "docs/new.md"), content(hub, "docs/old.md")) == (b"", b"# New\n")
    assert alice.send(f"{EDIT}/docs/old.md", "", do="delete").status_code == 303
    assert content(hub, "docs/old.md") == b""
    alice.read(f"{EDIT}/docs/old.md", 404)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"path": "../up.txt", "content": "x"}, "up.txt"),
        ({"path": "w.bin", "content": "x"}, "kept as a large file"),
        ({"path": "a.txt", "content": "x"}, "there is a file at"),
        ({"path": "", "content": "x"}, "The file needs a name."),
        ({"path": "x.txt", "content": "x", "do": "delete"}, "There is no file to be deleted."),
    ],
)
def test_what_cannot_be_kept(alice: Browser, fields: dict[str, str], said: str) -> None:
    answer = alice.send(EDIT, "", **{"do": "save", **fields})
    assert answer.status_code == 422 and said in answer.text and f"{fields['content']}</textarea>" in answer.text


def test_nothing_is_lost_when_two_change_a_file(hub: Hub, alice: Browser) -> None:
    form = alice.read(f"{EDIT}/README.md").forms[0].fields
    with hub.records.read() as session:
        repository = find_repository(session, "model", REPO)
    add_files(hub, repository, {"other.txt": b"x\n"}, "Another file")
    add_files(hub, repository, {"README.md": b"# Theirs\n"}, "Theirs")
    answer = alice.post(f"{EDIT}/README.md", {**form, "content": "# Mine\r\n", "do": "save"})
    assert answer.status_code == 422 and "Somebody changed this file" in answer.text and "# Mine" in answer.text
    assert content(hub, "README.md") == b"# Theirs\n"


def test_who_may_not_write_asks_for_a_pull(hub: Hub, alice: Browser, bob: Browser, nobody: Browser) -> None:
    before = content(hub, "a.txt")
    sent = bob.send(f"{EDIT}/a.txt", "", content="bob was here\r\n", title="From bob", how="land", do="save")
    address = sent.headers["location"]
    assert address.startswith(f"/{REPO}/discussions/")
    assert content(hub, "a.txt") == before
    page = alice.read(address)
    assert "From bob" in page.text and "bob was here" in page.text
    # Its author goes on with it.
    number = address.rpartition("/")[2]
    at = f"/{REPO}/edit/refs%2Fpr%2F{number}/a.txt"
    assert bob.send(at, "", content="bob was here twice\r\n", do="save").headers["location"] == address
    assert content(hub, "a.txt", f"refs/pr/{number}") == b"bob was here twice\n"
    assert alice.send(address, "", {"words": ""}, do="merge").status_code == 303
    assert content(hub, "a.txt") == b"bob was here twice\n"
    assert nobody.get(f"{EDIT}/a.txt").headers["location"].startswith("/login?next=")
    assert f"{EDIT}/a.txt" not in nobody.read(f"/{REPO}/blob/main/a.txt").links
    bob.read(f"/{REPO}/edit/no-such-branch/a.txt", 404)
    bob.read(at, 409)


def test_an_upload_becomes_a_pull_request(hub: Hub, alice: Browser, bob: Browser) -> None:
    page = f"/{REPO}/upload/main"
    for browser, how in ((bob, "land"), (alice, "ask")):
        form = {name: value for name, value in browser.read(page).forms[0].fields.items() if name != "files"}
        files = [("files", ("w.bin", bytes(range(256)) * 5000)), ("files", (f"{how}.txt", b"x\n"))]
        answer = browser.client.post(page, data={**form, "how": how}, files=files, headers={"Origin": browser.url})
        assert answer.status_code == 303, answer.text
        assert "Upload 2 files" in browser.read(answer.headers["location"]).text
        assert content(hub, f"{how}.txt") == b""
    with hub.records.write() as session:
        found = find_repository(session, "model", REPO)
        assert found is not None
        found.discussions_disabled = True
    bob.read(page, 403)
    bob.read(f"{EDIT}/a.txt", 403)
    assert alice.send(f"{EDIT}/a.txt", "", content="last\r\n", how="land", do="save").status_code == 303


@pytest.mark.parametrize("rest", ["edit/main", "edit/main/a.txt", "upload/main"])
def test_what_is_private_and_what_is_missing_look_alike_to_editors(bob: Browser, rest: str) -> None:
    key = bob.read("/settings").forms[0].fields["form_key"]
    for send in (bob.get, lambda path: bob.post(path, {"form_key": key})):
        there, missing = (send(f"/alice/{name}/{rest}") for name in ("hidden-edit", "missin-edit"))
        assert there.status_code == missing.status_code == 404
        assert there.text.replace("hidden-edit", "missin-edit") == missing.text
