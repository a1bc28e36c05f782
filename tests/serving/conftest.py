"""A model folder, a database and a server, made for each file of tests that wants them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_examples import Promoted, make_model

from enfold.feedback import FeedbackStore
from enfold.serving import ServingSettings, background_server, create_app


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, ``first`` and ``second``; the first is promoted."""
    folder = tmp_path_factory.mktemp("models")
    make_model(folder / "first", seed=1)
    make_model(folder / "second", seed=2)
    Promoted(folder).promote("first")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeedbackStore:
    return FeedbackStore(f"sqlite:///{tmp_path_factory.mktemp('database') / 'feedback.db'}")


@pytest.fixture(scope="module")
def server(models: Path, store: FeedbackStore) -> Iterator[str]:
    """The URL of a server with small limits."""
    settings = ServingSettings(
        port=0, max_body_bytes=20_000, max_text_characters=4_000, max_texts=16, max_queue=64, poll_seconds=0.1
    )
    with background_server(lambda: create_app(Promoted(models), store, settings), settings) as url:
        yield url
