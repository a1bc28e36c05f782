"""Rotary positions whose angles depend on the length of the row."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from enfold.layers.rotary import Rotary
from enfold.layers.specs import RotarySpec


def test_threads_share_the_angles_of_many_lengths() -> None:
    scaling = (("factor", 2.0), ("rope_type", "dynamic"))
    rotary = Rotary(RotarySpec(width=8, theta=10_000.0, capacity=4, scaling=scaling))
    lengths = list(range(5, 25))
    expected = {length: rotary.inverse(length, torch.device("cpu"))[0] for length in lengths}

    def same(length: int) -> bool:
        return torch.equal(rotary.inverse(length, torch.device("cpu"))[0], expected[length])

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(same, lengths * 100))
