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


PROGRAM = """
import datasets
from transformers import AutoModel, AutoTokenizer
datasets.disable_progress_bars()
model = AutoModel.from_pretrained("alice/tiny-bert")
print(model.pooler.dense.bias.tolist())
print(AutoTokenizer.from_pretrained("alice/tiny-bert").tokenize("the movie is good."))
rows = datasets.load_dataset("alice/rows", split="train")
print(len(rows), rows[3])
print(datasets.load_dataset("alice/table")["train"]["label"][:])
streamed = datasets.load_dataset("alice/rows", split="train", streaming=True)
print(next(iter(streamed)))
"""


def test_transformers_and_datasets_load_by_name(hub: Hub, tmp_path: Path) -> None:
    """A private model and private rows, in a process that knows of the hub by its environment alone."""
    pytest.importorskip("datasets")
    torch = pytest.importorskip("torch")
    safetensors_torch = pytest.importorskip("safetensors.torch")
    _put_model(hub, safetensors_torch.save({"pooler.dense.bias": torch.arange(8.0)}, metadata={"format": "pt"}))
    api = hub.api("alice")
    for name, path, data in (("rows", "train.jsonl", ROWS), ("table", "data.csv", "text,label\na,0\nb,1\n")):
        api.create_repo(f"alice/{name}", repo_type="dataset", private=True)
        api.upload_file(path_or_fileobj=data.encode(), path_in_repo=path, repo_id=f"alice/{name}", repo_type="dataset")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_TOKEN": hub.tokens["alice"]}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]",
        "['the', 'movie', 'is', 'good', '.']",
        "10 {'text': 'row 3', 'label': 1}",
        "[0, 1]",
        "{'text': 'row 0', 'label': 0}",
    ]
    assert api.model_info("alice/tiny-bert").config == {"architectures": ["BertModel"], "model_type": "bert"}


def _put_model(hub: Hub, weights: bytes) -> None:
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
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "movie", "a", "the", "is", "."]
    sha256 = put_large(hub, "alice/tiny-bert", weights)
    answer = commit(
        hub,
        "alice/tiny-bert",
        ("file", {"path": "config.json", "content": json.dumps(config)}),
        ("file", {"path": "vocab.txt", "content": "\n".join(words)}),
        ("file", {"path": "tokenizer_config.json", "content": '{"tokenizer_class": "BertTokenizer"}'}),
        ("lfsFile", {"path": "model.safetensors", "algo": "sha256", "oid": sha256, "size": len(weights)}),
    )
    assert answer.status_code == 200
