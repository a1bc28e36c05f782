"""Where bfloat16 arithmetic is really there."""

from __future__ import annotations

import platform
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


def autocast(device: torch.device, enabled: bool) -> AbstractContextManager[object]:
    """Matrix products in bfloat16, weights and the loss in float32; nothing at all where it is off."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if enabled else nullcontext()
