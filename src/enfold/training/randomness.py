"""Seeds, and the state of every random generator that training draws from."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file


def set_seed(seed: int, deterministic: bool = False) -> None:
    """Seed Python, NumPy and torch on every device.

    Args:
        seed: any whole number.
        deterministic: refuse operations whose result may differ from run to run, where torch knows of them.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)


def save_random_states(path: Path) -> None:
    """Write the state of Python's, NumPy's and torch's generators as one safetensors file, no pickle."""
    version, words, position, has_gauss, gauss = np.random.get_state(legacy=True)
    tensors = {"numpy": torch.from_numpy(np.asarray(words, dtype=np.int64)), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda.{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        tensors["mps"] = torch.mps.get_rng_state()
    plain = {"python": random.getstate(), "numpy": [version, position, has_gauss, gauss]}
    save_file(tensors, path, metadata={"plain": json.dumps(plain)})


def load_random_states(path: Path) -> None:
    """Put every generator where :func:`save_random_states` found it; a device that is gone is left out."""
    with safe_open(path, framework="pt") as file:
        plain: dict[str, Any] = json.loads(file.metadata()["plain"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
    version, words, gauss = plain["python"]
    random.setstate((version, tuple(words), gauss))
    version, position, has_gauss, gauss = plain["numpy"]
    np.random.set_state((version, tensors["numpy"].numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(tensors["torch"])
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            if f"cuda.{index}" in tensors:
                torch.cuda.set_rng_state(tensors[f"cuda.{index}"], index)
    if torch.backends.mps.is_available() and "mps" in tensors:
        torch.mps.set_rng_state(tensors["mps"])
