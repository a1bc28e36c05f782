"""Hidden states and attention weights read through hooks, so that no flag runs through ``forward``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from enfold.layers.attention import Attention

__all__ = ["Captured", "capturing"]


@dataclass
class Captured:
    """What one call of a stack showed.

    Attributes:
        hidden_states: the embeddings' output and each block's, (tokens, width).
        attentions: of each block, the (heads, length, length) weights of each row, before dropout.
    """

    hidden_states: list[Tensor] = field(default_factory=list)
    attentions: list[list[Tensor]] = field(default_factory=list)


@contextmanager
def capturing(embeddings: nn.Module, blocks: nn.ModuleList, *, hidden: bool, attentions: bool) -> Iterator[Captured]:
    """Collect what the stack computes inside this block of code, in this thread."""
    captured = Captured()
    thread = threading.get_ident()

    def see_hidden(module: nn.Module, inputs: Any, output: Tensor) -> None:
        if threading.get_ident() == thread:
            captured.hidden_states.append(output)

    def see_weights(weights: list[Tensor]) -> None:
        if threading.get_ident() == thread:
            captured.attentions.append(weights)

    with ExitStack() as stack:
        if hidden:
            for module in (embeddings, *blocks):
                stack.callback(module.register_forward_hook(see_hidden).remove)
        if attentions:
            for module in blocks.modules():
                if isinstance(module, Attention):
                    module.observers.append(see_weights)
                    stack.callback(module.observers.remove, see_weights)
        yield captured
