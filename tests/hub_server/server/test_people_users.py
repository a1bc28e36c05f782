"""Likes, profiles, organisations, followers and tags, with the unmodified client."""

from __future__ import annotations

import pytest
from hub_on_loopback import Hub
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from enfold.hub.records import accounts, likes
from enfold.hub.records.repositories import find_repository


def user(hub: Hub, name: str) -> str:
    """A user of this test alone."""
    hub.add_user(name, full_name=f"Full {name}")
    return name


def like(hub: Hub, who: str, repo: str, kind: str = "models") -> int:
    return hub.ask("POST", f"/api/{kind}/{repo}/like", who).status_code


def test_likes_are_counted_once_each(hub: Hub, name: str) -> None:
    fan, other = user(hub, f"{name}-a"), user(hub, f"{name}-b")
    repo = hub.api("alice").create_repo(f"alice/{name}").repo_id
    data = hub.api("alice").create_repo(f"alice/{name}", repo_type="dataset").repo_id
    for who in (fan, fan, other):
        assert like(hub, who, repo) == 200
    assert like(hub, fan, data, "datasets") == 200
    assert hub.api().model_info(repo).likes == 2
    likers = {each.username: each.fullname for each in hub.api().list_repo_likers(repo)}
    assert likers == {fan: f"Full {fan}", other: f"Full {other}"}
    liked = hub.api(fan).list_liked_repos()
    assert (liked.user, liked.total, liked.models, liked.datasets) == (fan, 2, [repo], [data])
    for _ in range(2):
        hub.api(fan).unlike(repo)
    assert hub.api().model_info(repo).likes == 1
    assert [each.username for each in hub.api().list_repo_likers(repo)] == [other]
    with pytest.raises(RepositoryNotFoundError):
        hub.api(fan).unlike(f"alice/{name}-missing")
    assert hub.ask("POST", f"/api/models/{repo}/like").status_code == 401
    token = hub.add_token(f"{name}-reads", fan, role="read")
    assert token and like(hub, f"{name}-reads", repo) == 403


def test_a_private_repository_shows_in_nobody_elses_likes(hub: Hub, name: str) -> None:
    fan = user(hub, f"{name}-a")
    secret = hub.api(fan).create_repo(f"{fan}/secret", private=True).repo_id
    like(hub, fan, secret)
    assert hub.api(fan).list_liked_repos().models == [secret]
    assert hub.api("bob").list_liked_repos(fan).models == []
    assert (hub.api(fan).get_user_overview(fan).num_likes, hub.api("bob").get_user_overview(fan).num_likes) == (1, 0)
    assert like(hub, "bob", secret) == 404
    with pytest.raises(RepositoryNotFoundError):
        list(hub.api("bob").list_repo_likers(secret))


def test_likers_come_by_page(hub: Hub, name: str) -> None:
    repo = hub.api("alice").create_repo(f"alice/{name}").repo_id
    with hub.records.write() as session:
        found = find_repository(session, "model", repo)
        assert found is not None
        for number in range(230):
            likes.like(session, found, accounts.create_user(session, f"{name}-{number}").id)
    names = [each.username for each in hub.api().list_repo_likers(repo)]
    assert len(names) == len(set(names)) == 230


def test_a_user_as_others_see_them(hub: Hub, name: str) -> None:
    who = user(hub, name)
    hub.api(who).create_repo(f"{who}/one")
    hub.api(who).create_repo(f"{who}/two", private=True)
    hub.api(who).create_repo(f"{who}/data", repo_type="dataset")
    seen = hub.api("bob").get_user_overview(who)
    assert (seen.username, seen.fullname, seen.num_models, seen.num_datasets) == (who, f"Full {who}", 1, 1)
    assert hub.api(who).get_user_overview(who).num_models == 2
    assert seen.avatar_url == f"{hub.url}/avatars/{who}.svg"
    with pytest.raises(HfHubHTTPError) as caught:
        hub.api().get_user_overview("nobody-of-that-name")
    assert caught.value.response.status_code == 404


def test_an_organisation_and_its_people(hub: Hub, name: str) -> None:
    who, admin = user(hub, f"{name}-a"), user(hub, f"{name}-b")
    with hub.records.write() as session:
        members = [(accounts.user(session, who), "write"), (accounts.user(session, admin), "admin")]
        accounts.create_organization(session, name, full_name="The Lab", members=members)  # type: ignore[arg-type]
    hub.api(who).create_repo(f"{name}/model")
    hub.api(who).create_repo(f"{name}/secret", private=True)
    seen = hub.api().get_organization_overview(name)
    assert (seen.name, seen.fullname, seen.num_users, seen.num_models) == (name, "The Lab", 2, 1)
    assert hub.api(who).get_organization_overview(name).num_models == 2
    assert {each.username for each in hub.api().list_organization_members(name)} == {who, admin}
    assert [each.name for each in hub.api().get_user_overview(who).orgs] == [name]

    kept = list(hub.api(who).list_user_repos(name))
    assert [(each.id, each.type, each.visibility) for each in kept] == [
        (f"{name}/model", "model", "public"),
        (f"{name}/secret", "model", "private"),
    ]
    with pytest.raises(HfHubHTTPError) as caught:
        list(hub.api("bob").list_user_repos(name))
    assert caught.value.response.status_code == 403
    for call in (hub.api().get_organization_overview, hub.api().get_user_overview):
        with pytest.raises(HfHubHTTPError) as caught:
            call("nobody-of-that-name")
        assert caught.value.response.status_code == 404
    with pytest.raises(HfHubHTTPError):
        hub.api().get_user_overview(name)  # an organisation is no user


def test_ones_own_repositories(hub: Hub, name: str) -> None:
    who = user(hub, name)
    hub.api(who).create_repo(f"{who}/one", private=True)
    hub.api(who).create_repo(f"{who}/data", repo_type="dataset")
    kept = list(hub.api(who).list_user_repos())
    assert [(each.id, each.type, each.visibility) for each in kept] == [
        (f"{who}/one", "model", "private"),
        (f"{who}/data", "dataset", "public"),
    ]
    assert all(each.storage >= 0 for each in kept)
    assert hub.ask("GET", "/api/settings/repositories").status_code == 401


def test_following(hub: Hub, name: str) -> None:
    one, two = user(hub, f"{name}-a"), user(hub, f"{name}-b")
    with hub.records.write() as session:
        accounts.create_organization(session, name)
    for path in (f"/api/users/{two}/follow", f"/api/users/{two}/follow", f"/api/organizations/{name}/follow"):
        assert hub.ask("POST", path, one).status_code == 200
    assert [each.username for each in hub.api().list_user_followers(two)] == [one]
    assert [each.username for each in hub.api().list_user_following(one)] == [two]
    assert [each.username for each in hub.api().list_organization_followers(name)] == [one]
    assert hub.api().get_user_overview(two).num_followers == 1
    hub.ask("DELETE", f"/api/users/{two}/follow", one)
    assert list(hub.api().list_user_followers(two)) == []
    assert hub.ask("POST", f"/api/users/{name}/follow", one).status_code == 404
    assert hub.ask("POST", f"/api/users/{two}/follow").status_code == 401
