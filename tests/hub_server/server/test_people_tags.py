"""The tags in use, by group, with the unmodified client."""

from __future__ import annotations

from hub_on_loopback import Hub

CARD = b"""---
license: mit
language: [de]
library_name: enfold
pipeline_tag: text-classification
tags: [finance]
datasets: [alice/data]
---
# A model
"""


def test_tags_of_what_the_caller_may_read(hub: Hub, name: str) -> None:
    alice, bob = hub.api("alice"), hub.api("bob")
    assert "finance" not in str(bob.get_model_tags())
    for repo, private in ((f"alice/{name}", False), (f"alice/{name}-secret", True)):
        alice.create_repo(repo, private=private)
        card = CARD if not private else CARD.replace(b"finance", b"hidden-project")
        alice.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=repo)
    groups = bob.get_model_tags()
    assert groups["license"] == [{"id": "license:mit", "label": "mit", "type": "license"}]
    assert groups["dataset"] == [{"id": "dataset:alice/data", "label": "alice/data", "type": "dataset"}]
    assert [each["id"] for each in groups["pipeline_tag"]] == ["text-classification"]
    assert [each["id"] for each in groups["library"]] == ["enfold"]
    assert [each["id"] for each in groups["language"]] == ["de"]
    assert [each["id"] for each in groups["other"]] == ["finance"]
    assert "hidden-project" not in str(groups)
    # The client asks without its token; with it, there is more.
    assert "hidden-project" in hub.ask("GET", "/api/models-tags-by-type", "alice").text


def test_tags_of_data_sets_have_their_facets(hub: Hub, name: str) -> None:
    alice = hub.api("alice")
    alice.create_repo(f"alice/{name}", repo_type="dataset")
    card = b"---\ntask_categories: [text-generation]\nlicense: cc-by-4.0\n---\n"
    alice.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=f"alice/{name}", repo_type="dataset")
    groups = hub.api().get_dataset_tags()
    assert {"id": "task_categories:text-generation", "label": "text-generation", "type": "task_categories"} in groups[
        "task_categories"
    ]
    assert [each["label"] for each in groups["license"]] == ["cc-by-4.0"]
