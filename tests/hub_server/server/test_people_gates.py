"""Gated repositories: asking, deciding, and what those outside are told; with the unmodified client."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_on_loopback import Hub
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError


@pytest.fixture
def repo(hub: Hub, name: str) -> str:
    """A gated model of alice."""
    made: str = hub.api("alice").create_repo(f"alice/{name}").repo_id
    hub.api("alice").update_repo_settings(made, gated="manual")
    return made


def ask(hub: Hub, user: str | None, repo: str, **fields: str) -> tuple[int, dict[str, str]]:
    answer = hub.ask("POST", f"/{repo}/ask-access", user, json=fields)
    return answer.status_code, answer.json()


def names(found: object) -> list[str | None]:
    return [each.username for each in found]  # type: ignore[attr-defined]


def test_a_manual_gate_from_asking_to_the_end(hub: Hub, repo: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    with pytest.raises(GatedRepoError):
        bob.auth_check(repo)
    assert bob.model_info(repo).gated == "manual", "what it is may be known; its files are behind the gate"
    assert ask(hub, "bob", repo, affiliation="University", purpose="To study it") == (200, {"status": "pending"})
    assert ask(hub, "bob", repo) == (200, {"status": "pending"}), "asking twice changes nothing"
    with pytest.raises(GatedRepoError):
        bob.auth_check(repo)
    pending = list(alice.list_pending_access_requests(repo))
    assert names(pending) == ["bob"]
    assert pending[0].fields == {"affiliation": "University", "purpose": "To study it"}
    assert (pending[0].status, pending[0].fullname) == ("pending", "bob")

    alice.accept_access_request(repo, "bob")
    bob.auth_check(repo)
    assert names(alice.list_accepted_access_requests(repo)) == ["bob"]
    with pytest.raises(HfHubHTTPError) as caught:
        alice.accept_access_request(repo, "bob")
    assert caught.value.response.status_code == 404
    assert ask(hub, "bob", repo)[0] == 400, "who is in need not ask"

    alice.cancel_access_request(repo, "bob")
    with pytest.raises(GatedRepoError):
        bob.auth_check(repo)
    alice.reject_access_request(repo, request_id=pending[0].request_id, rejection_reason="Not now")
    assert names(alice.list_rejected_access_requests(repo)) == ["bob"]
    assert list(alice.list_pending_access_requests(repo)) == []
    status, answer = ask(hub, "bob", repo)
    assert status == 403 and "was rejected" in answer["error"]


def test_an_automatic_gate_opens_for_whoever_asks(hub: Hub, repo: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    ask(hub, "bob", repo)
    alice.update_repo_settings(repo, gated="auto")
    with pytest.raises(GatedRepoError):
        bob.auth_check(repo)
    assert ask(hub, "bob", repo) == (200, {"status": "accepted"})
    bob.auth_check(repo)
    with pytest.raises(GatedRepoError):
        hub.api().auth_check(repo)


def test_the_error_of_a_gate_says_so_to_clients(hub: Hub, repo: str) -> None:
    for user, status in (("bob", 403), (None, 401)):
        answer = hub.ask("GET", f"/api/models/{repo}/auth-check", user)
        assert (answer.status_code, answer.headers["x-error-code"]) == (status, "GatedRepo")
        assert f"Access to model {repo} is restricted" in answer.headers["x-error-message"]


def test_a_user_can_be_let_in_without_having_asked(hub: Hub, repo: str) -> None:
    if "dora" not in hub.tokens:
        hub.add_user("dora", email="dora@example.org")
    if "emil" not in hub.tokens:
        hub.add_user("emil", email="emil@example.org")
    alice = hub.api("alice")
    alice.grant_access(repo, "dora")
    hub.api("dora").auth_check(repo)
    ask(hub, "emil", repo)
    alice.grant_access(repo, "emil")
    accepted = {each.username: each.email for each in alice.list_accepted_access_requests(repo)}
    assert accepted == {"dora": None, "emil": "emil@example.org"}, "only who asked has shared their address"
    for user, status in (("dora", 400), ("nobody", 404)):
        with pytest.raises(HfHubHTTPError) as caught:
            alice.grant_access(repo, user)
        assert caught.value.response.status_code == status


def test_what_others_may_not_do_with_a_gate(hub: Hub, repo: str) -> None:
    bob = hub.api("bob")
    ask(hub, "bob", repo)
    uid = next(iter(hub.api("alice").list_pending_access_requests(repo))).request_id
    for call in (
        lambda: bob.accept_access_request(repo, "bob"),
        lambda: bob.accept_access_request(repo, request_id=uid),
        lambda: bob.grant_access(repo, "bob"),
        lambda: list(bob.list_pending_access_requests(repo)),
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            call()
        assert caught.value.response.status_code == 403
    # bob administers a repository of his own; a request of alice's is not found through it
    own = bob.create_repo(f"bob/{repo.split('/')[1]}").repo_id
    bob.update_repo_settings(own, gated="manual")
    with pytest.raises(HfHubHTTPError) as caught:
        bob.accept_access_request(own, request_id=uid)
    assert caught.value.response.status_code == 404
    with pytest.raises(GatedRepoError):
        bob.auth_check(repo)
    assert ask(hub, None, repo)[0] == 401
    hub.add_token("bob-reads-gates", "bob", role="read") if "bob-reads-gates" not in hub.tokens else None
    assert ask(hub, "bob-reads-gates", repo)[0] == 403, "a read token gives nobody's name away"


def test_a_private_repository_is_not_there_to_be_asked_for(hub: Hub, repo: str) -> None:
    hub.api("alice").update_repo_settings(repo, private=True)
    assert ask(hub, "bob", repo) == (404, {"error": "Repository not found"})
    with pytest.raises(RepositoryNotFoundError):
        hub.api("bob").auth_check(repo)


def test_a_repository_without_a_gate(hub: Hub, name: str) -> None:
    alice = hub.api("alice")
    repo = alice.create_repo(f"alice/{name}").repo_id
    hub.api("bob").auth_check(repo)
    for call in (lambda: alice.grant_access(repo, "bob"), lambda: list(alice.list_pending_access_requests(repo))):
        with pytest.raises(HfHubHTTPError, match="is not gated") as caught:
            call()
        assert caught.value.response.status_code == 400
    assert ask(hub, "bob", repo)[0] == 400


def test_requests_come_by_page(hub: Hub, repo: str) -> None:
    from enfold.hub.records import access_requests, accounts
    from enfold.hub.records.repositories import find_repository

    with hub.records.write() as session:
        gated = find_repository(session, "model", repo)
        assert gated is not None
        for number in range(130):
            user = accounts.create_user(session, f"{repo.split('/')[1]}-{number}")
            access_requests.ask(session, gated, user.id, {})
    found = names(hub.api("alice").list_pending_access_requests(repo))
    assert len(found) == len(set(found)) == 130
    answer = hub.ask("GET", f"/api/models/{repo}/user-access-request/pending?cursor=nonsense", "alice")
    assert answer.status_code == 400 and "is no cursor" in answer.json()["error"]


def test_fields_of_a_gate_have_bounds(hub: Hub, repo: str) -> None:
    for body in ({"x": "y" * 1001}, {str(number): "x" for number in range(31)}, {"x": ["y"]}, {"": "x"}, ["x"]):
        assert hub.ask("POST", f"/{repo}/ask-access", "bob", json=body).status_code == 422
    answer = hub.ask("POST", f"/{repo}/ask-access", "bob", data={"purpose": "as a form"})
    assert answer.json() == {"status": "pending"}


def test_files_behind_a_gate(hub: Hub, repo: str, tmp_path: Path) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    alice.upload_file(path_or_fileobj=b"weights", path_in_repo="a.txt", repo_id=repo)
    for api in (bob, hub.api()):
        with pytest.raises(GatedRepoError):
            api.hf_hub_download(repo, "a.txt", cache_dir=tmp_path / "refused")
        with pytest.raises(GatedRepoError):
            api.get_hf_file_metadata(url=f"{hub.url}/{repo}/resolve/main/a.txt")
    alice.grant_access(repo, "bob")
    assert Path(bob.hf_hub_download(repo, "a.txt", cache_dir=tmp_path / "kept")).read_bytes() == b"weights"
