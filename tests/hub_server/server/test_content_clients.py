"""What the ecosystem's libraries do on top: snapshots, the file system, transformers and datasets, all unmodified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from content_cases import commit, put_large
from hub_on_loopback import Hub
from huggingface_hub import HfFileSystem

ROWS = "".join(f'{{"text": "row {number}", "label": {number % 2}}}\n' for number in range(10))


@pytest.fixture(scope="module")
def files(hub: Hub) -> str:
    hub.api("alice").create_repo("alice/snap")
    data = bytes(range(256)) * 1000
    sha256 = put_large(hub, "alice/snap", data)
    commit(
        hub,
        "alice/snap",
        *[("file", {"path": f"d{number % 2}/f{number}.txt", "content": str(number)}) for number in range(4)],
        ("lfsFile", {"path": "m.bin", "algo": "sha256", "oid": sha256, "size": len(data)}),
    )
    return "alice/snap"


def test_a_snapshot(hub: Hub, files: str, tmp_path: Path) -> None:
    api = hub.api()
    folder = Path(api.snapshot_download(files, cache_dir=tmp_path / "cache"))
    found = {each.relative_to(folder).as_posix(): each.stat().st_size for each in folder.rglob("*") if each.is_file()}
    assert found == {
        ".gitattributes": 1420,
        **{f"d{number % 2}/f{number}.txt": 1 for number in range(4)},
        "m.bin": 256_000,
    }
    local = Path(api.snapshot_download(files, local_dir=tmp_path / "local", allow_patterns="d0/*"))
    assert sorted(each.name for each in (local / "d0").iterdir()) == ["f0.txt", "f2.txt"]
    result = api.verify_repo_checksums(files, local_dir=api.snapshot_download(files, local_dir=tmp_path / "all"))
    assert (result.checked_count, result.mismatches, result.missing_paths) == (6, [], [])


def test_the_file_system(hub: Hub, files: str) -> None:
    fs = HfFileSystem(endpoint=hub.url, token=hub.tokens["alice"], skip_instance_cache=True)
    assert fs.ls(files, detail=False) == [f"{files}/{name}" for name in (".gitattributes", "d0", "d1", "m.bin")]
    assert fs.glob(f"{files}/**/*.txt") == [f"{files}/d{number % 2}/f{number}.txt" for number in (0, 2, 1, 3)]
    assert fs.info(f"{files}/m.bin")["size"] == 256_000
    assert fs.isdir(f"{files}/d0") and not fs.exists(f"{files}/nope")
    with fs.open(f"{files}/m.bin", "rb", block_size=1000) as file:
        file.seek(255_990)
        assert file.read() == bytes(range(246, 256))
        file.seek(10)
        assert file.read(5) == bytes(range(10, 15))
    with fs.open(f"{files}/d0/new.txt", "w") as file:
        file.write("written")
    assert fs.cat(f"{files}/d0/new.txt") == b"written"
    fs.rm(f"{files}/d0/new.txt")
    fs.invalidate_cache()
    assert not fs.exists(f"{files}/d0/new.txt")


def run(hub: Hub, tmp_path: Path, program: str, user: str | None = None) -> str:
    """What a program prints that knows of the hub by its environment alone."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    if user:
        environment["HF_TOKEN"] = hub.tokens[user]
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_transformers_loads_a_model(hub: Hub, tmp_path: Path) -> None:
    """A private model: configuration, weights and tokenizer come from the hub, by name alone."""
    safetensors_torch = pytest.importorskip("safetensors.torch")
    torch = pytest.importorskip("torch")
    hub.api("alice").create_repo("alice/tiny-bert", private=True)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "vocab_size": 12,
        "max_position_embeddings": 16,
    }
    weights = safetensors_torch.save({"pooler.dense.bias": torch.arange(8.0)}, metadata={"format": "pt"})
    sha256 = put_large(hub, "alice/tiny-bert", weights)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "movie", "a", "the", "is", "."]
    commit(
        hub,
        "alice/tiny-bert",
        ("file", {"path": "config.json", "content": json.dumps(config)}),
        ("file", {"path": "vocab.txt", "content": "\n".join(words)}),
        ("file", {"path": "tokenizer_config.json", "content": '{"tokenizer_class": "BertTokenizer"}'}),
        ("lfsFile", {"path": "model.safetensors", "algo": "sha256", "oid": sha256, "size": len(weights)}),
    )
    program = """
from transformers import AutoModel, AutoTokenizer
model = AutoModel.from_pretrained("alice/tiny-bert")
print(model.pooler.dense.bias.tolist())
print(AutoTokenizer.from_pretrained("alice/tiny-bert").tokenize("the movie is good."))
"""
    assert run(hub, tmp_path, program, "alice").splitlines() == [
        "[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]",
        "['the', 'movie', 'is', 'good', '.']",
    ]
    info = hub.api("alice").model_info("alice/tiny-bert")
    assert info.config == {"architectures": ["BertModel"], "model_type": "bert"}


def test_datasets_loads_and_pushes(hub: Hub, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    hub.api("alice").create_repo("alice/rows", repo_type="dataset")
    api = hub.api("alice")
    table = b"text,label\na,0\nb,1\n"
    api.upload_file(
        path_or_fileobj=ROWS.encode(), path_in_repo="train.jsonl", repo_id="alice/rows", repo_type="dataset"
    )
    api.create_repo("alice/table", repo_type="dataset", private=True)
    api.upload_file(path_or_fileobj=table, path_in_repo="data.csv", repo_id="alice/table", repo_type="dataset")
    program = """
import datasets
datasets.disable_progress_bars()
rows = datasets.load_dataset("alice/rows", split="train")
print(len(rows), rows[3])
print(datasets.load_dataset("alice/table")["train"]["label"][:])
streamed = datasets.load_dataset("alice/rows", split="train", streaming=True)
print(next(iter(streamed)))
"""
    assert run(hub, tmp_path, program, "alice").splitlines() == [
        "10 {'text': 'row 3', 'label': 1}",
        "[0, 1]",
        "{'text': 'row 0', 'label': 0}",
    ]
