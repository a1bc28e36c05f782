"""What this machine can do at most: products of matrices in each format, and reading memory.

A model's speed is easier to judge beside these. Each limit is the fastest of several short blocks of work, over every
operation that computes it here, so that a slow moment or an unlucky kernel does not make the machine look smaller than
it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["SHAPE", "Limits", "measure_limits"]

SHAPE = (512, 768, 3072)
"""Tokens, inputs and outputs of the product: what bert-base's widest map does with a text of its full length."""
_READ_BYTES = 512 << 20  # more than processors cache
_BLOCKS = 8
_BLOCK_SECONDS = 0.04

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that was reached.

    Attributes:
        products: by format, thousand million operations a second (GFLOP/s), a multiplication and an addition counted as
            two; a format this machine has no operation for is left out.
        reading: thousand million bytes a second (GB/s) read from memory by all threads.
        threads: how many there were.
    """

    products: dict[str, float] = field(default_factory=dict)
    reading: float = 0.0
    threads: int = 1

    def of(self, format: str) -> float | None:
        """The limit of products that weights of a format are multiplied with; None where it was not measured.

        int4 weights are multiplied in bfloat16. A format that mixes others, such as ``auto``, has the limit of int8.
        """
        own = {"int4": "bfloat16"}.get(format, format if format in ("float32", "bfloat16") else "int8")
        return self.products.get(own)


def measure_limits(*, blocks: int = _BLOCKS) -> Limits:
    """Measure them; takes about two seconds on two cores.

    Args:
        blocks: blocks of work for each operation, of which the fastest counts.
    """
    import torch

    tokens, inputs, outputs = SHAPE
    operations = 2.0 * tokens * inputs * outputs
    with torch.inference_mode():
        products = {}
        for format in ("float32", "bfloat16", "int8"):
            rates = [operations / _fastest(work, blocks) / 1e9 for work in _working(_products(format))]
            if rates:
                products[format] = max(rates)
        size = _READ_BYTES // 4
        numbers = torch.ones(size)
        row = torch.ones(4096)
        ways: list[Work] = [numbers.sum, lambda: torch.mv(numbers.view(-1, 4096), row)]
        reading = max(4.0 * size / _fastest(way, blocks) / 1e9 for way in ways)
    return Limits(products, reading, torch.get_num_threads())


def _products(format: str) -> Iterator[Callable[[], Work]]:
    """Ways to make the product of a format: each gives, once called, what is measured, or raises."""
    import torch
    import torch.nn.functional as F

    tokens, inputs, outputs = SHAPE
    if format != "int8":
        dtype = getattr(torch, format)
        hidden, weight = torch.randn(tokens, inputs, dtype=dtype), torch.randn(outputs, inputs, dtype=dtype)
        yield lambda: lambda: F.linear(hidden, weight)

        def pointwise() -> Work:
            return lambda: torch.ops.mkldnn._linear_pointwise(hidden, weight, None, "none", [], "")

        yield pointwise
        return
    signed = torch.randint(-127, 128, (outputs, inputs), dtype=torch.int8)
    unsigned = torch.randint(0, 256, (tokens, inputs), dtype=torch.uint8)
    scale, zeros = torch.full((outputs,), 0.01), torch.zeros(outputs, dtype=torch.long)

    def quantised(result: torch.dtype) -> Callable[[], Work]:
        def make() -> Work:
            packed = torch.ops.onednn.qlinear_prepack(signed, None)
            return lambda: torch.ops.onednn.qlinear_pointwise(
                unsigned, 1.0, 128, packed, scale, zeros, None, 1.0, 0, result, "none", [], ""
            )

        return make

    yield quantised(torch.float32)
    yield quantised(torch.uint8)
    centred = unsigned.bitwise_xor(128).view(torch.int8)
    yield lambda: lambda: torch._int_mm(centred, signed.t())


def _working(ways: Iterator[Callable[[], Work]]) -> Iterator[Work]:
    """Those that this machine has."""
    for make in ways:
        try:
            work = make()
            work()
        except (RuntimeError, AttributeError, NotImplementedError):
            continue
        yield work


def _fastest(work: Work, blocks: int) -> float:
    """Seconds of one call, in the fastest block."""
    began = time.perf_counter()
    work()
    repeats = max(1, round(_BLOCK_SECONDS / max(time.perf_counter() - began, 1e-6)))
    best = float("inf")
    for _ in range(blocks):
        began = time.perf_counter()
        for _ in range(repeats):
            work()
        best = min(best, (time.perf_counter() - began) / repeats)
    return best
