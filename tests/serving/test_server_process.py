"""The server as a process: its port, its signals, and what is left after kill -9."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from serving_examples import Promoted, call, eventually, words

from enfold.errors import EnfoldError, ServiceError
from enfold.feedback import FeedbackStore
from enfold.serving import ServingSettings, background_server, create_app, serve


@contextmanager
def process(models: Path, database: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    script = Path(__file__).with_name("serving_examples.py")
    with subprocess.Popen(
        [sys.executable, script, models, database],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as running:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            yield running, url
        finally:
            running.kill()


def test_after_kill_9_everything_that_was_acknowledged_is_in_the_database(models: Path, tmp_path: Path):
    acknowledged: list[str] = []
    judged: list[str] = []
    gone = threading.Event()

    def ask(url: str, seed: int) -> None:
        with suppress(OSError, http.client.HTTPException):  # the server is killed under it
            while not gone.is_set():
                texts = [words(1 + number, seed=seed + number) for number in range(3)]
                answer = call(url, "/predict", {"texts": texts, "user": f"user {seed}"})
                ids = [prediction["id"] for prediction in answer.body["predictions"]]
                acknowledged.extend(ids)
                if call(url, "/feedback", {"prediction_id": ids[0], "kind": "right"}).status == 200:
                    judged.append(ids[0])

    with process(models, tmp_path / "feedback.db") as (running, url):
        clients = [threading.Thread(target=ask, args=(url, seed)) for seed in range(6)]
        for client in clients:
            client.start()
        eventually(lambda: len(judged) >= 30, seconds=30)
        running.send_signal(signal.SIGKILL)
        running.wait()
        gone.set()
        for client in clients:
            client.join()

    from enfold.data import read_table

    store = FeedbackStore(f"sqlite:///{tmp_path / 'feedback.db'}")
    store.export(tmp_path / "all.jsonl", unjudged=True)
    kept = set(read_table(tmp_path / "all.jsonl")["prediction_id"].to_list())
    assert len(acknowledged) >= 90
    assert set(acknowledged) <= kept
    assert set(judged) <= {judgement.prediction_id for judgement in store.judgements()}


def test_sigterm_answers_what_was_accepted_takes_no_more_and_ends_well(models: Path, tmp_path: Path):
    answers = []
    long = "free prize " * 6_000
    with process(models, tmp_path / "feedback.db") as (running, url):
        client = threading.Thread(target=lambda: answers.append(call(url, "/predict", {"texts": [long] * 4})))
        client.start()
        eventually(lambda: call(url, "/health").body["queue"]["texts"] == 4)
        running.terminate()
        eventually(lambda: refuses(url))
        assert running.poll() is None
        client.join()
        assert running.wait(20) == 0
        assert running.stdout is not None
        assert running.stdout.read() == "drained\n"
    assert answers[0].status == 200
    assert [prediction["tokens"] for prediction in answers[0].body["predictions"]] == [12_002] * 4
    assert FeedbackStore(f"sqlite:///{tmp_path / 'feedback.db'}").counts().predictions == 4


def refuses(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
    except ConnectionRefusedError:
        return True
    return False


def never() -> None:
    raise AssertionError("nothing should be loaded")


def test_a_port_in_use_is_one_clear_error_before_anything_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServiceError) as error:
            serve(never, ServingSettings(port=port))
    assert str(error.value) == (
        f"cannot listen on 127.0.0.1:{port}: the port is in use; stop what uses it, or choose another with --port"
    )


def test_two_servers_do_not_share_a_port(models: Path, store: FeedbackStore):
    settings = ServingSettings(port=0)
    with background_server(lambda: create_app(Promoted(models), store, settings), settings) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(ServiceError, match="the port is in use"):
            serve(never, ServingSettings(port=port))
        assert call(url, "/health").status == 200
    with background_server(lambda: create_app(Promoted(models), store, settings), ServingSettings(port=port)) as url:
        assert call(url, "/health").status == 200


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_this_machines(host: str):
    with pytest.raises(ServiceError, match=f"cannot listen on {host}:0: "):
        serve(never, ServingSettings(host=host, port=0, api_key="key"))


def test_a_model_that_does_not_load_at_the_start_is_the_error_itself(tmp_path: Path, store: FeedbackStore):
    (tmp_path / "promoted").write_text("missing")
    settings = ServingSettings(port=0)
    with (
        pytest.raises(EnfoldError, match="missing"),
        background_server(lambda: create_app(Promoted(tmp_path), store, settings), settings),
    ):
        pass


def test_ipv6_loopback(models: Path, store: FeedbackStore):
    settings = ServingSettings(host="::1", port=0)
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with background_server(lambda: create_app(Promoted(models), store, settings), settings) as url:
        assert url.startswith("http://[::1]:")
        assert call(url, "/health").status == 200


def test_a_server_stops_at_once_when_nothing_waits(models: Path, store: FeedbackStore):
    settings = ServingSettings(port=0)
    with background_server(lambda: create_app(Promoted(models), store, settings), settings) as url:
        idle = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        started = time.perf_counter()
    assert time.perf_counter() - started < 5
    idle.close()
