"""How many cores a batch may use. Several batches at once on few cores each meet less often than one on all of them."""

from __future__ import annotations

import os
import sys

__all__ = ["batch_threads", "set_batch_threads"]


def batch_threads() -> int:
    """Cores that one batch uses in the calling thread: torch's setting where torch is loaded, else all there are."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_batch_threads(count: int) -> None:
    """Let batches that the calling thread runs, and threads started later, use ``count`` cores.

    It is torch's own setting, and does nothing where torch is not loaded.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)
