"""What running a model takes on this machine: measured, with the candidates in turn, never estimated.

Machines get warm, busy and throttled. Two models that are measured one after the other are not compared; here they
answer the same texts alternately and change the order each time, so that a slow moment falls on both.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, repeat
from pathlib import Path
from typing import Any

import numpy as np

from enfold.errors import DataError

__all__ = ["Speed", "measure_speed", "size_on_disk"]

Predict = Callable[[list[str]], Any]

_FEWEST_ROUNDS = 5
_TEXTS_AT_ONCE = 64
"""A throughput pass may hold at least so many texts; fewer are repeated."""
_MOST_TEXTS = 2048
_PASS_SECONDS = 0.3
"""About how long a throughput pass takes: short enough to alternate, long enough to measure."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds for one text alone (median, 99th percentile), and texts per second when many are given at once."""

    latency_p50: float
    latency_p99: float
    throughput: float


def measure_speed(
    candidates: Sequence[Predict], texts: Sequence[str], *, budget: float = 6.0, seed: int = 0
) -> list[Speed]:
    """Measure several models on the same texts, in turn.

    Args:
        candidates: what answers a list of texts, such as pipelines.
        texts: a sample of what the model will be asked; the order does not matter.
        budget: seconds for all of it; a slow model gets at least five rounds, whatever they take.
        seed: of the order of the texts.

    Raises:
        DataError: there are no texts.
    """
    if not texts:
        raise DataError("measuring speed needs texts; it got none")
    order = np.random.default_rng(seed).permutation(len(texts))
    mixed = [texts[row] for row in order]
    many = [mixed[number % len(mixed)] for number in range(max(_TEXTS_AT_ONCE, min(len(mixed), _MOST_TEXTS)))]
    for predict in candidates:  # the first calls allocate, compile and prepack
        predict(mixed[:1])
    size = 8
    while max(_seconds(predict, many[:size]) for predict in candidates) < _PASS_SECONDS / 2 and size < len(many):
        size = min(2 * size, len(many))
    alone = _in_turn(candidates, ([text] for text in cycle(mixed)), budget / 2)
    together = _in_turn(candidates, repeat(many[:size]), budget / 2)
    return [
        Speed(
            latency_p50=float(np.median(single)),
            latency_p99=float(np.quantile(single, 0.99)),
            throughput=size / float(np.median(batch)),
        )
        for single, batch in zip(alone, together, strict=True)
    ]


def _in_turn(candidates: Sequence[Predict], inputs: Iterable[list[str]], budget: float) -> list[list[float]]:
    """Seconds of each call, by candidate; the order is reversed every other round."""
    seconds: list[list[float]] = [[] for _ in candidates]
    end = time.perf_counter() + budget
    for number, texts in enumerate(inputs):
        if number >= _FEWEST_ROUNDS and time.perf_counter() > end:
            break
        places = range(len(candidates))
        for place in places if number % 2 == 0 else reversed(places):
            seconds[place].append(_seconds(candidates[place], texts))
    return seconds


def _seconds(predict: Predict, texts: list[str]) -> float:
    start = time.perf_counter()
    predict(texts)
    return time.perf_counter() - start


def size_on_disk(model: Any) -> int:
    """Bytes of a model's weight files, as ``save_pretrained`` writes them."""
    with tempfile.TemporaryDirectory(prefix="enfold-size-") as folder:
        model.save_pretrained(folder)
        return sum(file.stat().st_size for file in Path(folder).rglob("*.safetensors"))
