"""Whether a model fits into memory, said before it is read."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from enfold.errors import InputError
from enfold.layers.linear import TransposedLinear

__all__ = ["available_memory", "check_memory"]

_BYTES_A_WEIGHT = {"int8": 2.0, "int4": 1.2}  # as they are kept and, once more, as they are multiplied


def available_memory() -> int | None:
    """Bytes this process may still take, swap included: what the machine, a container and ``ulimit`` leave.

    None where the system does not say (anywhere but on Linux).
    """
    try:
        words = Path("/proc/meminfo").read_text(encoding="ascii").split()
    except OSError:
        return None
    free = [1024 * sum(int(words[words.index(name) + 1]) for name in ("MemAvailable:", "SwapFree:"))]
    free += [own for own in (_left_by_container(), _left_by_limit()) if own is not None]
    return max(0, min(free))


def _left_by_container(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Of a container's limit, what is neither used nor cache (control groups, version 2)."""
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        words = (folder / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    return int(limit) - used + sum(int(words[words.index(name) + 1]) for name in ("inactive_file", "active_file"))


def _left_by_limit() -> int | None:
    """Of the address space, where that is limited."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return limit - pages * resource.getpagesize()


def check_memory(model: nn.Module, name: str, dtype: torch.dtype | None, format: str | None) -> None:
    """Refuse a model that is larger than the memory there is.

    Args:
        model: without values yet.
        name: what the message calls it.
        dtype: the precision it is read in; its own where None.
        format: ``int8`` or ``int4`` where it is quantised as it is read.

    Raises:
        InputError: with both sizes, and what smaller precisions would take.
    """
    free = available_memory()
    needed = _needed(model, dtype, format)
    if free is None or needed <= free:
        return
    smaller = {}
    if format is None:
        smaller["dtype='bfloat16'"] = _needed(model, torch.bfloat16, None)
        smaller["format='int8'"] = _needed(model, dtype, "int8")
    ways = [f"{way} needs {_gigabytes(size)}" for way, size in smaller.items() if size < needed]
    raise InputError(
        f"{name} needs about {_gigabytes(needed)} of memory, and {_gigabytes(free)} are free; "
        f"{', '.join(ways) or 'take a smaller model or a larger machine'}"
    )


def _needed(model: nn.Module, dtype: torch.dtype | None, format: str | None) -> float:
    maps = (nn.Linear, TransposedLinear)
    quantised = set() if format is None else {own.weight for own in model.modules() if isinstance(own, maps)}
    tensors = {*model.parameters(), *model.buffers()}
    return sum(
        own.numel() * (_BYTES_A_WEIGHT[format or ""] if own in quantised else _bytes_of(own, dtype)) for own in tensors
    )


def _bytes_of(own: torch.Tensor, dtype: torch.dtype | None) -> int:
    return dtype.itemsize if dtype is not None and own.is_floating_point() else own.element_size()


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.{2 if size < 1e10 else 0}f} GB"
