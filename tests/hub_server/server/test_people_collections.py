"""Collections, with the unmodified client and a second user."""

from __future__ import annotations

import pytest
from hub_on_loopback import Hub
from huggingface_hub.errors import HfHubHTTPError

from enfold.hub.records import accounts


def status(call: object) -> int:
    with pytest.raises(HfHubHTTPError) as caught:
        call()  # type: ignore[operator]
    return int(caught.value.response.status_code)


def test_a_collection_from_its_making_to_its_end(hub: Hub, name: str) -> None:
    alice = hub.api("alice")
    model = alice.create_repo(f"alice/{name}").repo_id
    data = alice.create_repo(f"alice/{name}", repo_type="dataset").repo_id
    made = alice.create_collection(f"Things {name}!", description="What I like")
    assert made.slug.startswith(f"alice/things-{name}-") and made.items == []
    assert (made.title, made.description, made.private) == (f"Things {name}!", "What I like", False)
    assert made.url == f"{hub.url}/collections/{made.slug}"
    assert status(lambda: alice.create_collection(f"things  {name}")) == 409
    assert alice.create_collection(f"Things {name}", exists_ok=True).slug == made.slug

    alice.add_collection_item(made.slug, model, "model", note="The best")
    alice.add_collection_item(made.slug, data, "dataset")
    full = alice.add_collection_item(made.slug, "2306.05685", "paper")
    assert [(each.item_id, each.item_type, each.position, each.note) for each in full.items] == [
        (model, "model", 0, "The best"),
        (data, "dataset", 1, None),
        ("2306.05685", "paper", 2, None),
    ]
    assert status(lambda: alice.add_collection_item(made.slug, model, "model")) == 409
    assert len(alice.add_collection_item(made.slug, model, "model", exists_ok=True).items) == 3
    assert status(lambda: alice.add_collection_item(made.slug, "2306.05685", "paper")) == 409

    alice.update_collection_item(made.slug, full.items[1].item_object_id, note="Data", position=0)
    read = hub.api().get_collection(made.slug)
    assert [(each.item_id, each.note) for each in read.items[:2]] == [(data, "Data"), (model, "The best")]
    alice.delete_collection_item(made.slug, full.items[2].item_object_id)
    assert status(lambda: alice.delete_collection_item(made.slug, full.items[2].item_object_id)) == 404
    alice.delete_collection_item(made.slug, full.items[2].item_object_id, missing_ok=True)

    renamed = alice.update_collection_metadata(made.slug, title=f"Other {name}", theme="pink", position=3)
    assert renamed.slug == f"alice/other-{name}-{made.slug.rpartition('-')[2]}"
    assert (renamed.theme, renamed.position, len(renamed.items)) == ("pink", 3, 2)
    assert alice.get_collection(made.slug).title == f"Other {name}", "the old slug still finds it"
    alice.delete_collection(made.slug)
    assert status(lambda: alice.get_collection(made.slug)) == 404
    alice.delete_collection(made.slug, missing_ok=True)
    assert alice.model_info(model).id == model


def test_lists_of_collections(hub: Hub, name: str) -> None:
    hub.add_user(name)
    api = hub.api(name)
    model = api.create_repo(f"{name}/m").repo_id
    made = [api.create_collection(f"Number {number}") for number in range(6)]
    api.add_collection_item(made[1].slug, model, "model")
    api.add_collection_item(made[2].slug, "2306.05685", "paper")

    def slugs(**more: object) -> list[str]:
        return [each.slug for each in hub.api().list_collections(owner=name, **more)]

    newest_first = [made[2], made[1], made[5], made[4], made[3], made[0]]
    assert slugs() == [each.slug for each in newest_first]
    assert slugs(item=f"models/{model}") == [made[1].slug]
    assert slugs(item="papers/2306.05685") == [made[2].slug]
    assert slugs(item=[f"models/{model}", "papers/2306.05685"]) == [made[2].slug, made[1].slug]
    assert slugs(limit=4) == [each.slug for each in newest_first[:4]]
    pages = hub.ask("GET", f"/api/collections?owner={name}&limit=4")
    assert len(pages.json()) == 4 and 'rel="next"' in pages.headers["link"]
    assert hub.ask("GET", "/api/collections?item=nonsense").status_code == 400


def test_a_private_collection_is_for_its_people(hub: Hub, name: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    made = alice.create_collection(f"Secret {name}", private=True)
    for other in (bob, hub.api()):
        assert status(lambda other=other: other.get_collection(made.slug)) == 404
        assert made.slug not in [each.slug for each in other.list_collections(owner="alice")]
    assert status(lambda: bob.delete_collection(made.slug)) == 404
    assert status(lambda: bob.add_collection_item(made.slug, "2306.05685", "paper")) == 404
    assert made.slug in [each.slug for each in alice.list_collections(owner="alice")]
    alice.update_collection_metadata(made.slug, private=False)
    assert bob.get_collection(made.slug).title == f"Secret {name}"


def test_what_others_may_not_do_with_a_collection(hub: Hub, name: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    model = alice.create_repo(f"alice/{name}").repo_id
    made = alice.create_collection(f"Mine {name}")
    item = alice.add_collection_item(made.slug, model, "model").items[0].item_object_id
    theirs = bob.create_collection(f"His {name}")
    for call, expected in (
        (lambda: bob.add_collection_item(made.slug, "1", "paper"), 403),
        (lambda: bob.update_collection_metadata(made.slug, title="Stolen"), 403),
        (lambda: bob.update_collection_item(made.slug, item, note="x"), 403),
        (lambda: bob.delete_collection_item(made.slug, item), 403),
        (lambda: bob.delete_collection(made.slug), 403),
        (lambda: bob.create_collection("For alice", namespace="alice"), 403),
        (lambda: bob.create_collection("For nobody", namespace="nobody-of-that-name"), 403),
        (lambda: bob.update_collection_item(theirs.slug, item, note="x"), 404),
        (lambda: hub.api("bob").get_collection(made.slug.replace("alice/", "bob/")), 404),
    ):
        assert status(call) == expected
    hub.add_token(f"{name}-reads", "alice", role="read")
    assert status(lambda: hub.api(f"{name}-reads").delete_collection(made.slug)) == 403


def test_a_private_repository_is_in_no_collection_for_others(hub: Hub, name: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    secret = alice.create_repo(f"alice/{name}", private=True).repo_id
    made = alice.create_collection(f"Mixed {name}")
    alice.add_collection_item(made.slug, secret, "model", note="shh")
    assert len(alice.get_collection(made.slug).items) == 1
    assert bob.get_collection(made.slug).items == []
    assert list(bob.list_collections(item=f"models/{secret}")) == []
    own = bob.create_collection(f"Probe {name}")
    assert status(lambda: bob.add_collection_item(own.slug, secret, "model")) == 404
    assert status(lambda: bob.add_collection_item(own.slug, f"{secret}-missing", "model")) == 404


def test_collections_of_an_organisation(hub: Hub, name: str) -> None:
    hub.add_user(f"{name}-w")
    hub.add_user(f"{name}-r")
    with hub.records.write() as session:
        members = [(accounts.user(session, f"{name}-w"), "write"), (accounts.user(session, f"{name}-r"), "read")]
        accounts.create_organization(session, name, members=members)  # type: ignore[arg-type]
    made = hub.api(f"{name}-w").create_collection("Ours", namespace=name, private=True)
    assert hub.api(f"{name}-r").get_collection(made.slug).owner["name"] == name
    assert status(lambda: hub.api(f"{name}-r").delete_collection(made.slug)) == 403
    assert status(lambda: hub.api("bob").get_collection(made.slug)) == 404


def test_a_collection_stands_in_another_for_those_who_may_see_it(hub: Hub, name: str) -> None:
    api = hub.api("alice")
    outer = api.create_collection(f"outer {name}", namespace="alice").slug
    inner = api.create_collection(f"inner {name}", namespace="alice").slug
    hidden = api.create_collection(f"hidden {name}", namespace="alice", private=True).slug
    for slug in (inner, hidden):
        api.add_collection_item(outer, slug, "collection")
    seen = {who: [each.item_id for each in hub.api(who).get_collection(outer).items] for who in ("alice", "bob")}
    assert seen == {"alice": [inner, hidden], "bob": [inner]}
    theirs = hub.api("bob").create_collection(f"theirs {name}", namespace="bob").slug
    for slug in (hidden, "alice/missing-000000000000000000000000"):
        with pytest.raises(HfHubHTTPError) as caught:
            hub.api("bob").add_collection_item(theirs, slug, "collection")
        assert caught.value.response.status_code == 404
    with pytest.raises(HfHubHTTPError, match="cannot hold itself"):
        api.add_collection_item(outer, outer, "collection")
