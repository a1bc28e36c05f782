"""MPNet (Song et al., 2020): RoBERTa without token types, and with a bias by distance that all blocks share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from enfold.layers.specs import PositionSpec, RelativeSpec, StackSpec
from enfold.models import heads
from enfold.models.config import PreTrainedConfig
from enfold.models.encoder import EncoderModel
from enfold.models.families import bert, roberta
from enfold.models.family import Family
from enfold.models.plan import Plan

PAD_ID = 1  # whatever the config says
BUCKETS = 32


class MPNetConfig(PreTrainedConfig):
    """The ``config.json`` of model type ``mpnet``."""

    model_type = "mpnet"
    # A table of another size is not what transformers reads: it counts 32 buckets all the same.
    refused: ClassVar[dict[str, tuple[Any, ...]]] = {"relative_attention_num_buckets": (BUCKETS,)}
    type_vocab_size: ClassVar[int] = 0
    is_decoder: ClassVar[bool] = False

    vocab_size: int = 30527
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    relative_attention_num_buckets: int = BUCKETS
    pad_token_id: int | None = 1
    bos_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 2
    tie_word_embeddings: bool = True


NAMES = bert.NAMES | {"relative": "encoder.relative_attention_bias"}
BLOCK = bert.BLOCK | {
    "attention": "attention.attn",
    "query": "attention.attn.q",
    "key": "attention.attn.k",
    "value": "attention.attn.v",
    "attention_output": "attention.attn.o",
    "attention_norm": "attention.LayerNorm",
}


def spec(config: MPNetConfig) -> StackSpec:
    """What the stack is made of."""
    like_bert = bert.spec(config)
    return replace(
        like_bert,
        embeddings=replace(like_bert.embeddings, types=0, pad_id=PAD_ID),
        positions=PositionSpec(capacity=config.max_position_embeddings, counted="tokens"),
        relative=RelativeSpec(heads=config.num_attention_heads, buckets=BUCKETS, max_distance=128, both_ways=True),
        causal=False,
        names=NAMES,
        block_names=BLOCK,
    )


FAMILY = Family(
    attribute="mpnet",
    members={"MPNet": MPNetConfig},
    spec=spec,
    stacks={"Model": EncoderModel},
    heads=roberta.HEADS
    | {
        "ForSequenceClassification": roberta.judge("tanh", roberta.HIDDEN_DROP),
        "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(roberta.HIDDEN_DROP,)),
    },
    tasks={"ForPreTraining": "ForMaskedLM"},
    older=bert.OLDER,
    derived=bert.DERIVED,
    tokenizers=("MPNetTokenizer", "MPNetTokenizerFast"),
)
