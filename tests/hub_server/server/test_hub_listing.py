"""Lists of repositories through the ecosystem's own client: search, filters, sorts, pages, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hub_on_loopback import Hub, hub_on_loopback

from enfold.hub.records import accounts, cards
from enfold.hub.records.repositories import create_repository

BERT = """---
language: [en, de]
license: apache-2.0
library_name: transformers
pipeline_tag: fill-mask
tags: [pytorch, exbert]
datasets: wikipedia
base_model: google/bert
---
# A model  See https://arxiv.org/abs/1810.04805
"""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    more = {}
    if request.param == "postgres":
        generator = request.getfixturevalue("hub_postgres_module")
        more["database"] = generator
    with hub_on_loopback(tmp_path_factory.mktemp("hub") / "root", **more) as hub:
        with hub.records.write() as session:
            alice, bob = (accounts.user(session, name) for name in ("alice", "bob"))
            accounts.create_organization(session, "lab", members=[(bob, "read")])
            for number in range(12):
                made = create_repository(session, "model", f"alice/number-{number:02d}")
                made.likes, made.downloads = number % 4, 100 - number
                made.created_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
                made.parameters = number * 10**9
            bert = create_repository(session, "model", "alice/Bert-Base", creator_id=alice.id)
            cards.describe(session, bert, sha="a" * 40, readme=BERT, config={"model_type": "bert"})
            gpt = create_repository(session, "model", "bob/gpt")
            cards.describe(session, gpt, sha="b" * 40, readme="---\ntags: [pytorch]\n---", config=None)
            gpt.gated = "auto"
            create_repository(session, "model", "bob/secret-bert", private=True)
            create_repository(session, "model", "lab/inside-bert", private=True)
            create_repository(session, "dataset", "bob/bert-data")
        yield hub


def ids(hub: Hub, user: str | None = None, **more: object) -> list[str]:
    return [each.id for each in hub.api(user).list_models(**more)]  # type: ignore[arg-type]


def test_search_finds_parts_of_names_and_tags_whatever_the_case(library: Hub) -> None:
    assert ids(library, search="bert") == ["alice/Bert-Base"]
    assert ids(library, search="ERT-BA") == ["alice/Bert-Base"]
    assert ids(library, search="exbert") == ["alice/Bert-Base"]
    assert ids(library, search="alice base") == ["alice/Bert-Base"]
    assert ids(library, search="gp") == ["bob/gpt"], "also in two letters"
    assert len(ids(library, search="number")) == 12
    assert ids(library, search='" OR "bert') == [], "nothing in it is a query language"
    assert ids(library, search="100%") == ids(library, search="a_i") == []


def test_only_the_callers_own_private_ones_are_found(library: Hub) -> None:
    assert set(ids(library, "bob", search="bert")) == {"alice/Bert-Base", "bob/secret-bert", "lab/inside-bert"}
    assert ids(library, "alice", search="bert") == ["alice/Bert-Base"]
    assert "bob/secret-bert" in ids(library, "bob", author="bob")
    assert ids(library, "alice", author="BOB") == ["bob/gpt"]
    assert ids(library, author="nobody") == []


def test_filters(library: Hub) -> None:
    assert set(ids(library, filter="pytorch")) == {"alice/Bert-Base", "bob/gpt"}
    assert ids(library, filter=["pytorch", "exbert"]) == ["alice/Bert-Base"]
    assert ids(library, filter="license:apache-2.0") == ["alice/Bert-Base"]
    assert ids(library, filter="de") == ids(library, filter="arxiv:1810.04805") == ["alice/Bert-Base"]
    assert ids(library, trained_dataset="wikipedia") == ["alice/Bert-Base"]
    assert ids(library, pipeline_tag="fill-mask") == ["alice/Bert-Base"]
    assert ids(library, gated=True) == ["bob/gpt"]
    assert ids(library, num_parameters="min:10B,max:11B") == ["alice/number-11", "alice/number-10"]
    assert [each.id for each in library.api().list_datasets(search="bert")] == ["bob/bert-data"]


def test_sorts(library: Hub) -> None:
    assert ids(library, search="number", sort="downloads")[:2] == ["alice/number-00", "alice/number-01"]
    assert ids(library, search="number", sort="created_at")[0] == "alice/number-11"
    likes = [each.likes for each in library.api().list_models(search="number", sort="likes")]
    assert likes == sorted(likes, reverse=True)
    answer = library.ask("GET", "/api/models?sort=like")
    assert answer.status_code == 400
    assert "cannot sort by 'like'; by: createdAt" in answer.json()["error"]


@pytest.mark.parametrize("sort", ["likes", "downloads", "createdAt", "trendingScore", "lastModified"])
def test_pages_neither_repeat_nor_skip(library: Hub, sort: str) -> None:
    whole = [each["id"] for each in library.ask("GET", f"/api/models?sort={sort}", "bob").json()]
    assert len(whole) == len(set(whole)) == 16
    for size in (1, 3, 16):
        found: list[str] = []
        path: str | None = f"/api/models?sort={sort}&limit={size}&filter="
        while path:
            answer = library.ask("GET", path, "bob")
            page = [each["id"] for each in answer.json()]
            assert 1 <= len(page) <= size
            found += page
            link = answer.links.get("next", {}).get("url")
            assert link is None or link.startswith(library.url)
            path = link.removeprefix(library.url) if link else None
        assert found == whole


def test_the_clients_limit_is_a_total(library: Hub) -> None:
    assert len(ids(library, limit=5)) == 5
    assert len(ids(library)) == 14


def test_what_an_item_has(library: Hub) -> None:
    (plain,) = library.ask("GET", "/api/models?search=bert-base").json()
    assert plain["tags"][:2] == ["transformers", "fill-mask"] and "bert" in plain["tags"]
    assert "siblings" not in plain and "cardData" not in plain and "config" not in plain
    (card,) = library.api().list_models(search="bert-base", cardData=True)
    assert card.card_data.license == "apache-2.0"
    (item,) = library.api().list_models(search="bert-base", expand=["likes", "config"])
    assert item.config == {"model_type": "bert"} and item.tags is None


@pytest.mark.parametrize("cursor", ["x", "W10", "eyJhIjoxfQ", "WzEsICJhIl0", "W251bGwsIDFd", "%00"])
def test_a_cursor_of_somebody_elses_making(library: Hub, cursor: str) -> None:
    answer = library.ask("GET", f"/api/models?cursor={cursor}")
    assert answer.status_code == 400
    assert "is no cursor of this listing" in answer.json()["error"]


@pytest.mark.parametrize("query", ["num_parameters=big", "limit=0", "limit=x", "gated=perhaps"])
def test_values_that_cannot_be(library: Hub, query: str) -> None:
    assert library.ask("GET", f"/api/models?{query}").status_code in (400, 422)
