"""Promotion while serving: nothing is dropped, and a model that cannot serve does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_examples import Promoted, call, eventually, words

from enfold.feedback import FeedbackStore
from enfold.serving import ServingSettings, background_server, create_app


@pytest.fixture()
def source(models: Path) -> Promoted:
    promoted = Promoted(models)
    promoted.promote("first")
    return promoted


@pytest.fixture()
def promoting(source: Promoted, store: FeedbackStore) -> Iterator[str]:
    settings = ServingSettings(port=0, poll_seconds=0.05)
    with background_server(lambda: create_app(source, store, settings), settings) as url:
        yield url


def health(url: str) -> dict:
    return call(url, "/health").body


def test_predictions_in_flight_during_promotions_are_all_answered_each_by_one_model(promoting: str, source: Promoted):
    revisions = {}
    for name in ("first", "second"):
        source.promote(name)
        revisions[name] = source.load().revision
    source.promote("first")
    answers = []
    stop = threading.Event()

    def ask(seed: int) -> None:
        while not stop.is_set():
            texts = [words(1 + number * 7 % 60, seed=seed + number) for number in range(12)]
            answers.append(call(promoting, "/predict", {"texts": texts}))

    clients = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for client in clients:
        client.start()
    for name in ("second", "first", "second"):
        time.sleep(0.2)
        source.promote(name)
        eventually(lambda name=name: health(promoting)["model"]["revision"] == revisions[name])
    time.sleep(0.2)
    stop.set()
    for client in clients:
        client.join()

    assert {answer.status for answer in answers} == {200}
    seen = [{p["model"] for p in answer.body["predictions"]} for answer in answers]
    assert all(len(models) == 1 for models in seen)
    assert set.union(*seen) == set(revisions.values())
    assert seen[-1] == {revisions["second"]}


def test_a_model_that_does_not_load_leaves_the_old_one_in_service_and_is_seen(
    promoting: str, source: Promoted, models: Path
):
    before = health(promoting)["model"]["revision"]
    (models / "empty").mkdir(exist_ok=True)
    source.promote("empty")
    state = eventually(lambda: (now := health(promoting))["status"] == "degraded" and now)
    assert state["model"]["revision"] == before
    assert state["model"]["failure"].startswith("model empty could not be put in service: ")
    assert call(promoting, "/predict", {"text": "see you"}).body["predictions"][0]["model"] == before
    assert b"enfold_model_swap_failures_total 1.0" in call(promoting, "/metrics").raw

    source.promote("second")
    state = eventually(lambda: (now := health(promoting))["status"] == "ok" and now)
    assert state["model"]["revision"] != before
    assert state["model"]["failure"] is None


def test_a_source_that_cannot_be_asked_is_seen_and_asked_again(promoting: str, source: Promoted, models: Path):
    (models / "promoted").rename(models / "elsewhere")
    try:
        state = eventually(lambda: (now := health(promoting))["status"] == "degraded" and now)
        assert state["model"]["failure"].startswith("the source could not be asked which model is in service: ")
        assert call(promoting, "/predict", {"text": "see you"}).status == 200
    finally:
        (models / "elsewhere").rename(models / "promoted")
    eventually(lambda: health(promoting)["status"] == "ok")


def test_a_model_that_loads_but_cannot_answer_is_not_put_in_service(store: FeedbackStore, models: Path):
    """It is run once before it gets a request; here its vocabulary is smaller than its tokenizer's."""
    import json

    from serving_examples import make_model

    make_model(models / "mute", seed=3)
    tokenizer = json.loads((models / "mute" / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary.update(
        {letter: len(vocabulary) + number for number, letter in enumerate("A short text longer".lower().split())}
    )
    (models / "mute" / "tokenizer.json").write_text(json.dumps(tokenizer))
    source = Promoted(models)
    source.promote("first")
    settings = ServingSettings(port=0, poll_seconds=0.05)
    with background_server(lambda: create_app(source, store, settings), settings) as url:
        before = health(url)["model"]["revision"]
        source.promote("mute")
        state = eventually(lambda: (now := health(url))["status"] == "degraded" and now)
        assert state["model"]["revision"] == before
        assert call(url, "/predict", {"text": "see you"}).status == 200
