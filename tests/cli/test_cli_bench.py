"""``enfold bench`` on tiny models: figures that hang together, and one clear line where it cannot be done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import enfold
from enfold.benchmarking import Limits, invented_texts, measure_limits
from enfold.benchmarking.parts import KINDS, kind_of, parts_of
from enfold.benchmarking.runs import is_gguf
from enfold.benchmarking.work import linear_operations
from enfold.text import train_tokenizer

WIDTH, INNER, BLOCKS = 32, 64, 2


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bench")
    texts = invented_texts(50, seed=3)
    tokenizer = train_tokenizer(texts, vocab_size=300)
    shape = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": 2, "intermediate_size": INNER}
    reader = enfold.BertForSequenceClassification(enfold.BertConfig(vocab_size=len(tokenizer), num_labels=3, **shape))
    writer = enfold.GPT2LMHeadModel(
        enfold.GPT2Config(vocab_size=len(tokenizer), n_embd=WIDTH, n_layer=BLOCKS, n_head=2, n_positions=128)
    )
    models = {"reader": reader, "writer": writer, "small": enfold.quantise(reader)}
    for name, model in models.items():
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    return {name: root / name for name in models}


def measured(enfold: Any, *arguments: object) -> dict[str, Any]:
    outcome = enfold("bench", *arguments, "--runs", 1, "--json")
    assert outcome.status == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out)
    return found


def test_a_model_that_reads_is_measured_on_ones_own_texts(
    enfold: Any, folders: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "own.txt").write_text("The baker laughed.\n\nAgain, in Lisbon.\n")
    found = measured(enfold, folders["reader"], "--texts", "own.txt", "--format", "int8")
    assert found["task"] == "text-classification"
    (one,) = found["formats"]
    tokens = sum(len(row.ids) for row in _tokenizer(folders).encode_batch(["The baker laughed.", "Again, in Lisbon."]))
    assert (one["format"], one["texts"], one["tokens"], one["new_tokens"]) == ("int8", 2, tokens, 0)
    assert one["tokens_per_second"]["median"] == pytest.approx(tokens / one["seconds"][0])
    assert one["gflops"] == pytest.approx(
        tokens * BLOCKS * 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER) / one["seconds"][0] / 1e9
    )
    assert 0 < one["latency_ms"]["p50"] <= one["latency_ms"]["p99"]
    assert one["memory_mb"] > 50
    assert set(one["parts"]) == set(KINDS)
    assert sum(one["parts"].values()) == pytest.approx(1)
    assert min(one["parts"].values()) >= 0
    assert one["parts"]["linear"] > 0


def test_a_model_that_writes_is_measured_by_its_new_tokens(enfold: Any, folders: dict[str, Path]) -> None:
    found = measured(enfold, folders["writer"], "--limit", 3, "--new-tokens", 5, "--format", "float32")
    (one,) = found["formats"]
    assert (found["task"], one["texts"], one["new_tokens"]) == ("text-generation", 3, 15)
    assert one["tokens_per_second"]["median"] == pytest.approx(15 / one["seconds"][0])
    assert one["gigabytes"] > 0
    assert one["parts"]["head"] > 0


def test_the_table_has_a_line_for_each_format_and_the_quantised_folder_its_own(
    enfold: Any, folders: dict[str, Path]
) -> None:
    outcome = enfold("bench", folders["small"], "--limit", 2, "--runs", 1)
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    assert f"{folders['small']}: text-classification, 2 texts" in lines[0]
    assert [line.split()[0] for line in lines if line.startswith("int8")] == ["int8", "int8"]
    assert "float32" not in outcome.out
    assert "Where the time goes" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere-at-all/"], "nowhere-at-all"),
        (
            ["{reader}", "--format", "int4"],
            "no format 'int4' for a model that reads; there are: float32, bfloat16, int8",
        ),
        (["{writer}", "--format", "int9"], "no format 'int9'; there are: float32, bfloat16, int8, int4"),
        (["{small}", "--format", "float32"], "are int8 already: leave --format float32 out"),
        (["{reader}", "--task", "question-answering"], "question-answering is not measured: it needs more than texts"),
        (["{reader}", "--task", "text-clasification"], "no pipeline for task 'text-clasification'"),
        (["{reader}", "--texts", "none.csv"], "no file none.csv"),
        (["{reader}", "--texts", "empty.txt"], "empty.txt holds no text"),
        (["{reader}", "--texts", "latin.txt"], "invalid UTF-8 at byte 3 of latin.txt"),
        (["{writer}", "--new-tokens", "128"], "the model reads and writes 128 tokens: write fewer than 128"),
        (["{writer}", "--task", "text-classification"], "has no trained head for text-classification"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    enfold: Any, folders: dict[str, Path], tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    given = [argument.format(**{name: str(folder) for name, folder in folders.items()}) for argument in arguments]
    outcome = enfold("bench", *given)
    assert outcome.status == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1


def test_a_gguf_file_holds_a_model_that_writes(tmp_path: Path) -> None:
    (tmp_path / "own.gguf").touch()
    assert is_gguf(tmp_path)
    assert is_gguf(tmp_path / "own.gguf")
    assert not is_gguf(tmp_path / "none")


def test_operations_are_known_by_their_names() -> None:
    kinds = {
        "aten::addmm": "linear",
        "mkldnn::_linear_pointwise": "linear",
        "onednn::qlinear_pointwise": "linear",
        "aten::_weight_int4pack_mm_for_cpu": "linear",
        "aten::bmm": "attention",
        "aten::_softmax": "attention",
        "aten::native_layer_norm": "norm",
        "aten::gelu": "activation",
        "aten::embedding": "embeddings",
        "aten::copy_": "other",
    }
    assert {name: kind_of(name) for name in kinds} == kinds


def test_the_share_of_a_head_is_its_own() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base_model = nn.Linear(8, 8)
            self.classifier = nn.Linear(8, 4000)

        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            return self.classifier(self.base_model(hidden))

    model = Model().eval()
    given = torch.randn(500, 8)
    with torch.inference_mode():
        parts = parts_of(model, lambda: model(given), tokenising=0.0)
    assert parts["head"] > parts["linear"] > 0
    assert not model.classifier._forward_hooks
    assert sum(parts.values()) == pytest.approx(1)


def test_work_is_counted_from_the_maps(folders: dict[str, Path]) -> None:
    writer = enfold.AutoModelForCausalLM.from_pretrained(folders["writer"])
    blocks = BLOCKS * 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * 4 * WIDTH)
    assert linear_operations(writer, 10) == 10 * blocks
    assert linear_operations(writer, 10, 3) >= 13 * blocks


def test_this_machines_limits_are_found() -> None:
    limits = measure_limits(blocks=1)
    assert limits.products["float32"] > 0
    assert limits.reading > 0
    assert Limits({"bfloat16": 2.0, "int8": 3.0}).of("int4") == 2.0


def test_invented_texts_are_the_same_again_and_of_varied_lengths() -> None:
    texts = invented_texts(40, median=30, longest=90, seed=5)
    lengths = [len(text.split()) for text in texts]
    assert texts == invented_texts(40, median=30, longest=90, seed=5)
    assert 3 <= min(lengths) < 20 < 40 < max(lengths) <= 90


def _tokenizer(folders: dict[str, Path]) -> Any:
    return enfold.AutoTokenizer.from_pretrained(folders["reader"])
