"""Where bfloat16 arithmetic is really there, and whether it pays."""

from __future__ import annotations

import platform
import time
import warnings
from contextlib import AbstractContextManager, nullcontext

import torch


def why_not_bfloat16(device: torch.device | str) -> str | None:
    """Why training in bfloat16 makes no sense on a device, or ``None`` where it does.

    A processor without the instructions would emulate them, slower than float32.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return None
        return f"{torch.cuda.get_device_name()} has no bfloat16 arithmetic"
    if kind == "mps":
        return None
    if platform.machine().lower() in ("x86_64", "amd64"):
        if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
            return None
        return "this processor has neither AVX512-BF16 nor AMX"
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return None
    return "this processor has no bfloat16 arithmetic"


def bfloat16_gain(size: int = 512) -> float:
    """How many times quicker this processor multiplies matrices in bfloat16 than in float32; measured, some 30 ms.

    Having the instructions is not enough: some processors run them at half the rate of float32 ones.

    Args:
        size: of the square matrices.
    """
    matrices = torch.ones(size, size), torch.ones(size, size, dtype=torch.bfloat16)
    best = [float("inf"), float("inf")]
    for _ in range(7):
        for kind, matrix in enumerate(matrices):
            began = time.perf_counter()
            matrix @ matrix
            best[kind] = min(best[kind], time.perf_counter() - began)
    return best[0] / best[1]


def warn_of_slow_bfloat16(device: torch.device) -> None:
    """Say it where bfloat16 is there but makes training slower."""
    if device.type == "cpu" and (gain := bfloat16_gain()) < 0.9:
        warnings.warn(
            f"bf16=True: this processor multiplies matrices in bfloat16 at {gain:.1f} times the speed of float32, "
            "so training takes longer; leave it out unless memory is what matters",
            stacklevel=3,
        )


def autocast(device: torch.device, enabled: bool) -> AbstractContextManager[object]:
    """Matrix products in bfloat16, weights and the loss in float32; nothing at all where it is off."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if enabled else nullcontext()
