"""Hidden states and attention weights read through hooks, so that no flag runs through ``forward``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from enfold.layers.attention import Attention, CrossAttention
from enfold.models.inputs import Inputs
from enfold.models.stack import Stack

__all__ = ["Seen", "encode"]


@dataclass
class Seen:
    """What one call of a stack gave, on the inside of the door.

    Attributes:
        hidden: the last hidden states, (tokens, width).
        hidden_states: the embeddings' output and each block's, the last one as ``hidden``; None unless asked for.
        attentions, cross_attentions: of each block, the (heads, queries, keys) weights of each row, before dropout.
    """

    hidden: Tensor
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Any, ...] | None = None
    cross_attentions: tuple[Any, ...] | None = None


@dataclass
class _Captured:
    states: list[Tensor] = field(default_factory=list)
    own: list[list[Tensor]] = field(default_factory=list)
    cross: list[list[Tensor]] = field(default_factory=list)


def encode(stack: Stack, inputs: Inputs, *, hidden_states: bool = False, attentions: bool = False) -> Seen:
    """Run a stack on a batch that is inside the door, and keep what was asked for."""
    if not hidden_states and not attentions:
        return Seen(stack.encode(inputs))
    with _capturing(stack, hidden=hidden_states, attentions=attentions) as captured:
        hidden = stack.encode(inputs)
    states = (*captured.states[:-1], hidden) if hidden_states else None
    cross = tuple(captured.cross) if attentions and captured.cross else None
    return Seen(hidden, states, tuple(captured.own) if attentions else None, cross)


@contextmanager
def _capturing(stack: Stack, *, hidden: bool, attentions: bool) -> Iterator[_Captured]:
    """Collect what the stack computes inside this block of code, in this thread."""
    captured = _Captured()
    thread = threading.get_ident()

    def see_hidden(module: Any, inputs: Any, output: Tensor) -> None:
        if threading.get_ident() == thread:
            captured.states.append(output)

    def see_weights(weights: list[Tensor]) -> None:
        if threading.get_ident() == thread:
            captured.own.append(weights)

    def see_cross(weights: list[Tensor]) -> None:
        if threading.get_ident() == thread:
            captured.cross.append(weights)

    with ExitStack() as on_exit:
        blocks = list(dict.fromkeys(stack.blocks))  # shared ones are hooked once and seen each time
        if hidden:
            for module in (stack.embed, *blocks):
                on_exit.callback(module.register_forward_hook(see_hidden).remove)
        if attentions:
            for module in (module for block in blocks for module in block.modules()):
                if isinstance(module, (Attention, CrossAttention)):
                    see = see_cross if isinstance(module, CrossAttention) else see_weights
                    module.observers.append(see)
                    on_exit.callback(module.observers.remove, see)
        yield captured
