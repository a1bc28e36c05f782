"""Disentangled attention (He et al., 2021): what a token says and where it stands are compared apart.

The score of a query and a key has up to three terms: content with content, the query's content with a vector of the
distance (``c2p``, content to position), and the key's content with another vector of it (``p2c``). The vectors of
distances are one table for all blocks, mapped to queries and keys by each. Beside the first block there may be a
convolution of the embeddings, whose result is added to its own (the second version's encoding of n-grams).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.errors import InputError
from enfold.layers.activations import activation
from enfold.layers.attention import Attention, attention
from enfold.layers.block import Block
from enfold.layers.context import Context, ScoreBias
from enfold.layers.dropout import Dropout
from enfold.layers.linear import project
from enfold.layers.norms import norm
from enfold.layers.packing import Layout
from enfold.layers.specs import AttentionSpec, StackSpec

__all__ = ["Convolution", "DisentangledAttention", "DisentangledBlock", "DisentangledSpec", "log_buckets"]

Part = Callable[[str], nn.Module]


@dataclass(frozen=True, kw_only=True)
class DisentangledSpec:
    """What such a stack has beside others.

    Attributes:
        terms: those of the score that look at distances: ``c2p``, ``p2c``, both or none.
        furthest: from here on all distances are the same.
        buckets: how many distances to either side have vectors of their own, far ones by their logarithm; all up to
            ``furthest`` where 0.
        distances: whether there are vectors of distances at all.
        shared: whether vectors of distances are mapped as tokens are, or by maps of their own.
        normed: whether vectors of distances are normalised.
        kernel: how many neighbours the convolution sees, a token itself included; 0 where there is none.
        groups: of channels, in the convolution.
        activation: of the convolution.
    """

    terms: tuple[str, ...]
    furthest: int
    buckets: int = 0
    distances: bool = True
    shared: bool = False
    normed: bool = False
    kernel: int = 0
    groups: int = 1
    activation: str = "tanh"

    def __post_init__(self) -> None:
        if self.kernel and self.kernel % 2 == 0:
            raise InputError(f"the convolution sees as many tokens before as behind: {self.kernel} must be odd")

    @property
    def reach(self) -> int:
        """How many distances to either side have vectors of their own."""
        return self.buckets or self.furthest

    def parts(self) -> dict[str, Callable[[StackSpec, int], nn.Module | None]]:
        """The parts of a stack and its blocks."""
        return {role: partial(make, self) for role, make in _PARTS.items()}


def log_buckets(distances: Tensor, buckets: int, furthest: int) -> Tensor:
    """Distances up to half of the buckets are themselves; farther ones share by their logarithm; the sign stays.

    Args:
        distances: whole numbers of any shape.
        buckets: how many there are to either side.
        furthest: from here on all share the last.
    """
    middle = buckets // 2
    sizes = distances.abs()
    # float32, as checkpoints were trained with: the last bit decides some borders.
    share = torch.log(sizes.clamp(min=1) / middle) / torch.log(torch.tensor((furthest - 1) / middle))
    far = (torch.ceil(share * (middle - 1)) + middle) * distances.sign()
    return torch.where(sizes <= middle, distances, far.long())


@dataclass(frozen=True, eq=False)
class Distances:
    """What all blocks of a pass share.

    Attributes:
        layout: where each row lies.
        real: (tokens,) of booleans, where padding is computed too; None elsewhere.
        vectors: (n, width) of the distances that occur; None where there are none.
        number: (2 · longest + 1,) the number of each distance's vector, from the most negative distance on.
        convolution: what is added to the first block, or None.
    """

    layout: Layout
    real: Tensor | None
    vectors: Tensor | None
    number: Tensor
    convolution: Convolution | None

    def numbers(self, q_positions: Tensor, k_positions: Tensor) -> Tensor:
        """(rows, queries) and (rows, keys) to the number of the vector for each pair, (rows, 1, queries, keys)."""
        apart = q_positions[:, :, None] - k_positions[:, None, :]
        return self.number[apart + self.number.shape[0] // 2][:, None]


class _Distances(nn.Module):
    """Makes what blocks share, once for each pass."""

    def __init__(self, spec: DisentangledSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, part: Part, inputs: Any) -> Distances:
        spec, places = self.spec, inputs.layout.positions
        longest = int(places.max()) if spec.distances and places.numel() else 0
        number = torch.arange(-longest, longest + 1, device=places.device)
        if spec.buckets:
            number = log_buckets(number, spec.buckets, spec.furthest)
        number = (number + spec.reach).clamp(0, 2 * spec.reach - 1)
        vectors = None
        if spec.distances:
            # Only those that occur: short texts need few of the table's rows.
            first, last = int(number[0]), int(number[-1])
            number, rows = number - first, torch.arange(first, last + 1, device=places.device)
            vectors = part("distances")(rows)
            vectors = part("distances_norm")(vectors) if spec.normed else vectors
        convolution: Any = part("convolution") if spec.kernel else None
        return Distances(inputs.layout, inputs.real, vectors, number, convolution)


class DisentangledAttention(Attention):
    """Attention whose scores have terms for distances.

    Args:
        own: heads, scale and dropout.
        spec: the terms, and how vectors of distances are mapped.
        stack: for the width, and the share of those vectors' values dropped in training.
    """

    def __init__(self, own: AttentionSpec, spec: DisentangledSpec, stack: StackSpec) -> None:
        super().__init__(own)
        self.terms = spec.terms if spec.distances else ()
        self.shared = spec.shared
        self.distances_dropout = Dropout(stack.dropout)
        inner = own.heads * (own.head_width or stack.width // own.heads)
        if "c2p" in self.terms and not spec.shared:
            self.pos_key_proj = nn.Linear(stack.width, inner)
        if "p2c" in self.terms and not spec.shared:
            self.pos_query_proj = nn.Linear(stack.width, inner)

    def forward(
        self, hidden: Tensor, context: Context, maps: Sequence[nn.Module], norms: Sequence[nn.Module], number: int
    ) -> Tensor:
        """(tokens, width) to (tokens, heads · head_width); for the arguments see ``Attention``."""
        shared: Distances = context.relative
        q, k, v = self._split(project(hidden, maps), self.heads, self.kv_heads)
        score_bias = self._score_bias(shared, maps) if self.terms else None
        biases: dict[str, Any] = {"bias": context.bias, "score_bias": score_bias}
        self.show(q, k, context.layout, **biases)
        dropout = self.dropout if self.training else 0.0
        found = attention(q, k, v, context.layout, **biases, scale=self.scale, dropout=dropout)
        if shared.real is not None:
            # Padding may look nowhere, and so looks at all of its row alike.
            rows = v.unflatten(0, (context.layout.rows, -1))
            found = torch.where(
                shared.real[:, None, None], found, rows.mean(1, keepdim=True).expand_as(rows).flatten(0, 1)
            )
        return found.flatten(1)

    def _score_bias(self, shared: Distances, maps: Sequence[nn.Module]) -> ScoreBias:
        assert shared.vectors is not None
        vectors, scale = self.distances_dropout(shared.vectors), self.scale
        query, key = (maps[0], maps[1]) if self.shared else (self._own("pos_query_proj"), self._own("pos_key_proj"))
        keys = self._mapped(key, vectors) if "c2p" in self.terms else None
        queries = self._mapped(query, vectors) if "p2c" in self.terms else None

        def add(q: Tensor, k: Tensor, q_positions: Tensor, k_positions: Tensor) -> Tensor:
            numbers = shared.numbers(q_positions, k_positions)
            total: Any = 0
            if keys is not None:
                total = (q @ keys).gather(-1, numbers.expand(-1, q.shape[1], -1, -1))
            if queries is not None:
                numbers = numbers.transpose(2, 3).expand(-1, k.shape[1], -1, -1)
                total = total + (k @ queries).gather(-1, numbers).transpose(2, 3)
            return total * scale

        return add

    def _own(self, name: str) -> Any:
        return getattr(self, name, None)

    def _mapped(self, mapping: nn.Module, vectors: Tensor) -> Tensor:
        """(n, width) to (heads, head_width, n)."""
        return mapping(vectors).unflatten(-1, (self.heads, -1)).permute(1, 2, 0)


class Convolution(nn.Module):
    """norm(hidden + activation(dropout(convolution of the embeddings))), row by row."""

    def __init__(self, spec: DisentangledSpec, stack: StackSpec) -> None:
        super().__init__()
        self.conv = nn.Conv1d(stack.width, stack.width, spec.kernel, padding=spec.kernel // 2, groups=spec.groups)
        self.activation = activation(spec.activation)
        self.dropout = Dropout(stack.dropout)
        self.LayerNorm = norm(stack.norm, stack.width)

    def forward(self, embedded: Tensor, hidden: Tensor, shared: Distances) -> Tensor:
        """(tokens, width) of the embeddings and of the first block to (tokens, width); zeros at padding."""
        # The rows stand one behind the other, as far apart as the kernel reaches; nothing stands at masked places.
        layout, row_of = shared.layout, shared.layout.row_of
        spans = torch.zeros_like(layout.first).scatter_reduce(0, row_of, layout.positions + 1, "amax")
        room = spans + self.conv.kernel_size[0] // 2
        places = (room.cumsum(0) - room)[row_of] + layout.positions
        line = embedded.new_zeros(int(room.sum()), embedded.shape[1]).index_copy(0, places, embedded)
        mixed = F.embedding(places, self.conv(line.t()[None])[0].t())
        result = self.LayerNorm(hidden + self.activation(self.dropout(mixed)))
        return result if shared.real is None else result.masked_fill(~shared.real[:, None], 0)


class DisentangledBlock(Block):
    """A post-norm block; to the first one's result the convolution's is added, if there is one."""

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """(tokens, width) to (tokens, width)."""
        shared: Distances = context.relative
        result = super().forward(hidden, context)
        return shared.convolution(hidden, result, shared) if shared.convolution and not self.number else result


def _of_a_block(spec: DisentangledSpec, stack: StackSpec, number: int) -> nn.Module | None:
    return None if number < 0 else DisentangledAttention(stack.attention_of(number), spec, stack)


def _shared(spec: DisentangledSpec, stack: StackSpec, number: int) -> nn.Module | None:
    return _Distances(spec) if number < 0 else None


def _vectors(spec: DisentangledSpec, stack: StackSpec, number: int) -> nn.Module | None:
    return nn.Embedding(2 * spec.reach, stack.width) if spec.distances and number < 0 else None


def _vectors_norm(spec: DisentangledSpec, stack: StackSpec, number: int) -> nn.Module | None:
    return norm(stack.norm, stack.width) if spec.normed and number < 0 else None


def _convolution(spec: DisentangledSpec, stack: StackSpec, number: int) -> nn.Module | None:
    return Convolution(spec, stack) if spec.kernel and number < 0 else None


_PARTS = {
    "attention": _of_a_block,
    "relative": _shared,
    "distances": _vectors,
    "distances_norm": _vectors_norm,
    "convolution": _convolution,
}
