"""Blenderbot (Roller et al., 2021): BART with pre-norm blocks and last norms; positions begin at row 0."""

from __future__ import annotations

from enfold.layers.specs import PairSpec, PositionSpec
from enfold.models.families import bart
from enfold.models.family import Family


class BlenderbotConfig(bart.PairConfig):
    """The ``config.json`` of model type ``blenderbot``."""

    model_type = "blenderbot"

    vocab_size: int = 8008
    max_position_embeddings: int = 128
    encoder_layers: int = 2
    encoder_ffn_dim: int = 10240
    encoder_attention_heads: int = 32
    decoder_layers: int = 24
    decoder_ffn_dim: int = 10240
    decoder_attention_heads: int = 32
    d_model: int = 2560
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    decoder_start_token_id: int | None = 1
    encoder_no_repeat_ngram_size: int = 3
    forced_eos_token_id: int | list[int] | None = 2
    is_decoder: bool = False


def spec(config: BlenderbotConfig) -> PairSpec:
    """What the two stacks are made of."""
    positions = PositionSpec(capacity=config.max_position_embeddings)
    return bart.pair(config, order="pre", final_norm=True, norm=False, positions=positions)


FAMILY = Family(
    attribute="model",
    members={"Blenderbot": BlenderbotConfig},
    spec=spec,
    stacks=bart.STACKS,
    heads=bart.WRITERS,
    derived=bart.DERIVED,
    tokenizers=("BlenderbotTokenizer", "BlenderbotTokenizerFast"),
)
