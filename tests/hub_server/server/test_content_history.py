"""Commits of a branch and of a path, comparisons, and changes to history."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from content_cases import Git, commit
from hub_on_loopback import Hub
from huggingface_hub.errors import RevisionNotFoundError


@pytest.fixture
def repo(hub: Hub, name: str) -> str:
    hub.api("alice").create_repo(f"alice/{name}")
    return f"alice/{name}"


def write(hub: Hub, repo: str, title: str, **files: str | None) -> str:
    """A commit: a text for each file, or None to delete it; its id."""
    operations = [
        ("deletedFile", {"path": path}) if text is None else ("file", {"path": path, "content": text})
        for path, text in files.items()
    ]
    answer = commit(hub, repo, *operations, summary=title)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["commitOid"])


def pages(hub: Hub, path: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    while path:
        answer = hub.ask("GET", path)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        link = answer.links.get("next")
        path = link["url"].removeprefix(hub.url) if link else ""
    return found


def test_commits_by_the_client(hub: Hub, repo: str) -> None:
    made = hub.api("alice").upload_file(
        path_or_fileobj=b"x",
        path_in_repo="x",
        repo_id=repo,
        commit_message="A <title>",
        commit_description="one\ntwo",
    )
    newest, first = hub.api().list_repo_commits(repo, formatted=True)
    assert (newest.commit_id, newest.title, newest.message) == (made.oid, "A <title>", "one\ntwo")
    assert (newest.formatted_title, newest.formatted_message) == ("A &lt;title&gt;", "one<br>two")
    assert (first.title, first.authors) == ("initial commit", ["alice"])
    with pytest.raises(RevisionNotFoundError):
        hub.api().list_repo_commits(repo, revision="nope")


def test_pages_of_commits(hub: Hub, repo: str, tmp_path: Path) -> None:
    for number in range(7):
        write(hub, repo, str(number), **{"even" if number % 2 == 0 else "odd": str(number)})
    git = Git(hub, repo, tmp_path / "git")
    assert len(pages(hub, f"/api/models/{repo}/commits/main?limit=3")) == 8
    for path in ("even", "odd", ".gitattributes"):
        found = pages(hub, f"/api/models/{repo}/commits/main/{path}?limit=2")
        assert [each["id"] for each in found] == git("log", "--format=%H", "main", "--", path).split()
    answer = hub.ask("GET", f"/api/models/{repo}/commits/main/nope")
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "EntryNotFound")


def test_what_differs_as_text_is_what_git_applies(hub: Hub, repo: str, tmp_path: Path) -> None:
    first = write(hub, repo, "1", a="1\n2\n3\n", gone="x\n")
    second = write(hub, repo, "2", a="1\ntwo\n3\n", gone=None, new="n\n")
    text = hub.ask("GET", f"/api/models/{repo}/compare/{first}..{second}?raw=true")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in text.headers["content-security-policy"]
    work = tmp_path / "work"
    work.mkdir()
    (work / "a").write_text("1\n2\n3\n")
    (work / "gone").write_text("x\n")
    subprocess.run(["git", "apply"], cwd=work, input=text.text, text=True, check=True)
    assert {each.name: each.read_text() for each in work.iterdir()} == {"a": "1\ntwo\n3\n", "new": "n\n"}
    against_parent = hub.ask("GET", f"/api/models/{repo}/compare/{second}?raw=true")
    assert against_parent.text == text.text


def test_what_differs_file_by_file(hub: Hub, repo: str) -> None:
    first = write(hub, repo, "1", a="1\n", gone="x\n")
    write(hub, repo, "2", a="1\n2\n", gone=None, new="n\n")
    found = pages(hub, f"/api/models/{repo}/compare/{first}..main?limit=1")
    assert [(each["path"], each["status"], each["additions"], each["deletions"]) for each in found] == [
        ("a", "modified", 1, 0),
        ("gone", "deleted", 0, 1),
        ("new", "added", 1, 0),
    ]
    assert found[0]["old"] == {"oid": "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d", "mode": "100644", "size": 2}
    assert "+2" in str(found[0]["patch"]).splitlines()
    root = hub.ask("GET", f"/api/models/{repo}/compare/{hub.api().list_repo_commits(repo)[-1].commit_id}").json()
    assert [each["path"] for each in root] == [".gitattributes"]


def test_three_dots_begin_where_branches_parted(hub: Hub, repo: str) -> None:
    hub.api("alice").create_branch(repo, branch="dev")
    write(hub, repo, "on main", a="1")
    commit(hub, repo, ("file", {"path": "b", "content": "2"}), revision="dev")
    by_dots = {
        dots: [each["path"] for each in hub.ask("GET", f"/api/models/{repo}/compare/main{dots}dev").json()]
        for dots in ("..", "...")
    }
    assert by_dots == {"..": ["a", "b"], "...": ["b"]}


def test_one_commit_in_place_of_all(hub: Hub, repo: str, tmp_path: Path) -> None:
    api = hub.api("alice")
    for number in range(3):
        write(hub, repo, str(number), a=str(number))
    api.create_tag(repo, tag="before")
    api.super_squash_history(repo, commit_message="All in one\n\nand why")
    (only,) = api.list_repo_commits(repo)
    assert (only.title, only.message) == ("All in one", "and why")
    assert api.repo_info(repo).sha == only.commit_id
    assert api.list_repo_files(repo) == [".gitattributes", "a"]
    assert len(api.list_repo_commits(repo, revision="before")) == 4
    git = Git(hub, repo, tmp_path / "git")
    git("fsck", "--strict")
    assert git("rev-parse", "main^{tree}") == git("rev-parse", "before^{tree}")
    info = api.upload_file(path_or_fileobj=b"y", path_in_repo="y", repo_id=repo, create_pr=True)
    api.upload_file(path_or_fileobj=b"z", path_in_repo="z", repo_id=repo, revision=info.pr_revision)
    api.super_squash_history(repo, branch="refs/pr/1")
    assert len(api.list_repo_commits(repo, revision="refs/pr/1")) == 1
    assert hub.ask("POST", f"/api/models/{repo}/super-squash/main", "bob", json={}).status_code == 403
    assert hub.ask("POST", f"/api/models/{repo}/super-squash/nope", "alice", json={}).status_code == 404


def test_undoing_a_commit(hub: Hub, repo: str) -> None:
    api = hub.api("alice")
    write(hub, repo, "1", a="1\n2\n3\n4\n5\n6\n7\n", b="b")
    wrong = write(hub, repo, "wrong", a="one\n2\n3\n4\n5\n6\n7\n", b=None, c="c")
    write(hub, repo, "later", a="one\n2\n3\n4\n5\n6\nseven\n")
    answer = hub.ask("POST", f"/api/models/{repo}/revert/main", "alice", json={"commit": wrong})
    assert answer.status_code == 200
    assert api.list_repo_files(repo) == [".gitattributes", "a", "b"]
    assert hub.ask("GET", f"/{repo}/raw/main/a").text == "1\n2\n3\n4\n5\n6\nseven\n"
    newest = api.list_repo_commits(repo)[0]
    assert (newest.title, newest.message) == ('Revert "wrong"', f"This reverts commit {wrong}.")
    assert newest.commit_id == answer.json()["commitOid"] == api.repo_info(repo).sha


def test_what_cannot_be_undone(hub: Hub, repo: str) -> None:
    first = write(hub, repo, "1", a="1\n")
    second = write(hub, repo, "2", a="2\n")
    write(hub, repo, "3", a="3\n")
    path = f"/api/models/{repo}/revert/main"
    answer = hub.ask("POST", path, "alice", json={"commit": second})
    assert answer.status_code == 409
    assert answer.json() == {"error": f"commit {second} cannot be undone: changed since were a", "files": ["a"]}
    moved = hub.ask("POST", path, "alice", json={"commit": "main", "parentCommit": first})
    assert moved.status_code == 412
    hub.api("alice").create_branch(repo, branch="dev", revision=first)
    elsewhere = hub.ask("POST", f"/api/models/{repo}/revert/dev", "alice", json={"commit": second})
    assert elsewhere.status_code == 409
    assert elsewhere.json()["error"] == f"commit {second} is not in the history of dev, so it cannot be undone there"
    assert hub.ask("POST", path, "bob", json={"commit": "main"}).status_code == 403
    assert hub.ask("POST", path, "alice", json={"commit": "nope"}).status_code == 404
