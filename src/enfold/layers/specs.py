"""What a stack is made of, as data: small specs that a family composes and a builder reads once.

No ``forward`` reads a spec. A family turns its ``config.json`` into these, and the builders in
``enfold.models`` choose modules from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from enfold.errors import InputError

__all__ = ["AttentionSpec", "EmbeddingSpec", "EncoderSpec", "FeedForwardSpec", "NormSpec", "PositionSpec"]


@dataclass(frozen=True, kw_only=True)
class NormSpec:
    """Layer normalisation (Ba et al., 2016).

    Attributes:
        eps: added to the variance before its root is taken.
    """

    eps: float


@dataclass(frozen=True, kw_only=True)
class PositionSpec:
    """Learned absolute positions: one vector for each index of a row.

    Attributes:
        capacity: how many there are; no row may be longer.
    """

    capacity: int


@dataclass(frozen=True, kw_only=True)
class EmbeddingSpec:
    """How token ids become vectors.

    Attributes:
        vocabulary: the number of token ids.
        types: the number of segment types (sentence A, sentence B).
        pad_id: the id whose vector starts as zeros and never receives a gradient, if any.
        dropout: the share of values dropped after the norm, in training.
    """

    vocabulary: int
    types: int
    pad_id: int | None
    dropout: float


@dataclass(frozen=True, kw_only=True)
class AttentionSpec:
    """Multi-head attention (Vaswani et al., 2017, section 3.2).

    Attributes:
        heads: the number of heads; they share the width evenly.
        dropout: the share of attention weights dropped, in training.
    """

    heads: int
    dropout: float


@dataclass(frozen=True, kw_only=True)
class FeedForwardSpec:
    """The two linear maps of a block with an activation between them.

    Attributes:
        width: the inner width.
        activation: a name known to ``enfold.layers.activations``.
    """

    width: int
    activation: str


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """An encoder stack: embeddings, then ``depth`` blocks that normalise after each residual sum.

    Attributes:
        width: the width of the hidden states.
        depth: the number of blocks.
        dropout: the share of values dropped before each residual sum, in training.
        init_std: the standard deviation of newly initialised weights.
        names: where a checkpoint keeps each part: role to dotted path (see ``enfold.layers.places``).
    """

    width: int
    depth: int
    dropout: float
    init_std: float
    embeddings: EmbeddingSpec
    positions: PositionSpec
    attention: AttentionSpec
    feed_forward: FeedForwardSpec
    norm: NormSpec
    names: Mapping[str, str]

    def __post_init__(self) -> None:
        heads, table = self.attention.heads, self.embeddings
        if self.width % heads:
            raise InputError(f"the hidden width {self.width} is not a multiple of the {heads} attention heads")
        if table.pad_id is not None and not -table.vocabulary <= table.pad_id < table.vocabulary:
            raise InputError(f"the pad id {table.pad_id} is outside the vocabulary of {table.vocabulary}")
