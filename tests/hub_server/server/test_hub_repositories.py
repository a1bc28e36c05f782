"""Repositories through the ecosystem's own client: made, described, moved, changed, deleted."""

from __future__ import annotations

import base64
import subprocess

import pytest
from hub_on_loopback import Hub
from huggingface_hub.errors import (
    BadRequestError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from enfold.hub.records.repositories import find_repository
from enfold.hub.store import DEFAULT_ATTRIBUTES


def test_whoami(hub: Hub) -> None:
    found = hub.api("alice").whoami()
    assert (found["type"], found["name"], found["orgs"]) == ("user", "alice", [])
    assert found["auth"]["accessToken"]["displayName"] == "test"
    assert found["auth"]["accessToken"]["role"] == "write"


@pytest.mark.parametrize("type", ["model", "dataset", "space"])
def test_a_new_repository_has_one_commit_with_the_attributes(hub: Hub, name: str, type: str) -> None:
    api = hub.api("alice")
    url = api.create_repo(f"alice/{name}", repo_type=type, space_sdk="static" if type == "space" else None)
    assert (url.repo_id, url.repo_type, url.endpoint) == (f"alice/{name}", type, hub.url)
    info = api.repo_info(f"alice/{name}", repo_type=type, files_metadata=True)
    assert info.author == "alice" and info.private is False
    attributes = (".gitattributes", len(DEFAULT_ATTRIBUTES))
    card = ("README.md", len(f"---\ntitle: {name}\nsdk: static\n---\n"))  # of a space alone: how it is run
    expected = [attributes, card] if type == "space" else [attributes]
    assert [(each.rfilename, each.size) for each in info.siblings] == expected
    at_commit = api.repo_info(f"alice/{name}", repo_type=type, revision=info.sha)
    assert at_commit.sha == info.sha == api.repo_info(f"alice/{name}", repo_type=type, revision=info.sha[:7]).sha


def test_its_objects_are_what_git_reads(hub: Hub, name: str, tmp_path) -> None:
    api = hub.api("alice")
    api.create_repo(f"alice/{name}")
    sha = api.model_info(f"alice/{name}").sha
    with hub.records.read() as session:
        made = find_repository(session, "model", f"alice/{name}")
    assert made is not None
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "r"], check=True)
    packs = hub.root / "repos" / made.uid[:2] / made.uid / "packs"
    (tmp_path / "r" / "objects" / "pack").rmdir()
    (tmp_path / "r" / "objects" / "pack").symlink_to(packs)
    (tmp_path / "r" / "refs" / "heads" / "main").write_text(f"{sha}\n")
    git = ["git", "-C", str(tmp_path / "r")]
    subprocess.run([*git, "fsck", "--strict"], check=True, capture_output=True)
    log = subprocess.run([*git, "log", "--format=%s|%an|%ae", "main"], check=True, capture_output=True, text=True)
    assert log.stdout == "initial commit|alice|alice@users.noreply.hub\n"
    shown = subprocess.run([*git, "show", "main:.gitattributes"], check=True, capture_output=True)
    assert shown.stdout == DEFAULT_ATTRIBUTES


def test_making_one_that_is_there(hub: Hub, name: str) -> None:
    api = hub.api("alice")
    first = api.create_repo(f"alice/{name}")
    assert api.create_repo(f"alice/{name}", exist_ok=True) == first
    assert api.create_repo(f"alice/{name.upper()}", exist_ok=True).repo_id == f"alice/{name}"
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo(f"alice/{name}")


def test_without_a_namespace_it_is_the_callers(hub: Hub, name: str) -> None:
    assert hub.api("alice").create_repo(name).repo_id == f"alice/{name}"


def test_in_another_namespace_it_is_forbidden(hub: Hub, name: str) -> None:
    for user, namespace in (("bob", "alice"), ("alice", "nobody")):
        with pytest.raises(HfHubHTTPError, match="403.*rights to create a repository under the namespace") as caught:
            hub.api(user).create_repo(f"{namespace}/{name}")
        assert caught.value.response.status_code == 403
    with pytest.raises(HfHubHTTPError, match="401"):
        hub.api().create_repo(f"alice/{name}")


@pytest.mark.parametrize("bad", ["tree", "a..b", "a.git", "x" * 97])
def test_names_that_cannot_be(hub: Hub, bad: str) -> None:
    answer = hub.ask("POST", "/api/repos/create", "alice", json={"name": bad, "organization": None})
    assert answer.status_code == 400
    assert answer.headers["x-error-message"] == answer.json()["error"]


def test_a_name_is_found_whatever_its_case_and_shown_as_it_was_made(hub: Hub) -> None:
    hub.api("alice").create_repo("alice/CaseD")
    assert hub.api("alice").model_info("ALICE/cased").id == "alice/CaseD"


def test_expand_answers_what_was_asked(hub: Hub, name: str) -> None:
    api = hub.api("alice")
    api.create_repo(f"alice/{name}")
    info = api.model_info(f"alice/{name}", expand=["downloads", "likes", "sha"])
    assert (info.downloads, info.likes) == (0, 0) and info.sha
    assert info.author is None and info.siblings is None
    answer = hub.ask("GET", f"/api/models/alice/{name}?expand=nonsense")
    assert answer.status_code == 400
    assert "expand does not know nonsense; it takes: author, baseModels" in answer.json()["error"]


def test_an_unknown_revision(hub: Hub, name: str) -> None:
    api = hub.api("alice")
    api.create_repo(f"alice/{name}")
    for revision in ("nope", "refs/pr/1", "0" * 40, "ab"):
        with pytest.raises(RevisionNotFoundError, match=f"Invalid rev id: {revision}"):
            api.model_info(f"alice/{name}", revision=revision)
    assert api.model_info(f"alice/{name}", revision="refs/heads/main").sha


def test_after_a_move_old_names_lead_to_the_new_one(hub: Hub, name: str) -> None:
    api = hub.api("alice")
    api.create_repo(f"alice/{name}")
    api.move_repo(f"alice/{name}", f"alice/{name}-2")
    assert api.model_info(f"alice/{name}").id == f"alice/{name}-2"
    answer = hub.ask("GET", f"/api/models/alice/{name}/revision/refs%2Fheads%2Fmain?blobs=true", "alice")
    assert answer.status_code == 307
    assert answer.headers["location"].endswith(f"/api/models/alice/{name}-2/revision/refs%2Fheads%2Fmain?blobs=true")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(f"alice/{name}")
    assert api.repo_exists(f"alice/{name}-2"), "an old name is no way to delete"
    api.create_repo(f"alice/{name}")
    assert api.model_info(f"alice/{name}").id == f"alice/{name}", "until somebody takes the name"


def test_moves_that_cannot_be(hub: Hub, name: str) -> None:
    api = hub.api("alice")
    api.create_repo(f"alice/{name}")
    api.create_repo(f"alice/{name}-2")
    with pytest.raises(HfHubHTTPError, match=f"A model repository called alice/{name}-2 already exists"):
        api.move_repo(f"alice/{name}", f"alice/{name}-2")
    with pytest.raises(HfHubHTTPError, match="403"):
        api.move_repo(f"alice/{name}", f"bob/{name}")
    with pytest.raises(HfHubHTTPError, match="403"):
        hub.api("bob").move_repo(f"alice/{name}", f"bob/{name}")


def test_settings(hub: Hub, name: str) -> None:
    api = hub.api("alice")
    api.create_repo(f"alice/{name}")
    api.update_repo_settings(f"alice/{name}", private=True, gated="manual")
    info = api.model_info(f"alice/{name}")
    assert (info.private, info.gated) == (True, "manual")
    api.update_repo_settings(f"alice/{name}", gated=False)
    info = api.model_info(f"alice/{name}")
    assert (info.private, info.gated) == (True, False), "what is not named stays"
    with pytest.raises(HfHubHTTPError, match="403.*you may not administer"):
        api.update_repo_settings(f"alice/{name}", private=False)
        hub.api("bob").update_repo_settings(f"alice/{name}", private=True)


def test_deleting(hub: Hub, name: str) -> None:
    api = hub.api("alice")
    api.create_repo(f"alice/{name}")
    with hub.records.read() as session:
        uid = find_repository(session, "model", f"alice/{name}").uid
    folder = hub.root / "repos" / uid[:2] / uid
    assert folder.is_dir()
    with pytest.raises(HfHubHTTPError, match="403"):
        hub.api("bob").delete_repo(f"alice/{name}")
    api.delete_repo(f"alice/{name}")
    assert not api.repo_exists(f"alice/{name}") and not folder.exists()
    api.delete_repo(f"alice/{name}", missing_ok=True)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(f"alice/{name}")


def test_a_private_repository_looks_exactly_like_a_missing_one(hub: Hub, name: str) -> None:
    hub.api("alice").create_repo(f"alice/{name}", private=True)
    hub.api("alice").create_repo(f"alice/{name}-old", private=True)
    hub.api("alice").move_repo(f"alice/{name}-old", f"alice/{name}-new")

    def answers(repository: str, user: str | None) -> list[tuple[object, ...]]:
        found = []
        for method, path, body in (
            ("GET", f"/api/models/{repository}", None),
            ("GET", f"/api/models/{repository}/revision/main", None),
            ("GET", f"/api/models/{repository}/revision/nope", None),
            ("GET", f"/api/models/{repository}?expand=sha", None),
            ("GET", f"/api/models/{repository}/auth-check", None),
            ("GET", f"/api/models/{repository}/auth-check/write", None),
            ("PUT", f"/api/models/{repository}/settings", {"private": False}),
            ("DELETE", "/api/repos/delete", dict(zip(("organization", "name"), repository.split("/"), strict=True))),
            ("POST", "/api/repos/move", {"fromRepo": repository, "toRepo": "bob/taken", "type": "model"}),
        ):
            answer = hub.ask(method, path, user, json=body)
            headers = {key: value for key, value in answer.headers.items() if key not in ("date", "x-request-id")}
            found.append((path.replace(repository, "…"), answer.status_code, headers, answer.text))
        return found

    for user, status in (("bob", 404), (None, 401)):
        missing = answers(f"alice/{name}-never", user)
        assert answers(f"alice/{name}", user) == missing
        assert answers(f"alice/{name}-old", user) == missing, "nor does an old name say that there is a new one"
        assert {each[1] for each in missing} == {status}
    with pytest.raises(RepositoryNotFoundError):
        hub.api("bob").model_info(f"alice/{name}")


def test_a_gate(hub: Hub, name: str) -> None:
    hub.api("alice").create_repo(f"alice/{name}")
    hub.api("alice").update_repo_settings(f"alice/{name}", gated="auto")
    assert hub.api("bob").model_info(f"alice/{name}").gated == "auto"
    hub.api("alice").auth_check(f"alice/{name}")
    for user, status in (("bob", 403), (None, 401)):
        with pytest.raises(GatedRepoError) as caught:
            hub.api(user).auth_check(f"alice/{name}")
        assert caught.value.response.status_code == status


def test_organisations(hub: Hub, name: str) -> None:
    from enfold.hub.records import accounts

    with hub.records.write() as session:
        lab = accounts.create_organization(session, f"lab{name[2:]}", full_name="The Lab")
        accounts.add_member(session, lab, accounts.user(session, "alice"), "admin")
        accounts.add_member(session, lab, accounts.user(session, "bob"), "read")
    assert hub.api("alice").whoami()["orgs"][0]["name"] == lab.name
    hub.api("alice").create_repo(f"{lab.name}/m", private=True)
    assert hub.api("bob").model_info(f"{lab.name}/m").private
    with pytest.raises(HfHubHTTPError, match="403"):
        hub.api("bob").create_repo(f"{lab.name}/n")
    hub.api("alice").move_repo(f"{lab.name}/m", "alice/" + name)
    with pytest.raises(RepositoryNotFoundError):
        hub.api("bob").model_info("alice/" + name)


def test_tokens(hub: Hub, name: str) -> None:
    from datetime import timedelta

    from enfold.hub.records import Grant, accounts, tokens
    from enfold.hub.records.schema import now

    hub.api("alice").create_repo(f"alice/{name}", private=True)
    hub.api("alice").create_repo(f"alice/{name}-2", private=True)
    with hub.records.read() as session:
        one = find_repository(session, "model", f"alice/{name}")
    hub.add_token("reading", "alice", role="read")
    hub.add_token("narrow", "alice", role="fineGrained", grants=[Grant("admin", repository_id=one.id)])
    hub.add_token("late", "alice", expires_at=now() - timedelta(minutes=1))
    hub.add_token("gone", "alice")
    with hub.records.write() as session:
        tokens.revoke_token(session, accounts.user(session, "alice"), "gone")

    assert hub.api("reading").model_info(f"alice/{name}").private
    assert hub.api("reading").whoami()["auth"]["accessToken"]["role"] == "read"
    with pytest.raises(HfHubHTTPError, match="403.*this token may only read"):
        hub.api("reading").update_repo_settings(f"alice/{name}", private=False)
    hub.api("narrow").update_repo_settings(f"alice/{name}", gated="auto")
    with pytest.raises(RepositoryNotFoundError):
        hub.api("narrow").model_info(f"alice/{name}-2")
    with pytest.raises(HfHubHTTPError, match="403"):
        hub.api("narrow").create_repo(f"alice/{name}-3")
    hub.tokens["wrong"] = "hf_" + "x" * 40
    for label in ("late", "gone", "wrong"):
        for ask in (hub.api(label).whoami, lambda: hub.api(label).list_models(limit=1).__next__()):  # noqa: B023
            with pytest.raises(HfHubHTTPError) as caught:
                ask()
            assert caught.value.response.status_code == 401
            assert caught.value.response.headers["x-error-message"].startswith("Invalid credentials in Authorization")
    basic = base64.b64encode(f"anyone:{hub.tokens['alice']}".encode()).decode()
    assert hub.ask("GET", "/api/whoami-v2", headers={"Authorization": f"Basic {basic}"}).json()["name"] == "alice"
    cookie = {"Cookie": f"token={hub.tokens['alice']}; session={hub.tokens['alice']}"}
    assert hub.ask("GET", "/api/whoami-v2", headers=cookie).status_code == 401, "a cookie opens nothing here"


def test_models_without_namespace(hub: Hub) -> None:
    hub.api("alice").create_repo("alice/canon")
    answer = hub.ask(
        "POST", "/api/repos/move", "root", json={"fromRepo": "alice/canon", "toRepo": "canon", "type": "model"}
    )
    assert answer.status_code == 200
    assert hub.api().model_info("canon").id == "canon"
    assert hub.ask("GET", "/api/models/canon/revision/main").json()["id"] == "canon"
    body = {"fromRepo": "canon", "toRepo": "alice/canon", "type": "model"}
    assert hub.ask("POST", "/api/repos/move", "alice", json=body).status_code == 403


def test_a_space_needs_an_sdk(hub: Hub, name: str) -> None:
    with pytest.raises(BadRequestError, match="sdk is missing"):
        answer = hub.ask("POST", "/api/repos/create", "alice", json={"name": name, "type": "space"})
        from huggingface_hub.utils import hf_raise_for_status

        hf_raise_for_status(answer)
