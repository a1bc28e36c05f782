"""Llama (Touvron et al., 2023): rotary positions, RMS norms before each part, gated feed-forward, shared key heads."""

from __future__ import annotations

from typing import Any, ClassVar

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, FeedForwardSpec, NormSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.encoder import DecoderModel
from enfold.models.family import Family
from enfold.models.plan import Drop, Plan
from enfold.models.rotary_config import RotaryConfig


class LlamaConfig(RotaryConfig):
    """The ``config.json`` of model type ``llama``."""

    model_type = "llama"
    refused: ClassVar[dict[str, tuple[Any, ...]]] = {"pretraining_tp": (1, None)}

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None
    hidden_act: str = "silu"
    max_position_embeddings: int = 2048
    initializer_range: float = 0.02
    rms_norm_eps: float = 1e-6
    use_cache: bool = True
    pad_token_id: int | None = None
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    pretraining_tp: int | None = 1
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    attention_dropout: float = 0.0
    mlp_bias: bool = False
    head_dim: int | None = None

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads


NAMES = {"words": "embed_tokens", "blocks": "layers", "final_norm": "norm"}
BLOCK = {
    "attention_norm": "input_layernorm",
    "attention": "self_attn",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "attention_output": "self_attn.o_proj",
    "output_norm": "post_attention_layernorm",
    "feed_forward": "mlp",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


def spec(config: LlamaConfig) -> StackSpec:
    """What the stack is made of."""
    assert config.head_dim is not None
    return StackSpec(
        width=config.hidden_size,
        depth=config.num_hidden_layers,
        dropout=0.0,
        init_std=config.initializer_range,
        embeddings=EmbeddingSpec(vocabulary=config.vocab_size, pad_id=config.pad_token_id, dropout=0.0, norm=False),
        attention=AttentionSpec(
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_width=config.head_dim,
            dropout=config.attention_dropout,
            bias=config.attention_bias,
            output_bias=config.attention_bias,
            rotary=config.rotary(config.head_dim),
        ),
        feed_forward=FeedForwardSpec(
            width=config.intermediate_size, activation=config.hidden_act, gated="separate", bias=config.mlp_bias
        ),
        norm=NormSpec(eps=config.rms_norm_eps, kind="rms"),
        order="pre",
        final_norm=True,
        causal=True,
        names=NAMES,
        block_names=BLOCK,
    )


DROP = Drop(("classifier_dropout", "hidden_dropout"), 0.1)
HEADS = {
    "ForCausalLM": Plan(kind=language_heads.CausalLM, output="lm_head", output_bias=False),
    "ForSequenceClassification": Plan(
        kind=heads.SequenceClassification, pick="last", output="score", output_bias=False
    ),
    "ForTokenClassification": Plan(kind=heads.TokenClassification, output="score", steps=(DROP,)),
    "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, output="qa_outputs", attribute="transformer"),
}

FAMILY = Family(
    attribute="model",
    members={"Llama": LlamaConfig},
    spec=spec,
    stacks={"Model": DecoderModel},
    heads=HEADS,
    derived=(r"rotary_emb\.inv_freq$",),
    tokenizers=("LlamaTokenizer", "LlamaTokenizerFast"),
)
