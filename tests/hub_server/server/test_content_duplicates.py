"""Copies of repositories."""

from __future__ import annotations

from pathlib import Path

from content_cases import Git, commit, put_large
from hub_on_loopback import Hub


def test_a_copy_has_the_same_commits_and_may_use_the_same_large_files(hub: Hub, name: str, tmp_path: Path) -> None:
    alice, source, copy = hub.api("alice"), f"alice/{name}", f"bob/{name}"
    alice.create_repo(source)
    sha256 = put_large(hub, source, b"weights")
    other = put_large(hub, source, b"named by no commit")
    commit(hub, source, ("lfsFile", {"path": "m.bin", "algo": "sha256", "oid": sha256}))
    alice.create_tag(source, tag="v1", tag_message="first")
    alice.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=source, create_pr=True)
    url = hub.api("bob").duplicate_repo(source)
    assert url.repo_id == copy
    git = Git(hub, copy, tmp_path / "git")
    git("fsck", "--strict")
    assert git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main", "refs/tags/v1"]
    assert hub.api().repo_info(copy).sha == alice.repo_info(source).sha
    assert hub.ask("GET", f"/{copy}/resolve/main/m.bin").content == b"weights"
    unnamed = commit(hub, copy, ("lfsFile", {"path": "o.bin", "algo": "sha256", "oid": other}), user="bob")
    assert unnamed.status_code == 400, "only what its commits name comes with a copy"
    again = hub.ask("POST", f"/api/models/{source}/duplicate", "bob", json={"repository": copy})
    assert (again.status_code, again.json()["url"]) == (409, f"{hub.url}/{copy}")
    assert hub.api("bob").duplicate_repo(source, exist_ok=True).repo_id == copy


def test_what_a_deleted_branch_held_is_not_copied(hub: Hub, name: str) -> None:
    alice, source = hub.api("alice"), f"alice/{name}"
    alice.create_repo(source)
    alice.create_branch(source, branch="secret")
    lost = alice.upload_file(path_or_fileobj=b"s", path_in_repo="s", repo_id=source, revision="secret").oid
    alice.delete_branch(source, branch="secret")
    alice.duplicate_repo(source, f"alice/{name}-copy")
    packs = [path for path in (hub.root / "repos").glob("*/*/packs/*.idx") if bytes.fromhex(lost) in path.read_bytes()]
    assert len(packs) == 1


def test_copies_of_private_and_gated_repositories_are_private(hub: Hub, name: str) -> None:
    alice, source = hub.api("alice"), f"alice/{name}"
    alice.create_repo(source, private=True)
    alice.duplicate_repo(source, f"alice/{name}-1")
    alice.duplicate_repo(source, f"alice/{name}-2", visibility="public")
    assert [alice.repo_info(f"alice/{name}-{number}").private for number in (1, 2)] == [True, False]
    for user, status in (("bob", 404), (None, 401)):
        answer = hub.ask("POST", f"/api/models/{source}/duplicate", user, json={"repository": f"bob/{name}"})
        assert (answer.status_code, answer.headers["x-error-code"]) == (status, "RepoNotFound")
    alice.update_repo_settings(source, private=False, gated="manual")
    gated = hub.ask("POST", f"/api/models/{source}/duplicate", "bob", json={"repository": f"bob/{name}"})
    assert (gated.status_code, gated.headers["x-error-code"]) == (403, "GatedRepo")
    alice.duplicate_repo(source, f"alice/{name}-3")
    assert alice.repo_info(f"alice/{name}-3").private


def test_who_may_not_make_the_copy(hub: Hub, name: str) -> None:
    hub.api("alice").create_repo(f"alice/{name}")
    path = f"/api/models/alice/{name}/duplicate"
    assert hub.ask("POST", path, "bob", json={"repository": f"alice/{name}-x"}).status_code == 403
    assert hub.ask("POST", path, json={"repository": f"bob/{name}"}).status_code == 401
    assert hub.ask("POST", path, "bob", json={"repository": "bob/.."}).status_code == 400
    assert len(list((hub.root / "repos").glob("*/*"))) == len(list((hub.root / "repos").glob("*/*/packs")))
