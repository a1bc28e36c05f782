"""What every model is made of: packed tokens, attention, blocks, and the formats weights come in."""

from enfold.layers.activations import activation
from enfold.layers.attention import Attention, attention
from enfold.layers.block import Block
from enfold.layers.dropout import Dropout
from enfold.layers.feed_forward import FeedForward
from enfold.layers.int4 import Int4Linear
from enfold.layers.int8 import Int8Linear, int8_product
from enfold.layers.linear import quantise_linear
from enfold.layers.packing import Layout, Packed, layout_of, pack
from enfold.layers.specs import (
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    NormSpec,
    PairSpec,
    PositionSpec,
    RelativeSpec,
    RotarySpec,
    StackSpec,
)

__all__ = [
    "Attention",
    "AttentionSpec",
    "Block",
    "Dropout",
    "EmbeddingSpec",
    "FeedForward",
    "FeedForwardSpec",
    "Int4Linear",
    "Int8Linear",
    "Layout",
    "NormSpec",
    "Packed",
    "PairSpec",
    "PositionSpec",
    "RelativeSpec",
    "RotarySpec",
    "StackSpec",
    "activation",
    "attention",
    "int8_product",
    "layout_of",
    "pack",
    "quantise_linear",
]
