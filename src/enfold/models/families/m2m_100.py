"""M2M100 (Fan et al., 2021) and NLLB: pre-norm blocks, last norms, and sines by the number of real tokens."""

from __future__ import annotations

from dataclasses import replace

from enfold.layers.specs import PairSpec, PositionSpec
from enfold.models.families import bart
from enfold.models.family import Family


class M2M100Config(bart.PairConfig):
    """The ``config.json`` of model type ``m2m_100``."""

    model_type = "m2m_100"

    vocab_size: int = 128112
    encoder_layerdrop: float = 0.05
    decoder_layerdrop: float = 0.05
    activation_function: str = "relu"
    attention_dropout: float = 0.1
    scale_embedding: bool = True
    bos_token_id: int | None = 0


def spec(config: M2M100Config) -> PairSpec:
    """What the two stacks are made of. Places begin behind the padding's row; they are computed, never stored."""
    capacity = config.max_position_embeddings + (config.pad_token_id or 0) + 1
    positions = PositionSpec(capacity=capacity, kind="fairseq", counted="tokens", stored=False)
    return bart.pair(config, order="pre", final_norm=True, norm=False, positions=positions)


FAMILY = Family(
    attribute="model",
    members={"M2M100": M2M100Config},
    spec=spec,
    stacks=bart.STACKS,
    heads={"ForConditionalGeneration": replace(bart.WRITES, buffer=None)},
    derived=bart.DERIVED,
    tokenizers=("M2M100Tokenizer", "NllbTokenizer", "NllbTokenizerFast"),
)
