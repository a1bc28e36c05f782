"""The loop closed over HTTP: a drift is corrected by users, learnt, and served without a dropped request."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest
from project_examples import HAM, messages, new_kind

from enfold.project.service import PromotedModel, serving_settings
from enfold.serving import background_server, create_app


def call(url: str, path: str, body: object = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
def url(project) -> Iterator[str]:
    from dataclasses import replace

    settings = serving_settings(project.settings.serving, host=None, port=0, api_key=None)
    settings = replace(settings, poll_seconds=0.1)
    source = PromotedModel(project.folder / "models")
    with background_server(lambda: create_app(source, project.feedback(), settings), settings) as address:
        yield address


class Client:
    """A user who asks without a pause, in the background."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[tuple[str, str]] = []
        self.failures: list[Exception] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                for one in call(self.url, "/predict", {"texts": ["free prize", "lunch tomorrow"]})["predictions"]:
                    self.answers.append((one["model"], one["label"]))
            except Exception as error:
                self.failures.append(error)
            time.sleep(0.02)


def correct(url: str, texts: list[str], label: str) -> list[str]:
    predictions = call(url, "/predict", {"texts": texts, "user": "inbox"})["predictions"]
    feedback = [
        {"prediction_id": one["id"], "label": label, "user": f"user-{number % 5}"}
        for number, one in enumerate(predictions)
    ]
    call(url, "/feedback", {"feedback": feedback})
    return [one["label"] for one in predictions]


def test_a_drift_is_corrected_over_http_and_the_new_model_swapped_in_while_others_ask(project, url):
    before = call(url, "/health")["model"]["revision"]
    answered = correct(url, new_kind(60, seed=2), "spam")
    assert answered.count("spam") < 30, "the model in service must be wrong on the new kind"
    for one in call(url, "/predict", {"texts": messages(20, HAM, seed=3)})["predictions"]:
        call(url, "/feedback", {"prediction_id": one["id"], "kind": "right", "user": "checker"})

    with Client(url) as client:
        done = project.improve()
        assert done.outcome == "promoted", done.reasons
        deadline = time.monotonic() + 30
        while call(url, "/health")["model"]["revision"] != done.candidate and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
    assert client.failures == []
    assert {model for model, _ in client.answers} == {before, done.candidate}
    assert [label for _, label in client.answers] == ["spam", "ham"] * (len(client.answers) // 2)

    later = call(url, "/predict", {"texts": new_kind(50, seed=4)})["predictions"]
    assert [one["label"] for one in later].count("spam") > 40
    project.rollback()
    deadline = time.monotonic() + 30
    while call(url, "/health")["model"]["revision"] != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert call(url, "/health")["model"]["revision"] == before
