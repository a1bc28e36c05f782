"""Faults put into a model on purpose, to see that the shared checkers find them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn


def fails(check: Callable[..., Any], *arguments: Any, match: str, **more: Any) -> None:
    """The check refuses, and says why."""
    with pytest.raises(AssertionError, match=match):
        check(*arguments, **more)


def shift(module: nn.Module, by: Callable[[Any], Any]) -> None:
    """Change the first argument of a module's calls."""
    module.register_forward_pre_hook(lambda _, arguments: (by(arguments[0]), *arguments[1:]))
