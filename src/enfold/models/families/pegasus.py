"""PEGASUS (Zhang et al., 2020): BART with pre-norm blocks, last norms and fixed positions, sines and then cosines."""

from __future__ import annotations

from enfold.layers.specs import PairSpec, PositionSpec
from enfold.models.families import bart
from enfold.models.family import Family


class PegasusConfig(bart.PairConfig):
    """The ``config.json`` of model type ``pegasus``."""

    model_type = "pegasus"

    pad_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 1
    decoder_start_token_id: int | None = 0
    forced_eos_token_id: int | list[int] | None = 1
    is_decoder: bool = False


def spec(config: PegasusConfig) -> PairSpec:
    """What the two stacks are made of."""
    positions = PositionSpec(capacity=config.max_position_embeddings, kind="halves")
    return bart.pair(config, order="pre", final_norm=True, norm=False, scales_vectors=True, positions=positions)


FAMILY = Family(
    attribute="model",
    members={"Pegasus": PegasusConfig},
    spec=spec,
    stacks=bart.STACKS,
    heads=bart.WRITERS,
    derived=bart.DERIVED,
    tokenizers=("PegasusTokenizer", "PegasusTokenizerFast"),
)
