"""GPT-NeoX (Black et al., 2022) and Pythia: both parts of a block see one input; a share of each head turns."""

from __future__ import annotations

from typing import ClassVar

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, FeedForwardSpec, NormSpec, StackSpec
from enfold.models import heads
from enfold.models.encoder import DecoderModel
from enfold.models.families.llama import HEADS, QUESTIONS
from enfold.models.family import Family
from enfold.models.plan import Drop, Plan
from enfold.models.rotary_config import RotaryConfig


class GPTNeoXConfig(RotaryConfig):
    """The ``config.json`` of model type ``gpt_neox``."""

    model_type = "gpt_neox"
    theta_key: ClassVar[str] = "rotary_emb_base"
    share_key: ClassVar[str] = "rotary_pct"
    default_share: ClassVar[float | None] = 0.25

    vocab_size: int = 50432
    hidden_size: int = 6144
    num_hidden_layers: int = 44
    num_attention_heads: int = 64
    intermediate_size: int = 24576
    hidden_act: str = "gelu"
    attention_dropout: float = 0.0
    hidden_dropout: float = 0.0
    classifier_dropout: float = 0.1
    max_position_embeddings: int = 2048
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-5
    use_cache: bool = True
    bos_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 2
    pad_token_id: int | None = None
    tie_word_embeddings: bool = False
    use_parallel_residual: bool = True
    attention_bias: bool = True
    is_decoder: bool = False


NAMES = {
    "words": "embed_in",
    "embeddings_dropout": "emb_dropout",
    "blocks": "layers",
    "final_norm": "final_layer_norm",
}
BLOCK = {
    "attention_norm": "input_layernorm",
    "attention": "attention",
    "qkv": "attention.query_key_value",
    "attention_output": "attention.dense",
    "attention_dropout": "post_attention_dropout",
    "output_norm": "post_attention_layernorm",
    "feed_forward": "mlp",
    "up": "mlp.dense_h_to_4h",
    "down": "mlp.dense_4h_to_h",
    "output_dropout": "post_mlp_dropout",
}


def spec(config: GPTNeoXConfig) -> StackSpec:
    """What the stack is made of."""
    width = config.hidden_size // config.num_attention_heads
    return StackSpec(
        width=config.hidden_size,
        depth=config.num_hidden_layers,
        dropout=config.hidden_dropout,
        init_std=config.initializer_range,
        embeddings=EmbeddingSpec(vocabulary=config.vocab_size, dropout=config.hidden_dropout, norm=False),
        attention=AttentionSpec(
            heads=config.num_attention_heads,
            dropout=config.attention_dropout,
            bias=config.attention_bias,
            output_bias=config.attention_bias,
            maps="per head",
            rotary=config.rotary(width),
        ),
        feed_forward=FeedForwardSpec(width=config.intermediate_size, activation=config.hidden_act),
        norm=NormSpec(eps=config.layer_norm_eps),
        order="parallel" if config.use_parallel_residual else "pre",
        final_norm=True,
        causal=True,
        names=NAMES,
        block_names=BLOCK,
    )


FAMILY = Family(
    attribute="gpt_neox",
    members={"GPTNeoX": GPTNeoXConfig},
    spec=spec,
    stacks={"Model": DecoderModel},
    heads={
        "ForCausalLM": HEADS["ForCausalLM"],
        "ForSequenceClassification": HEADS["ForSequenceClassification"],
        "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(Drop(("classifier_dropout",)),)),
        "ForQuestionAnswering": QUESTIONS,
    },
    tasks={"ForPreTraining": "ForCausalLM"},
    older=((r"^embed_out\.", "lm_head."),),
    written=((r"^lm_head\.", "embed_out."),),
    # Older files stored the triangle of what a token sees, and the angles.
    derived=(r"\.attention\.(masked_)?bias$", r"\.attention\.rotary_emb\.inv_freq$"),
    tokenizers=("GPTNeoXTokenizer", "GPTNeoXTokenizerFast"),
)
