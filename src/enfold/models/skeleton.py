"""Models without memory or values, to be filled from a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["is_skeleton", "skeleton"]

_as_skeleton: ContextVar[bool] = ContextVar("as_skeleton", default=False)


@contextmanager
def skeleton() -> Iterator[None]:
    """Models made inside stay on the meta device, without memory or values."""
    token = _as_skeleton.set(True)
    try:
        with torch.device("meta"), _Uninitialised():
            yield
    finally:
        _as_skeleton.reset(token)


class _Uninitialised(TorchFunctionMode):
    """Modules made inside do not initialise themselves, which on the meta device only costs time.

    (PyTorch's own skipping of it there imports its compiler, seconds of start-up.)
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def is_skeleton() -> bool:
    """Whether a model that is made now is to stay without values."""
    return _as_skeleton.get()
