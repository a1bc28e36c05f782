"""What a stack is made of, as data: small specs that a family composes and a builder reads once.

No ``forward`` reads a spec. A family turns its ``config.json`` into these, and the builder in
``enfold.models.stack`` chooses modules from them. What only one family needs is not a field here but a part
that the family passes in (``StackSpec.parts``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from enfold.errors import InputError

__all__ = [
    "AttentionSpec",
    "EmbeddingSpec",
    "FeedForwardSpec",
    "NormSpec",
    "PairSpec",
    "PositionSpec",
    "RelativeSpec",
    "RotarySpec",
    "StackSpec",
]


@dataclass(frozen=True, kw_only=True)
class NormSpec:
    """Normalisation of each token's vector.

    Attributes:
        eps: added to the variance, or the mean square, before its root is taken.
        kind: ``layer`` (Ba et al., 2016), ``rms`` (Zhang and Sennrich, 2019), or ``rms+1``, whose weights are stored
            less 1.
        bias: whether a layer norm has one.
        weight: whether a layer norm has learned parameters at all.
    """

    eps: float
    kind: Literal["layer", "rms", "rms+1"] = "layer"
    bias: bool = True
    weight: bool = True


@dataclass(frozen=True, kw_only=True)
class PositionSpec:
    """Absolute positions: one vector for each place, added to the word's.

    Attributes:
        capacity: how many places there are; no row may be longer.
        kind: ``learned``, or a fixed form of sines and cosines (Vaswani et al., 2017, section 3.5):
            ``halves`` (all sines, then all cosines), ``interleaved`` (sine and cosine by turns) or
            ``fairseq`` (halves, with another slope, a zero at the padding's row).
        offset: rows of the table before that of the first place.
        counted: what a place is: ``index`` in the row; ``tokens``, the number of non-padding ids up to there, the
            padding id itself added (RoBERTa); ``mask``, the number of unmasked places up to there, less 1.
        stored: whether a fixed form is in checkpoints.
        width: of the vectors, where it is not the embeddings' width.
    """

    capacity: int
    kind: Literal["learned", "halves", "interleaved", "fairseq"] = "learned"
    offset: int = 0
    counted: Literal["index", "tokens", "mask"] = "index"
    stored: bool = True
    width: int | None = None

    @property
    def lowest(self) -> int:
        """The least place there is: that of padding, where places are counted by the mask."""
        return -1 if self.counted == "mask" and self.offset else 0


@dataclass(frozen=True, kw_only=True)
class RotarySpec:
    """Rotary positions (Su et al., 2021): parts of each query and key turn with their place.

    Attributes:
        width: how many values of each head turn; the rest stay.
        theta: the base of the slowest turn.
        capacity: the longest row the model was made for.
        scaling: the kind (``rope_type``) and settings by which longer rows are reached, as ``config.json`` has them.
    """

    width: int
    theta: float
    capacity: int
    scaling: tuple[tuple[str, Any], ...] = (("rope_type", "default"),)

    @property
    def reach(self) -> int:
        """The longest row the model can read: as long as it was made for, or what ``dynamic`` scaling adds to it."""
        settings = dict(self.scaling)
        stretched = settings.get("rope_type") == "dynamic"
        return int(self.capacity * settings.get("factor", 1.0)) if stretched else self.capacity


@dataclass(frozen=True, kw_only=True)
class RelativeSpec:
    """One learned number for each head and distance, distances in buckets (Raffel et al., 2020, section 2.1).

    Attributes:
        heads: the number of attention heads.
        buckets: how many there are.
        max_distance: from here on all distances share the last one.
        both_ways: whether keys before and after the query have buckets of their own.
    """

    heads: int
    buckets: int
    max_distance: int
    both_ways: bool


@dataclass(frozen=True, kw_only=True)
class EmbeddingSpec:
    """How token ids become vectors.

    Attributes:
        vocabulary: the number of token ids.
        dropout: the share of values dropped at the end, in training.
        pad_id: the id whose vector starts as zeros and never receives a gradient, if any.
        types: the number of segment types (sentence A, sentence B); 0 for none.
        ignores_types: whether types may be given all the same where there are none.
        norm: whether the sum is normalised.
        scale: what word vectors are multiplied by.
        round_scale: whether the scale is rounded to the vectors' precision first.
        scales_vectors: whether vectors given in place of ids are multiplied too.
        width: of the word vectors, where it is not the stack's width.
        project: what is brought to the stack's width there: the word vectors alone (``words``), the ``sum``, or the sum
            before its norm (``unnormed``).
        project_bias: whether that map has a bias.
    """

    vocabulary: int
    dropout: float
    pad_id: int | None = None
    types: int = 0
    ignores_types: bool = False
    norm: bool = True
    scale: float = 1.0
    round_scale: bool = False
    scales_vectors: bool = False
    width: int | None = None
    project: Literal["words", "sum", "unnormed"] = "sum"
    project_bias: bool = True


@dataclass(frozen=True, kw_only=True)
class AttentionSpec:
    """Multi-head attention (Vaswani et al., 2017, section 3.2).

    Attributes:
        heads: the number of query heads.
        dropout: the share of attention weights dropped, in training.
        kv_heads: the number of key and value heads, each shared by as many query heads (Ainslie et al., 2023); as many
            as query heads where None.
        head_width: the width of a head; the stack's width divided by the heads where None.
        scale: what scores are multiplied by; 1 / √head_width where None.
        bias: whether the maps to queries, keys and values have one.
        output_bias: whether the map of the result has one.
        maps: how checkpoints keep queries, keys and values: ``separate`` maps, one map with all ``stacked``, or one
            with those of each head ``per head``.
        transposed: whether a map's weight is stored as (inputs, outputs).
        window: how far to either side a token sees; None for the whole row.
        rotary: how queries and keys turn, if they do.
        norm: how each head's queries and keys are normalised, if they are.
    """

    heads: int
    dropout: float = 0.0
    kv_heads: int | None = None
    head_width: int | None = None
    scale: float | None = None
    bias: bool = True
    output_bias: bool = True
    maps: Literal["separate", "stacked", "per head"] = "separate"
    transposed: bool = False
    window: int | None = None
    rotary: RotarySpec | None = None
    norm: NormSpec | None = None


@dataclass(frozen=True, kw_only=True)
class FeedForwardSpec:
    """The linear maps of a block with an activation between them.

    Attributes:
        width: the inner width.
        activation: a name known to ``enfold.layers.activations``.
        gated: whether the activation is multiplied with a second map (Shazeer, 2020): ``separate`` maps, or one map
            with the activated half and then the other (``stacked``).
        bias: whether the maps have one.
        dropout: the share of inner values dropped, in training.
        transposed: whether a map's weight is stored as (inputs, outputs).
    """

    width: int
    activation: str
    gated: Literal["no", "separate", "stacked"] = "no"
    bias: bool = True
    dropout: float = 0.0
    transposed: bool = False


@dataclass(frozen=True, kw_only=True)
class StackSpec:
    """A stack: embeddings, then blocks, then perhaps a norm.

    Attributes:
        width: the width of the hidden states.
        depth: how many blocks are run.
        dropout: the share of values dropped before each residual sum, in training.
        undropped: the sums without it, by the role of their dropout: ``attention_dropout``, ``output_dropout``.
        init_std: the standard deviation of newly initialised weights.
        attention: of every block, or of each.
        order: where norms stand: ``post``, after each residual sum; ``pre``, before each part; ``parallel``, before
            both parts, which then see the same input.
        block: the class of the blocks, where a family has its own.
        blanks: whether padding is made 0 before the first block, where it is computed at all.
        final_norm: whether a norm follows the last block.
        final_dropout: the share of values dropped at the very end, in training.
        layer_drop: the share of blocks skipped, in training (Fan et al., 2020).
        causal: whether a token sees only itself and what stands before it.
        cross: whether blocks also attend to another stack's states.
        relative: the score bias by distance that all blocks share, if there is one.
        names: where a checkpoint keeps each part of the stack: role to dotted path (see ``enfold.layers.places``).
        block_names: the same for the parts of a block. A path that begins with ``/`` starts at the stack; ``{}`` in it
            is the number of the block.
        block_paths: where each run of a block finds it, for stacks that share blocks; ``names["blocks"]`` and a number
            where empty.
        parts: parts of one family alone: role to a function of (spec, number of the block or -1) that makes the module.
    """

    width: int
    depth: int
    dropout: float
    init_std: float
    embeddings: EmbeddingSpec
    attention: AttentionSpec | tuple[AttentionSpec, ...]
    feed_forward: FeedForwardSpec
    norm: NormSpec
    names: Mapping[str, str]
    block_names: Mapping[str, str]
    positions: PositionSpec | None = None
    order: Literal["post", "pre", "parallel"] = "post"
    block: type[Any] | None = None
    blanks: bool = False
    undropped: tuple[str, ...] = ()
    final_norm: bool = False
    final_dropout: float = 0.0
    layer_drop: float = 0.0
    causal: bool = False
    cross: bool = False
    relative: RelativeSpec | None = None
    block_paths: tuple[str, ...] = ()
    parts: Mapping[str, Callable[[StackSpec, int], Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        table = self.embeddings
        for attention in {self.attention_of(number) for number in range(self.depth)}:
            if attention.head_width is None and self.width % attention.heads:
                raise InputError(
                    f"the hidden width {self.width} is not a multiple of the {attention.heads} attention heads"
                )
            if attention.kv_heads is not None and attention.heads % attention.kv_heads:
                raise InputError(
                    f"the {attention.heads} attention heads are not a multiple of the {attention.kv_heads} "
                    "key and value heads"
                )
        if table.pad_id is not None and not -table.vocabulary <= table.pad_id < table.vocabulary:
            raise InputError(f"the pad id {table.pad_id} is outside the vocabulary of {table.vocabulary}")
        if table.pad_id is None and self.positions is not None and self.positions.counted == "tokens":
            raise InputError("this model counts places by the tokens that are not padding: set pad_token_id")

    def attention_of(self, number: int) -> AttentionSpec:
        """The attention of the block that is run at that place."""
        return self.attention if isinstance(self.attention, AttentionSpec) else self.attention[number]

    @property
    def first_place(self) -> int:
        """The place of a row's first token; where places are counted by tokens, it comes behind the padding's."""
        counted = self.positions is not None and self.positions.counted == "tokens"
        return (self.embeddings.pad_id or 0) + 1 if counted else 0

    @property
    def paths(self) -> tuple[str, ...]:
        """Where each run of a block finds it."""
        return self.block_paths or tuple(f"{self.names['blocks']}.{number}" for number in range(self.depth))


@dataclass(frozen=True, kw_only=True)
class PairSpec:
    """An encoder and a decoder that attends to it.

    Attributes:
        encoder, decoder: the two stacks; they lie under these names.
        shared: where the word vectors lie that both stacks use; None where each has its own.
    """

    encoder: StackSpec
    decoder: StackSpec
    shared: str | None = None

    @property
    def width(self) -> int:
        """The width of the decoder's hidden states, which heads read."""
        return self.decoder.width

    @property
    def init_std(self) -> float:
        """The standard deviation of newly initialised weights."""
        return self.decoder.init_std
