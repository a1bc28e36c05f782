"""Branches and tags, and every way to spell a revision."""

from __future__ import annotations

from pathlib import Path

import pytest
from content_cases import Git, commit
from hub_on_loopback import Hub
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError


@pytest.fixture
def repo(hub: Hub, name: str) -> str:
    hub.api("alice").create_repo(f"alice/{name}")
    commit(hub, f"alice/{name}", ("file", {"path": "a", "content": "1"}))
    return f"alice/{name}"


def refused(hub: Hub, method: str, path: str, user: str | None = "alice", **more: object) -> tuple[int, str]:
    answer = hub.ask(method, path, user, **more)
    return answer.status_code, answer.json()["error"]


def test_branches(hub: Hub, repo: str) -> None:
    api = hub.api("alice")
    first, second = (each.commit_id for each in reversed(api.list_repo_commits(repo)))
    api.create_branch(repo, branch="dev/ä")
    api.create_branch(repo, branch="old", revision=first)
    api.create_branch(repo, branch="old", revision=second, exist_ok=True)
    found = {each.name: each.target_commit for each in api.list_repo_refs(repo).branches}
    assert found == {"main": second, "dev/ä": second, "old": first}
    api.upload_file(path_or_fileobj=b"2", path_in_repo="b", repo_id=repo, revision="old")
    assert api.list_repo_files(repo, revision="old") == [".gitattributes", "b"]
    api.delete_branch(repo, branch="old")
    with pytest.raises(RevisionNotFoundError):
        api.list_repo_files(repo, revision="old")


def test_branches_that_cannot_be_made_or_deleted(hub: Hub, repo: str) -> None:
    api, base = hub.api("alice"), f"/api/models/{repo}/branch"
    api.create_branch(repo, branch="a")
    assert refused(hub, "POST", f"{base}/a", json={}) == (409, "Reference refs/heads/a already exists")
    assert refused(hub, "POST", f"{base}/a%2Fb", json={}) == (
        409,
        "Reference refs/heads/a/b cannot stand beside refs/heads/a: git takes one as a folder of the other",
    )
    assert refused(hub, "POST", f"{base}/refs%2Fheads%2Fx", json={}) == (
        400,
        "Invalid reference for a branch: refs/heads/x",
    )
    assert refused(hub, "POST", f"{base}/{'0' * 40}", json={})[0] == 400
    for name in ("x..y", "x.lock", "%20", "-%7E", ".x", "x%00"):
        status, message = refused(hub, "POST", f"{base}/{name}", json={})
        assert status == 400 and message.startswith("Invalid reference for a branch: "), name
    assert refused(hub, "POST", f"{base}/x", json={"startingPoint": "nope"}) == (404, "Invalid rev id: nope")
    assert refused(hub, "DELETE", f"{base}/main") == (403, "Cannot delete refs/heads/main")
    assert refused(hub, "DELETE", f"{base}/refs%2Fheads%2Fmain") == (403, "Cannot delete refs/heads/main")
    assert refused(hub, "DELETE", f"{base}/nope") == (404, "Invalid rev id: nope")
    assert refused(hub, "POST", f"{base}/x", "bob", json={})[0] == 403
    assert refused(hub, "POST", f"{base}/x", None, json={})[0] == 401


def test_tags(hub: Hub, repo: str, tmp_path: Path) -> None:
    api = hub.api("alice")
    first, second = (each.commit_id for each in reversed(api.list_repo_commits(repo)))
    api.create_tag(repo, tag="v1", revision=first)
    api.create_tag(repo, tag="v2", tag_message="The second\n\nand more")
    api.create_tag(repo, tag="v2", exist_ok=True)
    assert {each.name: (each.ref, each.target_commit) for each in api.list_repo_refs(repo).tags} == {
        "v1": ("refs/tags/v1", first),
        "v2": ("refs/tags/v2", second),
    }
    for revision, files in (("v1", [".gitattributes"]), ("refs/tags/v2", [".gitattributes", "a"])):
        assert api.list_repo_files(repo, revision=revision) == files
    Git(hub, repo, tmp_path / "git")("fsck", "--strict")
    with pytest.raises(HfHubHTTPError) as taken:
        api.create_tag(repo, tag="v1")
    assert taken.value.response is not None and taken.value.response.status_code == 409
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(repo, tag="v3", revision="nope")
    assert refused(hub, "POST", f"/api/models/{repo}/tag/main", json={"tag": "a..b"})[0] == 400
    api.create_branch(repo, branch="v1", revision=second)
    assert api.repo_info(repo, revision="v1").sha == second, "a branch goes before a tag of the same name"
    api.delete_tag(repo, tag="v1")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(repo, tag="v1")
    assert api.repo_info(repo, revision="v1").sha == second


def test_a_commit_that_no_ref_leads_to_is_no_revision(hub: Hub, repo: str) -> None:
    api = hub.api("alice")
    api.create_branch(repo, branch="x")
    lost = api.upload_file(path_or_fileobj=b"2", path_in_repo="b", repo_id=repo, revision="x").oid
    assert api.repo_info(repo, revision=lost[:7]).sha == lost
    api.delete_branch(repo, branch="x")
    for revision in (lost, lost[:7]):
        with pytest.raises(RevisionNotFoundError):
            api.repo_info(repo, revision=revision)
        assert hub.ask("GET", f"/{repo}/resolve/{revision}/b").status_code == 404


def test_pull_requests_are_listed_when_asked_for(hub: Hub, repo: str) -> None:
    api = hub.api("alice")
    info = api.upload_file(path_or_fileobj=b"2", path_in_repo="b", repo_id=repo, create_pr=True)
    assert api.list_repo_refs(repo).pull_requests is None
    requests = api.list_repo_refs(repo, include_pull_requests=True).pull_requests
    assert requests is not None
    assert [(each.ref, each.target_commit) for each in requests] == [("refs/pr/1", info.oid)]
