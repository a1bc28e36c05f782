"""More than the server can do, and clients that do not wait."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_examples import Slow, call, eventually, words

from enfold import AutoModelForSequenceClassification, AutoTokenizer
from enfold.feedback import FeedbackStore
from enfold.serving import ServingSettings, background_server, create_app

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "serving.py"


class OneLane(Slow):
    """Runs one batch at a time, as an accelerator does, at a known number of tokens a second."""

    lane = threading.Lock()

    def logits(self, windows):
        with self.lane:
            return super().logits(windows)


class Given:
    """A source of one pipeline that is there already."""

    def __init__(self, pipeline: Slow) -> None:
        self.pipeline = pipeline

    def revision(self) -> str:
        return "given"

    def load(self) -> Slow:
        return self.pipeline


def pipeline_of(models: Path, **settings: float) -> OneLane:
    folder = models / "first"
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    return OneLane(model, AutoTokenizer.from_pretrained(folder), **settings)


@pytest.fixture(scope="module")
def gated(models: Path) -> OneLane:
    return pipeline_of(models)


@pytest.fixture(scope="module")
def narrow(gated: OneLane, store: FeedbackStore) -> Iterator[str]:
    """A server whose queue holds four texts, and whose model can be stopped."""
    settings = ServingSettings(port=0, max_texts=4, max_queue=4)
    with background_server(lambda: create_app(Given(gated), store, settings), settings) as url:
        yield url


def queued(url: str) -> int:
    return call(url, "/health").body["queue"]["texts"]


def test_a_full_queue_is_503_with_retry_after_and_what_was_accepted_is_answered(narrow: str, gated: OneLane):
    answers = []
    gated.gate.clear()
    clients = [
        threading.Thread(target=lambda: answers.append(call(narrow, "/predict", {"texts": ["see you"] * 2})))
        for _ in range(2)
    ]
    for client in clients:
        client.start()
    eventually(lambda: queued(narrow) == 4)
    refused = call(narrow, "/predict", {"text": "see you"})
    gated.gate.set()
    for client in clients:
        client.join()

    assert (refused.status, refused.error["code"]) == (503, "queue_full")
    assert refused.error["message"] == "4 texts with 28 characters are waiting already; try again later"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert [answer.status for answer in answers] == [200, 200]
    assert call(narrow, "/predict", {"text": "see you"}).status == 200
    assert b"enfold_refused_texts_total 1.0" in call(narrow, "/metrics").raw


def test_a_client_that_leaves_is_not_waited_for(narrow: str, gated: OneLane, store: FeedbackStore):
    before = store.counts().predictions
    gated.gate.clear()
    holding = threading.Thread(target=call, args=(narrow, "/predict", {"text": "see"}))
    holding.start()
    eventually(lambda: queued(narrow) == 1)
    body = json.dumps({"texts": ["free prize"] * 3}).encode()
    with socket.create_connection(("127.0.0.1", int(narrow.rpartition(":")[2]))) as leaving:
        leaving.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        eventually(lambda: queued(narrow) == 4)
    eventually(lambda: queued(narrow) == 1)
    ran = len(gated.batches)
    gated.gate.set()
    holding.join()

    assert call(narrow, "/predict", {"text": "see you"}).status == 200
    assert sum(map(len, gated.batches[ran:])) <= 4  # the three may have been with the model already
    assert store.counts().predictions == before + 2
    assert b'status="499"' in call(narrow, "/metrics").raw


def test_a_server_that_may_wait_no_longer_refuses_what_it_holds(models: Path, store: FeedbackStore):
    held = pipeline_of(models)
    settings = ServingSettings(port=0, drain_seconds=0.1)
    answers = []
    with background_server(lambda: create_app(Given(held), store, settings), settings) as url:
        held.gate.clear()
        client = threading.Thread(target=lambda: answers.append(call(url, "/predict", {"text": "see you"})))
        client.start()
        eventually(lambda: queued(url) == 1)
        threading.Timer(0.6, held.gate.set).start()
    client.join()
    assert (answers[0].status, answers[0].error["code"]) == (503, "shutting_down")
    assert answers[0].headers["retry-after"] == "1"


def load(url: str, texts: Path, *arguments: str) -> dict:
    """What the benchmark's client, a process of its own, sees in two seconds."""
    command = [sys.executable, BENCHMARK, "--role", "client", "--port", url.rpartition(":")[2], "--data", texts]
    done = subprocess.run([*command, "--seconds", "1.5", *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_under_load_the_server_keeps_the_models_speed_and_only_refuses_with_retry_after(
    models: Path, store: FeedbackStore, tmp_path: Path
):
    """The short form of benchmarks/serving.py, with a model of known speed: 50 texts of 10 tokens a second.

    Slow enough for a busy machine; the benchmark looks for 0.7 of a real model's own speed.
    """
    rate = 50
    texts = tmp_path / "texts.csv"
    texts.write_text("text,label\n" + "".join(f"{words(8, seed=number)},ham\n" for number in range(64)))
    paced = pipeline_of(models, seconds_a_token=1 / (10 * rate))
    settings = ServingSettings(port=0, max_batch_tokens=256)
    with background_server(lambda: create_app(Given(paced), store, settings), settings) as url:
        steady = load(url, texts, "--rate", str(0.8 * rate))
        crowd = load(url, texts, "--clients", "200")

    assert set(steady["statuses"]) == {"200"}
    assert steady["statuses"]["200"] >= 0.95 * steady["sent"]
    assert set(crowd["statuses"]) <= {"200", "503"}
    assert crowd["without_retry_after"] == 0
    assert crowd["statuses"]["200"] / crowd["seconds"] >= 0.5 * rate


def test_requests_beyond_the_queue_are_refused_quickly(narrow: str, gated: OneLane):
    gated.gate.clear()
    clients = [threading.Thread(target=call, args=(narrow, "/predict", {"text": "see"})) for _ in range(4)]
    for client in clients:
        client.start()
    eventually(lambda: queued(narrow) == 4)
    started = time.perf_counter()
    assert {call(narrow, "/predict", {"text": "see"}).status for _ in range(20)} == {503}
    assert time.perf_counter() - started < 5
    gated.gate.set()
    for client in clients:
        client.join()
