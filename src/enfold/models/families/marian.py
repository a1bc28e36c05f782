"""Marian (Junczys-Dowmunt et al., 2018): BART's blocks with fixed positions; a decoder may have its own vocabulary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from enfold.layers.specs import PairSpec, PositionSpec
from enfold.models.families import bart
from enfold.models.family import Family


class MarianConfig(bart.PairConfig):
    """The ``config.json`` of model type ``marian``."""

    model_type = "marian"

    vocab_size: int = 58101
    decoder_vocab_size: int | None = None
    pad_token_id: int | None = 58100
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = 0
    decoder_start_token_id: int | None = 58100
    forced_eos_token_id: int | list[int] | None = 0
    share_encoder_decoder_embeddings: bool = True
    is_decoder: bool = False

    def __init__(self, **values: Any) -> None:
        """Take fields by name; the decoder's vocabulary is the encoder's where it is not given."""
        super().__init__(**values)
        self.decoder_vocab_size = self.decoder_vocab_size or self.vocab_size


def spec(config: MarianConfig) -> PairSpec:
    """What the two stacks are made of."""
    positions = PositionSpec(capacity=config.max_position_embeddings, kind="halves")
    both = bart.pair(config, norm=False, scales_vectors=True, positions=positions)
    if config.share_encoder_decoder_embeddings:
        return both
    assert config.decoder_vocab_size is not None
    words = replace(both.decoder.embeddings, vocabulary=config.decoder_vocab_size)
    return replace(both, decoder=replace(both.decoder, embeddings=words), shared=None)


FAMILY = Family(
    attribute="model",
    members={"Marian": MarianConfig},
    spec=spec,
    stacks=bart.STACKS,
    heads={
        # Positions are always the same, so that its files leave them out.
        "MTModel": replace(bart.WRITES, unwritten=r"\.embed_positions\.weight$"),
        "ForCausalLM": bart.WRITES_ALONE,
    },
    tasks={"ForSeq2SeqLM": "MTModel"},
    derived=bart.DERIVED,
    tokenizers=("MarianTokenizer",),
)
