"""A model that is larger than the memory there is: said before it is read, with both sizes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import enfold
from enfold.errors import InputError
from enfold.models.memory import _left_by_container as left_by_container
from enfold.models.memory import available_memory, check_memory

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say how much memory is free")


@linux
def test_no_more_is_free_than_there_is() -> None:
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    swap = Path("/proc/meminfo").read_text(encoding="ascii").split("SwapTotal:")[1].split()[0]
    assert 0 < (available_memory() or 0) <= there + 1024 * int(swap)


@linux
def test_a_model_of_a_million_layers_worth(tmp_path: Path) -> None:
    """Its file has holes instead of weights, as many bytes as the header says, and is never read."""
    inner, outer = 1 << 22, 1 << 20
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(inner, outer, bias=False), nn.Linear(8, 8))
    size = inner * outer * 4 / 1e9
    with pytest.raises(
        InputError, match=rf"giant needs about {size:.0f} GB of memory, and [0-9.]+ GB are free; "
    ) as told:
        check_memory(model, "giant", None, None)
    assert f"dtype='bfloat16' needs {size / 2:.0f} GB, format='int8' needs {size / 2:.0f} GB" in str(told.value)
    with pytest.raises(InputError, match="take a smaller model or a larger machine"):
        check_memory(model, "giant", None, "int8")
    check_memory(model[1], "dwarf", None, None)


LOAD = """
import resource, sys, enfold
torch_is_here = enfold.BertModel
pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (pages + 50_000_000, resource.RLIM_INFINITY))
try:
    enfold.BertModel.from_pretrained(sys.argv[1])
except enfold.EnfoldError as error:
    print(error)
"""


@linux
def test_under_ulimit(tmp_path: Path) -> None:
    config = enfold.BertConfig(vocab_size=100, hidden_size=768, num_hidden_layers=4)
    enfold.BertModel(config).save_pretrained(tmp_path)
    weights = sum(own.numel() for own in enfold.BertModel(config).parameters()) * 4 / 1e9
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{tmp_path} needs about {weights:.2f} GB of memory, and 0.0")


def test_in_a_container(tmp_path: Path) -> None:
    """Cache is given back when it is needed, so that it counts as free."""
    files = {
        "memory.max": "1000",
        "memory.current": "700",
        "memory.stat": "anon 400\ninactive_file 200\nactive_file 50",
    }
    assert left_by_container(tmp_path) is None
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    assert left_by_container(tmp_path) == 550
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert left_by_container(tmp_path) is None
