"""Processors without AVX-512, bfloat16 or products of bytes: every format answers there, and what is slow is said once.

Each is a process of its own, told by torch and oneDNN's own variables to take this processor for an older one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import enfold

PROCESSORS = {
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "SSE4.1": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}
ANSWER = """
import json, logging, sys, torch, enfold
from enfold.layers.int8 import int8_product
from enfold.models.quantised import format_of, quantise_model
logging.basicConfig(format="%(message)s", level="WARNING")
folder, texts = sys.argv[1], json.loads(sys.argv[2])
found = {"product": int8_product("cpu").name}
for kind in ("float32", "bfloat16", "int8", "int8 with texts", "int4"):
    name, _, calibrated = kind.partition(" ")
    model = enfold.BertForSequenceClassification.from_pretrained(folder, dtype=name if "float" in name else None)
    model = model if "float" in name else quantise_model(model, name, texts if calibrated else ())
    with torch.inference_mode():
        found[kind] = [model(input_ids=torch.tensor([text])).logits.float().softmax(-1)[0].tolist() for text in texts]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[int]]]:
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    own = enfold.BertForSequenceClassification(enfold.BertConfig(vocab_size=50, initializer_range=0.15, **sizes))
    folder = tmp_path_factory.mktemp("processors") / "model"
    own.save_pretrained(folder)
    texts = [torch.randint(1, 50, (length,)).tolist() for length in (1, 9, 30, 70)]
    return folder, texts


def answers(model: tuple[Path, list[list[int]]], **processor: str) -> tuple[dict[str, object], str]:
    folder, texts = model
    told = [sys.executable, "-c", ANSWER, str(folder), json.dumps(texts)]
    done = subprocess.run(told, env=os.environ | processor, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def wanted(model: tuple[Path, list[list[int]]]) -> torch.Tensor:
    return torch.tensor(answers(model)[0]["float32"])


@pytest.mark.parametrize("name", PROCESSORS)
def test_an_older_processor_gives_the_same_answers(name, model, wanted) -> None:
    found, said = answers(model, **PROCESSORS[name])
    for kind, bound in {"float32": 1e-5, "bfloat16": 0.02, "int8": 0.02, "int8 with texts": 0.05, "int4": 0.1}.items():
        assert float((torch.tensor(found[kind]) - wanted).abs().max()) < bound, kind
    slow = "this machine has no int8 product; int8 models run, but not faster than float32 ones"
    assert said.count(slow) == (found["product"] == "float")
