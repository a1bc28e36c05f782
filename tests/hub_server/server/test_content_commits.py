"""Commits by the API, from the unmodified client and line by line."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from pathlib import Path

import pytest
from content_cases import Git, commit, put_large, repository
from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

from enfold.hub.server import state
from enfold.hub.store.pointer import Pointer

SUBMODULE_THAT_HARMS = b'[submodule "../x"]\n\tpath = x\n\turl = https://example.org/x\n'


@pytest.fixture
def repo(hub: Hub, name: str) -> str:
    """A new repository of alice's."""
    hub.api("alice").create_repo(f"alice/{name}")
    return f"alice/{name}"


def file(path: str, data: bytes) -> tuple[str, dict[str, object]]:
    return "file", {"path": path, "content": base64.b64encode(data).decode(), "encoding": "base64"}


def head(hub: Hub, repo: str, branch: str = "main") -> str:
    refs = hub.ask("GET", f"/api/models/{repo}/refs", "alice").json()
    return next(each["targetCommit"] for each in refs["branches"] if each["name"] == branch)


def test_the_client_uploads_and_git_computes_the_same_ids(hub: Hub, repo: str, tmp_path: Path) -> None:
    api = hub.api("alice")
    operations = [CommitOperationAdd(f"folder {number % 3}/é-{number}.txt", b"%d\n" % number) for number in range(40)]
    info = api.create_commit(repo, operations, commit_message="Many files", commit_description="And why.")
    git = Git(hub, repo, tmp_path / "git")
    git("fsck", "--strict")
    assert git("rev-parse", "main").strip() == info.oid
    assert git("log", "-1", "--format=%an|%B", "main") == "alice|Many files\n\nAnd why.\n\n"
    assert git("show", "main:folder 1/é-4.txt") == "4\n"
    listed = git("-c", "core.quotePath=off", "ls-tree", "-r", "main").splitlines()
    by_git = {line.split("\t")[1]: line.split()[2] for line in listed}
    by_api = {each.path: each.blob_id for each in api.list_repo_tree(repo, recursive=True) if hasattr(each, "blob_id")}
    assert by_api == by_git
    assert info.commit_url == f"{hub.url}/{repo}/commit/{info.oid}"
    assert info.repo_url.repo_id == repo


def test_add_delete_and_delete_a_folder_in_one_commit(hub: Hub, repo: str) -> None:
    api = hub.api("alice")
    api.create_commit(repo, [CommitOperationAdd(path, b"x") for path in ("a", "b/c", "b/d/e", "f")], commit_message="1")
    changes = [CommitOperationDelete("b/"), CommitOperationDelete("a"), CommitOperationAdd("b/new", b"y")]
    api.create_commit(repo, changes, commit_message="2")
    assert api.list_repo_files(repo) == [".gitattributes", "b/new", "f"]
    api.delete_file("f", repo)
    api.delete_folder("b", repo)
    assert api.list_repo_files(repo) == [".gitattributes"]


def test_a_folder_is_uploaded_and_what_is_ignored_stays_behind(hub: Hub, repo: str, tmp_path: Path) -> None:
    api = hub.api("alice")
    for path, text in {"a.txt": "1", "sub/b.txt": "2", "sub/c.log": "3", ".gitignore": "*.log\n"}.items():
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    api.upload_folder(repo_id=repo, folder_path=tmp_path)
    assert api.list_repo_files(repo) == [".gitattributes", ".gitignore", "a.txt", "sub/b.txt"]
    before = head(hub, repo)
    api.upload_folder(repo_id=repo, folder_path=tmp_path)
    assert head(hub, repo) == before, "unchanged files make no commit"
    api.delete_files(repo_id=repo, delete_patterns=["sub/*"])
    assert api.list_repo_files(repo) == [".gitattributes", ".gitignore", "a.txt"]


def test_how_files_are_to_be_sent(hub: Hub, repo: str) -> None:
    sha256 = put_large(hub, repo, b"weights")
    large = ("lfsFile", {"path": "m.bin", "algo": "sha256", "oid": sha256, "size": 7})
    commit(
        hub,
        repo,
        large,
        file("a.txt", b"a"),
        file(".gitignore", b"*.tmp\n"),
        file("x/.gitattributes", b"*.txt filter=lfs\n"),
    )
    asked = ["m.bin", "a.txt", "new.safetensors", "x/y.txt", "b.tmp", "big.txt"]
    files = [{"path": path, "size": 20_000_000 if path == "big.txt" else 5, "sample": ""} for path in asked]

    def answer(**more: str) -> dict[str, tuple[str, bool, str | None]]:
        response = hub.ask("POST", f"/api/models/{repo}/preupload/main", "alice", json={"files": files, **more})
        found = response.json()["files"]
        return {each["path"]: (each["uploadMode"], each["shouldIgnore"], each["oid"]) for each in found}

    assert answer() == {
        "m.bin": ("lfs", False, sha256),
        "a.txt": ("regular", False, "2e65efe2a145dda7ee51d1741299f848e5bf752e"),
        "new.safetensors": ("lfs", False, None),
        "x/y.txt": ("lfs", False, None),
        "b.tmp": ("regular", True, None),
        "big.txt": ("lfs", False, None),
    }
    assert [each[1] for each in answer(gitIgnore="a.*\n").values()] == [False, True, False, False, False, False]


def test_large_files_by_their_sha256(hub: Hub, repo: str, tmp_path: Path) -> None:
    sha256 = put_large(hub, repo, b"weights")
    named = ("lfsFile", {"path": "m.bin", "algo": "sha256", "oid": sha256, "size": 7})
    copied = ("lfsFile", {"path": "copy.bin", "algo": "sha256", "oid": sha256})
    assert commit(hub, repo, named).status_code == 200
    assert commit(hub, repo, copied).status_code == 200, "a copy does not name the size"
    git = Git(hub, repo, tmp_path / "git")
    assert git("show", "main:copy.bin") == Pointer(sha256, 7).encode().decode()


def test_a_large_file_that_is_not_linked_here_is_unknown(hub: Hub, repo: str) -> None:
    stored, unknown = put_large(hub, None, b"of somebody else"), "0" * 64
    answers = []
    for sha256 in (stored, unknown):
        by_oid = commit(hub, repo, ("lfsFile", {"path": "m.bin", "algo": "sha256", "oid": sha256, "size": 16}))
        as_text = commit(hub, repo, file("m.bin", Pointer(sha256, 16).encode()))
        without_size = commit(hub, repo, ("lfsFile", {"path": "m.bin", "algo": "sha256", "oid": sha256}))
        answers.append([(each.status_code, each.text.replace(sha256, "…")) for each in (by_oid, as_text, without_size)])
    assert answers[0] == answers[1]
    message = '{"error":"the large file … was not uploaded to this repository; upload it first"}'
    assert answers[0] == [(400, message)] * 3
    assert hub.api("alice").list_repo_files(repo) == [".gitattributes"]


def test_copies_of_files_and_folders(hub: Hub, repo: str) -> None:
    api = hub.api("alice")
    commit(hub, repo, file("a.txt", b"old"), file("d/x", b"1"), file("d/y", b"2"))
    first = head(hub, repo)
    commit(hub, repo, file("a.txt", b"new"))
    copies = [
        ("copyFile", {"path": "now.txt", "srcPath": "a.txt"}),
        ("copyFile", {"path": "then.txt", "srcPath": "a.txt", "srcRevision": first}),
        ("copyFile", {"path": "e", "srcPath": "d"}),
    ]
    assert commit(hub, repo, *copies).status_code == 200
    assert hub.ask("GET", f"/{repo}/raw/main/now.txt").text == "new"
    assert hub.ask("GET", f"/{repo}/raw/main/then.txt").text == "old"
    assert "e/y" in api.list_repo_files(repo)
    missing = commit(hub, repo, ("copyFile", {"path": "z", "srcPath": "nope"}))
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "EntryNotFound")
    api.create_commit(repo, [CommitOperationCopy("a.txt", "client.txt")], commit_message="the client's way")
    assert hub.ask("GET", f"/{repo}/raw/main/client.txt").text == "new"


def test_a_parent_that_is_not_the_head_any_more(hub: Hub, repo: str) -> None:
    api = hub.api("alice")
    first = head(hub, repo)
    second = api.create_commit(repo, [CommitOperationAdd("a", b"1")], commit_message="1", parent_commit=first).oid
    with pytest.raises(HfHubHTTPError, match="The branch was updated since you opened this page") as caught:
        api.create_commit(repo, [CommitOperationAdd("a", b"2")], commit_message="2", parent_commit=first)
    assert caught.value.response is not None and caught.value.response.status_code == 412
    api.create_commit(repo, [CommitOperationAdd("a", b"2")], commit_message="2", parent_commit=second[:7])


def test_the_same_request_again_is_answered_with_its_commit(hub: Hub, repo: str) -> None:
    first = commit(hub, repo, file("a", b"1")).json()
    assert commit(hub, repo, file("a", b"1")).json() == first
    assert len(hub.api("alice").list_repo_commits(repo)) == 2


def test_many_writers_lose_nothing(hub: Hub, repo: str) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: statuses.append(commit(hub, repo, file(f"f{n}", b"x")).status_code))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert len(hub.api("alice").list_repo_files(repo)) == 9


def test_packs_are_put_together_after_many_commits(
    hub: Hub, repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_MOST_PACKS", 20)
    for number in range(24):
        assert commit(hub, repo, file(f"{number:02d}", b"%d" % number)).status_code == 200
    row = repository(hub, repo)
    packs = hub.root / "repos" / row.uid[:2] / row.uid / "packs"
    deadline = time.monotonic() + 20
    while len(list(packs.glob("*.pack"))) > 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(list(packs.glob("*.pack"))) <= 20
    git = Git(hub, repo, tmp_path / "git")
    git("fsck", "--strict")
    assert git("rev-list", "--count", "main").strip() == "25"
    assert hub.ask("GET", f"/{repo}/raw/main/07").text == "7"


def test_a_pull_request_instead_of_a_commit(hub: Hub, repo: str) -> None:
    """Reading is enough to propose; the branch stays as it is."""
    bob = hub.api("bob")
    with pytest.raises(HfHubHTTPError) as refused:
        bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo)
    assert refused.value.response is not None and refused.value.response.status_code == 403
    info = bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo, create_pr=True)
    assert (info.pr_num, info.pr_revision) == (1, "refs/pr/1")
    assert bob.list_repo_files(repo, revision="refs/pr/1") == [".gitattributes", "x"]
    assert bob.list_repo_files(repo) == [".gitattributes"]
    bob.upload_file(path_or_fileobj=b"y", path_in_repo="y", repo_id=repo, revision="refs/pr/1")
    assert bob.list_repo_files(repo, revision="refs/pr/1") == [".gitattributes", "x", "y"]
    for revision in (head(hub, repo), "nope"):
        answer = commit(hub, repo, file("x", b""), user="bob", revision=revision, query="?create_pr=1")
        assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RevisionNotFound")
    hub.add_user("carol") if "carol" not in hub.tokens else None
    assert commit(hub, repo, file("z", b""), user="carol", revision="refs%2Fpr%2F1").status_code == 403


def test_what_cannot_be_found(hub: Hub, repo: str) -> None:
    api = hub.api("alice")
    with pytest.raises(RevisionNotFoundError):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo, revision="nope")
    with pytest.raises(EntryNotFoundError, match="A file with this name doesn't exist"):
        api.delete_file("nope", repo)
    assert commit(hub, repo, ("deletedFolder", {"path": "nope/"})).status_code == 404
    answer = commit(hub, "alice/none", file("x", b""))
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RepoNotFound")


def test_who_may_not_know_learns_nothing(hub: Hub, name: str) -> None:
    hub.api("alice").create_repo(f"alice/{name}", private=True)
    for path in ("commit/main", "preupload/main"):
        private = hub.ask("POST", f"/api/models/alice/{name}/{path}", "bob", json={"files": []})
        missing = hub.ask("POST", f"/api/models/alice/none/{path}", "bob", json={"files": []})
        assert (
            (private.status_code, private.text)
            == (missing.status_code, missing.text)
            == (404, '{"error":"Repository not found"}')
        )


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("../x", "it would leave its folder"),
        ("a/../x", "it would leave its folder"),
        ("..\\ddd", "it would leave its folder"),
        ("/x", "it is absolute"),
        ("", "a path is empty"),
        ("a/.git/config", "git's own folder"),
        ("a\nb", "a control character"),
        ("a//b", "it is empty"),
        ("\udcff", "it is not UTF-8"),
    ],
)
def test_paths_that_cannot_be(hub: Hub, repo: str, path: str, says: str) -> None:
    answers = [
        commit(hub, repo, file(path, b"")),
        commit(hub, repo, ("lfsFile", {"path": path, "algo": "sha256", "oid": "0" * 64, "size": 1})),
        commit(hub, repo, ("deletedFile", {"path": path})),
    ]
    assert {each.status_code for each in answers} == {422}
    assert all(says in each.json()["error"] for each in answers)


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ("a/Readme.md", "a/README.md", "'a/README.md' and 'a/Readme.md'"),
        ("caf\u00e9", "cafe\u0301", "'cafe\\u0301' and 'caf\\xe9'"),
        ("Data/x", "data/y", "'data' and 'Data'"),
        ("stra\u00dfe", "STRASSE", "'STRASSE' and 'stra\\xdfe'"),
    ],
)
def test_paths_that_look_alike_are_taken_with_a_warning(
    hub: Hub, repo: str, first: str, second: str, shown: str
) -> None:
    assert "x-hf-warning" not in commit(hub, repo, file(first, b"")).headers
    answer = commit(hub, repo, file(second, b""))
    assert answer.status_code == 200
    assert answer.headers["x-hf-warning"] == f"Paths; {shown} are one path where case or composed letters do not count"
    assert {first, second} <= set(hub.api("alice").list_repo_files(repo))


def test_a_file_where_a_folder_is(hub: Hub, repo: str) -> None:
    commit(hub, repo, file("a/b", b""))
    answer = commit(hub, repo, file("a", b""))
    assert (answer.status_code, answer.json()["error"]) == (
        422,
        "'a' cannot be written: it is a folder; delete the folder first",
    )


def test_submodules_that_harm_are_refused(hub: Hub, repo: str) -> None:
    answer = commit(hub, repo, file(".gitmodules", SUBMODULE_THAT_HARMS))
    assert answer.status_code == 422
    assert "would leave its folder" in answer.json()["error"]


HEADER = '{"key":"header","value":{"summary":"x"}}\n'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "the commit is empty: its first line must be its header"),
        ("{", "line 1 of the commit is not JSON"),
        ("[]", 'line 1 of the commit is not of the form {"key": …, "value": {…}}'),
        ('{"key":"file","value":{}}', "line 1 of the commit is a 'file'; the first line must be the header"),
        (HEADER + HEADER, "line 2 of the commit is a second header"),
        (HEADER + '\n{"key":"nope","value":{}}', "line 3 of the commit has the key 'nope'; known are header, file"),
        (HEADER + '{"key":"file","value":{"path":"a"}}', "line 2 of the commit needs 'content', a text"),
        (
            HEADER + '{"key":"file","value":{"path":"a","content":"*","encoding":"base64"}}',
            "line 2 of the commit has content that is not base64",
        ),
        (
            HEADER + '{"key":"file","value":{"path":"a","content":"","encoding":"x"}}',
            "line 2 of the commit has the encoding 'x'; known are base64 and utf-8",
        ),
        (
            HEADER + '{"key":"lfsFile","value":{"path":"a","oid":"12"}}',
            "line 2 of the commit does not name the large file by its sha256",
        ),
        (
            HEADER + json.dumps({"key": "lfsFile", "value": {"path": "a", "oid": "0" * 64, "size": -1}}),
            "line 2 of the commit has the size -1, which is not a number of bytes",
        ),
        ('{"key":"header","value":{"parentCommit":"main"}}', "has the parentCommit 'main', which is not a commit id"),
    ],
)
def test_bad_lines(hub: Hub, repo: str, body: str, says: str) -> None:
    answer = hub.ask("POST", f"/api/models/{repo}/commit/main", "alice", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(says) or says in answer.json()["error"]


def test_a_body_that_is_cut_off_leaves_nothing_behind(hub: Hub, repo: str) -> None:
    before = head(hub, repo)
    address = hub.url.removeprefix("http://").split(":")
    body = (HEADER + json.dumps({"key": "file", "value": {"path": "a", "content": "x"}})).encode()
    request = (
        f"POST /api/models/{repo}/commit/main HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {hub.tokens['alice']}\r\n"
        f"Content-Length: {len(body) + 10}\r\n\r\n"
    )
    with socket.create_connection((address[0], int(address[1]))) as connection:
        connection.sendall(request.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(5)
        connection.recv(1000)
    row = repository(hub, repo)
    assert head(hub, repo) == before
    assert not list((hub.root / "repos" / row.uid[:2] / row.uid / "packs").glob(".incoming*"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "commit/main",
            '{"key":"header","value":{"summary":"\\ud800"}}\n{"key":"file","value":{"path":"z","content":""}}',
        ),
        ("paths-info/main", '{"paths":["\\ud800"]}'),
        ("revert/main", '{"commit":"\\ud800"}'),
        ("duplicate", '{"repository":"\\ud800/x"}'),
    ],
)
def test_texts_that_are_none(hub: Hub, repo: str, path: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = hub.ask("POST", f"/api/models/{repo}/{path}", "alice", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (
        422,
        "a text of the request holds half of a surrogate pair or NUL, which no text does",
    )


def test_files_that_are_too_large_for_git(tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root", max_regular_bytes=1000) as hub:
        hub.api("alice").create_repo("alice/m")
        assert commit(hub, "alice/m", file("a", b"x" * 1000)).status_code == 200
        answer = commit(hub, "alice/m", file("b", b"x" * 1001))
        assert (answer.status_code, answer.json()["error"]) == (
            413,
            "line 2 of the commit: 'b' is larger than 1,000 bytes; upload it as a large file",
        )
        endless = commit(hub, "alice/m", file("b", b"x" * 200_000))
        assert endless.status_code == 413
        packs = next((tmp_path / "root" / "repos").glob("*/*/packs"))
        assert not list(packs.glob(".incoming*")), "a refused commit leaves nothing behind"


def test_a_card_is_checked_before_it_is_committed(hub: Hub, repo: str) -> None:
    api = hub.api("alice")
    api.upload_file(path_or_fileobj=b"---\nlicense: mit\n---\n", path_in_repo="README.md", repo_id=repo)
    assert api.model_info(repo).card_data.license == "mit"  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="the header of the card is not YAML"):
        api.upload_file(path_or_fileobj=b"---\nlicense: [\n---\n", path_in_repo="README.md", repo_id=repo)
    answer = hub.ask("POST", "/api/validate-yaml", json={"content": "# Title", "repoType": "model"})
    assert (answer.status_code, answer.json()["errors"]) == (200, [])
    assert answer.json()["warnings"][0]["message"].startswith("empty or missing yaml metadata in repo card")


def test_a_folder_that_is_deleted_like_a_file_goes_with_all_that_is_in_it(hub: Hub, name: str) -> None:
    api, repo = hub.api("alice"), f"alice/{name}"
    api.create_repo(repo)
    for path in ("1/a.md", "1/2/b.md", "1.md"):
        api.upload_file(path_or_fileobj=b"data", path_in_repo=path, repo_id=repo)
    api.create_commit(repo, operations=[CommitOperationDelete("1")], commit_message="a folder, without its slash")
    assert api.list_repo_files(repo) == [".gitattributes", "1.md"]
