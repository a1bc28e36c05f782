"""Memory behind tensors that are mapped from a file."""

from __future__ import annotations

import ctypes
import mmap
import sys
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

__all__ = ["let_go"]

_PAGEOUT = 21  # MADV_PAGEOUT of <asm-generic/mman-common.h>: contents stay what they are, since Linux 5.4
_WORTH = 1 << 18  # bytes


def let_go(tensor: Tensor) -> None:
    """Give memory back that holds what stands in a file as well, when it will hardly be read again.

    Whoever does read the tensor reads the file once more. Nothing happens for a tensor that is not mapped from a file,
    for a small one, and where the system has no such call.
    """
    size = tensor.numel() * tensor.element_size()
    if size < _WORTH or tensor.device.type != "cpu" or not tensor.is_contiguous():
        return
    advise = _madvise()
    if advise is None or not _is_mapped(tensor.data_ptr()):
        return
    page = mmap.PAGESIZE
    first = -(-tensor.data_ptr() // page) * page
    length = (tensor.data_ptr() + size - first) // page * page
    if length > 0:
        advise(ctypes.c_void_p(first), ctypes.c_size_t(length), _PAGEOUT)


@cache
def _madvise() -> Any:
    return ctypes.CDLL(None).madvise if sys.platform == "linux" else None


def _is_mapped(address: int) -> bool:
    """Whether a file stands behind an address of this process."""
    with Path("/proc/self/maps").open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            bounds, _, _, _, inode, *_ = line.split()
            low, _, high = bounds.partition("-")
            if int(low, 16) <= address < int(high, 16):
                return inode != "0"
    return False
