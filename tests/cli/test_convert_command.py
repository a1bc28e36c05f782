"""``enfold convert`` as the shell calls it."""

from __future__ import annotations

import torch
from safetensors.torch import load_file


def test_a_folder_is_converted_and_refusals_are_one_line(enfold, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    weight = torch.randn(2, 3)
    torch.save({"a.weight": weight, "b.weight": weight}, old / "pytorch_model.bin")
    outcome = enfold("convert", "old", "new")
    assert outcome.status == 0
    assert outcome.out.splitlines() == [
        "1 tensors written to new (model.safetensors)",
        "b.weight is a.weight and is written once",
    ]
    assert load_file(tmp_path / "new" / "model.safetensors")["a.weight"].equal(weight)
    again = enfold("convert", "old", "new")
    assert (again.status, again.err) == (2, "error: new is there already; name a new folder\n")
