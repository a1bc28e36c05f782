"""Repositories of a Hub, against a small real one on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_hub import Hub, serve

from enfold.errors import SourceError
from enfold.hub import TOKENIZER_FILES, locate

MODEL = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "vocab.txt": b"[PAD]\n",
    "1_Pooling/config.json": b"{}",
    "pytorch_model.bin": b"a pickle",
    "modeling_custom.py": b"raise SystemExit('never')",
    "README.md": b"hello",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    repositories = {
        "org/model": {"main": MODEL, "v1": {**MODEL, "config.json": b'{"old": true}'}},
        "datasets/org/reviews": {
            "main": {"data/train.csv": b"text,label\n", "data/test.csv": b"text\n", "run.py": b""}
        },
    }
    with serve(Hub(repositories)) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", True)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield running


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_model_comes_without_what_can_run_code(hub: Hub) -> None:
    found = locate("org/model")
    assert names(found.path) == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "vocab.txt",
        "1_Pooling/config.json",
    }
    assert found.revision == hub.find("org/model", "main")[0]
    assert not any("pytorch_model.bin" in request for request in hub.requests)


def test_a_revision_in_the_reference_or_beside_it(hub: Hub) -> None:
    assert (locate("org/model@v1").path / "config.json").read_bytes() == b'{"old": true}'
    assert locate("org/model", revision="v1").revision == locate("org/model@v1").revision
    commit = locate("org/model").revision
    assert locate("org/model", revision=commit).revision == commit
    with pytest.raises(SourceError, match=r"names revision 'v1', but revision='main' was given too"):
        locate("org/model@v1", revision="main")


def test_a_tokenizer_comes_without_the_weights(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    found = locate("org/model", only=TOKENIZER_FILES)
    assert names(found.path) == {"config.json", "tokenizer.json", "vocab.txt", "1_Pooling/config.json"}
    monkeypatch.setenv("ENFOLD_OFFLINE", "1")
    assert locate("org/model", only=TOKENIZER_FILES).path == found.path
    with pytest.raises(SourceError, match=r"is not \(wholly\) in the cache and this is offline mode"):
        locate("org/model")


def test_data_and_a_path_inside_it(hub: Hub) -> None:
    assert names(locate("org/reviews", kind="data").path) == {"data/train.csv", "data/test.csv"}
    assert locate("org/reviews@main/data/test.csv", kind="data").path.read_bytes() == b"text\n"
    assert names(locate("org/reviews@main/data", kind="data").path) == {"train.csv", "test.csv"}
    with pytest.raises(SourceError, match=r"no nowhere.csv in data set 'org/reviews'"):
        locate("org/reviews@main/nowhere.csv", kind="data")


def test_offline_finds_what_was_fetched(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = locate("org/model")
    before = len(hub.requests)

    def refused(*args: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setenv("ENFOLD_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refused)
    again = locate("org/model")
    assert (again.path, again.revision) == (first.path, first.revision)
    assert len(hub.requests) == before


def test_an_unreachable_hub_falls_back_to_what_was_fetched(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = locate("org/model")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert locate("org/model").path == first.path


def test_offline_and_not_cached(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SourceError) as error:
        locate("org/model")
    assert str(error.value).startswith("model 'org/model' is not (wholly) in the cache and this is offline mode: unset")


def test_unreachable_and_not_cached(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        SourceError, match=r"http://127\.0\.0\.1:9 cannot be reached: check the network and HF_ENDPOINT"
    ):
        locate("org/model")


def test_no_such_repository_or_revision(hub: Hub) -> None:
    with pytest.raises(SourceError) as error:
        locate("org/modle")
    assert f"no model 'org/modle' on {hub.endpoint}, and no such path here" in str(error.value)
    with pytest.raises(SourceError, match=r"model 'org/model' on .* has no revision 'v9'"):
        locate("org/model@v9")


def test_a_private_repository_needs_the_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_secret"
    with pytest.raises(SourceError, match=r"if it is private, set HF_TOKEN"):
        locate("org/model")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert "config.json" in names(locate("org/model").path)


def test_a_gated_repository_says_where_to_ask(hub: Hub) -> None:
    hub.gated = True
    with pytest.raises(SourceError) as error:
        locate("org/model")
    assert f"asks for its conditions to be accepted at {hub.endpoint}/org/model; then set HF_TOKEN" in str(error.value)


def test_a_hub_that_fails_is_not_taken_for_a_missing_model(hub: Hub) -> None:
    hub.broken = True
    with pytest.raises(SourceError, match=r"model 'org/model' is not \(wholly\) in the cache and .* cannot be reached"):
        locate("org/model")
