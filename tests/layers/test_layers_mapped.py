"""Memory of weights that were mapped from a file and copied into the form that products want."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import enfold
from enfold.layers.mapped import let_go
from enfold.models.quantised import quantise_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the call")


def resident(file: str) -> int:
    """Bytes of a file that are in this process's memory."""
    size, inside = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        if "-" in line.split(":")[0] and line[0] in "0123456789abcdef":
            inside = line.endswith(file)
        elif inside and line.startswith("Rss:"):
            size += 1024 * int(line.split()[1])
    return size


@pytest.mark.parametrize("format", ["int8", "int4"])
def test_the_first_copy_is_let_go_and_still_there(format: str, tmp_path: Path) -> None:
    config = enfold.LlamaConfig(
        vocab_size=100, hidden_size=512, intermediate_size=2048, num_hidden_layers=3, num_attention_heads=4
    )
    torch.manual_seed(0)
    made = quantise_model(enfold.LlamaForCausalLM(config).eval(), format)
    made.save_pretrained(tmp_path)
    read = enfold.LlamaForCausalLM.from_pretrained(tmp_path)
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        assert torch.equal(read(input_ids=ids).logits, made(input_ids=ids).logits)
    file = tmp_path / f"model.{format}.safetensors"
    assert resident(str(file)) < file.stat().st_size / 2
    before, after = made.state_dict(), read.state_dict()
    assert all(torch.equal(own, after[name]) for name, own in before.items())
    assert resident(str(file)) > file.stat().st_size / 2


def test_what_is_in_no_file_stays() -> None:
    numbers = torch.randn(1 << 20)
    again = numbers.clone()
    let_go(numbers)
    let_go(numbers[:100])
    let_go(numbers.view(1024, 1024).t())
    assert torch.equal(numbers, again)
