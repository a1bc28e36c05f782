"""A whole stack, for one token more of each row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from enfold.layers.block import Block
from enfold.layers.cache import Cache
from enfold.layers.dropout import Dropout
from enfold.layers.embeddings import Embed, check_inputs
from enfold.layers.positions import RelativeBias, packed_positions
from enfold.layers.stepping import BlockStep, Step, can_step
from enfold.models.stack import Stack

__all__ = ["StackStep", "stack_step"]


def stack_step(stack: Stack) -> StackStep | None:
    """The stack's step; None where it has parts that only its ordinary pass knows, or somebody watches."""
    if type(stack).encode is not Stack.encode or not all(can_step(block) for block in stack.blocks):
        return None
    if stack.has("relative") and type(stack.part("relative")) is not RelativeBias:
        return None
    if type(stack.part("embeddings")) is not Embed or (stack.has("final_dropout") and _drops(stack)):
        return None
    if any(module._forward_hooks or module._forward_pre_hooks for module in stack.modules()):
        return None
    return StackStep(stack)


def _drops(stack: Stack) -> bool:
    return type(stack.part("final_dropout")) is not Dropout


class StackStep:
    """Hidden states of one token more for each row, behind what a cache holds."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._blocks = [BlockStep(block) for block in stack.blocks if isinstance(block, Block)]
        self._behind = [stack.part(role).forward for role in ("final_norm", "output_projection") if stack.has(role)]
        self._embed = stack.part("embeddings")
        self._rotary: list[Any] = [stack.part(role) for role in stack.rotary_roles]

    def __call__(self, ids: Tensor, cache: Cache) -> Tensor:
        """(rows,) ids to (rows, width)."""
        stack, spec = self._stack, self._stack.spec
        positions = torch.tensor(cache.lengths, device=ids.device)
        places = positions
        if spec.positions is not None and spec.positions.counted == "tokens":
            places = self._counted(ids, positions)
        check_inputs(lambda row: (row, cache.lengths[row]), ids, None, places, stack.sizes, spec.first_place)
        hidden = self._embed(stack.part, ids, None, places, None)
        rotations = [rotary.step(positions, cache.lengths) for rotary in self._rotary]
        relative: Any = stack.part("relative") if stack.has("relative") else None
        step = Step(cache, rotations, None if relative is None else relative.bias(), ids.device)
        for block in self._blocks:
            hidden = block(hidden, step)
        step.close()
        for own in self._behind:
            hidden = own(hidden)
        return hidden

    def _counted(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Places, where padding has one of its own."""
        spec = self._stack.spec
        rows = torch.arange(ids.shape[0], device=ids.device)
        first = packed_positions(ids, torch.zeros_like(rows), rows, spec.embeddings.pad_id or 0)
        return first + positions * (first >= spec.first_place)
