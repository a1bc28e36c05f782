"""What the tests of the server share: a tiny model, a source that names it, and a plain HTTP client.

Run as a script it is a server in a process of its own: ``serving_examples.py MODELS DATABASE [settings as JSON]``.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from enfold.pipelines import TextClassificationPipeline, pipeline

WORDS = ["free", "prize", "call", "now", "see", "you", "at", "six", "lunch", "win", "a", "the", "."]


def make_model(folder: Path, *, seed: int, labels: tuple[str, ...] = ("ham", "spam")) -> Path:
    """A random BERT of width 32 that reads 32 tokens, with its tokenizer."""
    import torch

    from enfold import BertConfig, BertForSequenceClassification, Tokenizer

    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    Tokenizer.from_pretrained(folder / "vocab.txt", model_max_length=32).save_pretrained(folder)
    torch.manual_seed(seed)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=5 + len(WORDS),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=32,
            id2label=dict(enumerate(labels)),
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    return folder


def words(count: int, seed: int = 0) -> str:
    choose = random.Random(seed)
    return " ".join(choose.choice(WORDS[:12]) for _ in range(count))


class Promoted:
    """A model source: a folder of models, and a file in it that names the one in service."""

    def __init__(self, models: Path) -> None:
        self.models = models

    def promote(self, name: str) -> None:
        temporary = self.models / "promoted.new"
        temporary.write_text(name)
        temporary.replace(self.models / "promoted")

    def revision(self) -> str:
        return (self.models / "promoted").read_text()

    def load(self) -> TextClassificationPipeline:
        return pipeline("text-classification", model=self.models / self.revision())


class Slow(TextClassificationPipeline):
    """A pipeline that notes what it ran, and that tests can hold up: at a gate, or by a time for each token."""

    def __init__(self, *arguments: Any, seconds_a_token: float = 0.0, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.seconds_a_token = seconds_a_token
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def logits(self, windows):
        self.batches.append([len(window) for window in windows])
        self.gate.wait()
        time.sleep(self.seconds_a_token * sum(map(len, windows)))
        return super().logits(windows)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: Any
    raw: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error of an answer that has the one shape, and nothing else."""
        assert list(self.body) == ["error"], self.body
        error = self.body["error"]
        assert {"code", "message"} <= set(error) <= {"code", "message", "field", "faults"}
        assert error["code"].replace("_", "").isalnum()
        assert error["message"]
        return error


def call(url: str, path: str, body: Any = None, *, method: str | None = None, **headers: str) -> Answer:
    """One request on a connection of its own; a body that is not bytes is sent as JSON."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, body, sent)
        response = connection.getresponse()
        raw = response.read()
    finally:
        connection.close()
    named = {name.lower(): value for name, value in response.getheaders()}
    is_json = named.get("content-type", "").startswith("application/json")
    return Answer(response.status, named, json.loads(raw) if is_json else None, raw)


def eventually(check: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value of ``check``, waited for."""
    end = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return value


def main() -> None:
    from enfold.feedback import FeedbackStore
    from enfold.serving import ServingSettings, create_app, serve

    models, database, *rest = sys.argv[1:]
    settings = ServingSettings(**({"port": 0} | (json.loads(rest[0]) if rest else {})))
    store = FeedbackStore(f"sqlite:///{database}")
    serve(
        lambda: create_app(Promoted(Path(models)), store, settings),
        settings,
        on_ready=lambda url: print(url, flush=True),
    )
    print("drained", flush=True)


if __name__ == "__main__":
    main()
