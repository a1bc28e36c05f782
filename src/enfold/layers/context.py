"""What all blocks of one pass through a stack share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from enfold.layers.packing import Layout

__all__ = ["Context", "Memory", "ScoreBias"]

ScoreBias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""A function of queries (rows, heads, queries, head_width), keys (rows, heads, keys, head_width) and the positions of
both, (rows, queries) and (rows, keys), that gives what is added to the scores: (rows or 1, heads, queries, keys)."""


@dataclass(frozen=True, eq=False)
class Memory:
    """Another stack's states, for cross-attention.

    Attributes:
        hidden: (kv_tokens, width); None where their keys and values are in a cache already.
        layout: queries of the stack that attends, keys of the other.
        bias: (rows, 1, 1, length) added to the scores, where the other stack's rows hold padding.
    """

    hidden: Tensor | None
    layout: Layout
    bias: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Context:
    """What all blocks of one pass share.

    Attributes:
        layout: where each row lies, and whether a token sees what comes after it.
        bias: (rows or 1, heads or 1, length or 1, length) added to the scores, for rows of one length.
        score_bias: a further bias that depends on distance, or on queries and keys.
        rotations: cosines and sines, (tokens, rotated width) each, by the number an attention knows them by.
        memory: what cross-attention looks at.
        cache: the pass's view of cached keys and values (``enfold.layers.cache.Pass``), if there is one.
        relative: what the stack's ``relative`` part made, for the attention of the family that passes it in.
    """

    layout: Layout
    bias: Tensor | None = None
    score_bias: ScoreBias | None = None
    rotations: tuple[tuple[Tensor, Tensor], ...] = ()
    memory: Memory | None = None
    cache: Any = None
    relative: Any = None
