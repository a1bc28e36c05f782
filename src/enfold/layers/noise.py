"""Random choices for dropout, drawn in bulk.

PyTorch draws one float for each value on the CPU, which costs several times what the rest of a dropout does. Here
16 random bits are drawn for each value, so the share that is dropped is a multiple of 1/65536: 0.1 becomes
0.100006, and the scale of what is kept follows it exactly. A seed comes from PyTorch's own generator, so that
``torch.manual_seed`` and gradient checkpointing repeat the same choices.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["Noise", "new_seed", "rounded"]

_LEVELS = 1 << 16


def rounded(share: float) -> float:
    """The nearest share that 16 bits can express."""
    return round(share * _LEVELS) / _LEVELS


def new_seed() -> Tensor:
    """A seed from PyTorch's generator, as a tensor of one integer, so that it can be an input of a compiled graph."""
    return torch.randint(0, 2**31 - 1, (1,), dtype=torch.long)


class Noise:
    """A stream of random values of which a given share is negative; the same for the same seed."""

    def __init__(self, seed: int, share: float, device: torch.device) -> None:
        self._cut = round(share * _LEVELS) - (_LEVELS >> 1)
        self._device = device
        if device.type == "cpu":
            self._bits = np.random.SFC64(seed)
        else:
            self._generator = torch.Generator(device).manual_seed(seed)

    def draw(self, *shape: int) -> Tensor:
        """Floats of that shape, each below zero with the probability asked for."""
        count = 1
        for size in shape:
            count *= size
        if self._device.type == "cpu":
            raw = self._bits.random_raw((count + 3) // 4)
            levels = torch.from_numpy(raw.view(np.int16)[:count])
        else:
            levels = torch.empty(count, dtype=torch.int16, device=self._device)
            levels.random_(-(_LEVELS >> 1), _LEVELS >> 1, generator=self._generator)
        return levels.to(torch.float32).sub_(self._cut).view(shape)
