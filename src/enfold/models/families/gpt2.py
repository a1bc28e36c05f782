"""GPT-2 (Radford et al., 2019): learned positions, pre-norm blocks, q, k and v in one map stored transposed."""

from __future__ import annotations

from typing import Any, ClassVar

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, FeedForwardSpec, NormSpec, PositionSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.config import PreTrainedConfig
from enfold.models.encoder import DecoderModel
from enfold.models.family import Family
from enfold.models.plan import Drop, Plan


class GPT2Config(PreTrainedConfig):
    """The ``config.json`` of model type ``gpt2``."""

    model_type = "gpt2"
    refused: ClassVar[dict[str, tuple[Any, ...]]] = {"add_cross_attention": (False,)}
    aliases: ClassVar[dict[str, str]] = {
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    }

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None
    activation_function: str = "gelu_new"
    resid_pdrop: float = 0.1
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    summary_type: str = "cls_index"
    summary_use_proj: bool = True
    summary_activation: str | None = None
    summary_proj_to_labels: bool = True
    summary_first_dropout: float = 0.1
    scale_attn_weights: bool = True
    use_cache: bool = True
    bos_token_id: int | None = 50256
    eos_token_id: int | list[int] | None = 50256
    pad_token_id: int | None = None
    scale_attn_by_inverse_layer_idx: bool = False
    # Only half precision is affected: scores are in float32 here anyway.
    reorder_and_upcast_attn: bool = False
    add_cross_attention: bool = False
    tie_word_embeddings: bool = True


NAMES = {"words": "wte", "positions": "wpe", "embeddings_dropout": "drop", "blocks": "h", "final_norm": "ln_f"}
BLOCK = {
    "attention_norm": "ln_1",
    "attention": "attn",
    "qkv": "attn.c_attn",
    "attention_output": "attn.c_proj",
    "output_norm": "ln_2",
    "up": "mlp.c_fc",
    "down": "mlp.c_proj",
}


def attention(config: GPT2Config, number: int) -> AttentionSpec:
    """The attention of one block."""
    scale = (config.n_embd // config.n_head) ** -0.5 if config.scale_attn_weights else 1.0
    return AttentionSpec(
        heads=config.n_head,
        dropout=config.attn_pdrop,
        scale=scale / (number + 1) if config.scale_attn_by_inverse_layer_idx else scale,
        maps="stacked",
        transposed=True,
    )


def spec(config: GPT2Config) -> StackSpec:
    """What the stack is made of."""
    return StackSpec(
        width=config.n_embd,
        depth=config.n_layer,
        dropout=config.resid_pdrop,
        init_std=config.initializer_range,
        embeddings=EmbeddingSpec(vocabulary=config.vocab_size, dropout=config.embd_pdrop, norm=False),
        positions=PositionSpec(capacity=config.n_positions),
        attention=tuple(attention(config, number) for number in range(config.n_layer)),
        feed_forward=FeedForwardSpec(
            width=config.n_inner or 4 * config.n_embd, activation=config.activation_function, transposed=True
        ),
        norm=NormSpec(eps=config.layer_norm_epsilon),
        order="pre",
        final_norm=True,
        causal=True,
        names=NAMES,
        block_names=BLOCK,
    )


FAMILY = Family(
    attribute="transformer",
    members={"GPT2": GPT2Config},
    spec=spec,
    stacks={"Model": DecoderModel},
    heads={
        "LMHeadModel": Plan(kind=language_heads.CausalLM, output="lm_head", output_bias=False),
        "ForSequenceClassification": Plan(
            kind=heads.SequenceClassification, pick="last", output="score", output_bias=False
        ),
        "ForTokenClassification": Plan(
            kind=heads.TokenClassification, steps=(Drop(("classifier_dropout", "hidden_dropout"), 0.1),)
        ),
        "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, output="qa_outputs"),
    },
    tasks={"ForCausalLM": "LMHeadModel", "ForPreTraining": "LMHeadModel"},
    derived=(r"\.attn\.(masked_)?bias$",),  # older files stored the triangle of what a token sees
    tokenizers=("GPT2Tokenizer", "GPT2TokenizerFast"),
)
