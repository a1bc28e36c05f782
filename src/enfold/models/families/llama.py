"""Llama (Touvron et al., 2023): rotary positions, RMS norms before each part, gated feed-forward, shared key heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, FeedForwardSpec, NormSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.encoder import DecoderModel
from enfold.models.family import Family
from enfold.models.plan import Drop, Plan
from enfold.models.rotary_config import RotaryConfig


class GatedConfig(RotaryConfig):
    """What Llama and the families that follow it have in their ``config.json``."""

    refused: ClassVar[dict[str, tuple[Any, ...]]] = {"token_classification_bias": (True,)}

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
    tie_word_embeddings: bool = False
    attention_dropout: float = 0.0

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        if getattr(self, "head_dim", 0) is None:
            vars(self)["head_dim"] = self.head_width

    @property
    def head_width(self) -> int:
        """The width of a head."""
        return getattr(self, "head_dim", None) or self.hidden_size // self.num_attention_heads


class LlamaConfig(GatedConfig):
    """The ``config.json`` of model type ``llama``."""

    model_type = "llama"

    # In how many pieces maps were multiplied in pre-training: the result is the same.
    pretraining_tp: int | None = 1
    attention_bias: bool = False
    mlp_bias: bool = False
    head_dim: int | None = None


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


def stack(
    config: Any,
    *,
    bias: bool,
    output_bias: bool,
    windows: Sequence[int | None] = (),
    mlp_bias: bool = False,
    **more: Any,
) -> StackSpec:
    """The stack of Llama and of those that differ from it in a few fields.

    ``windows`` are how many tokens each block sees, its own included, or None for all before it; ``more`` are fields of
    the stack, and ``head_norm``, that of each head's queries and keys.
    """
    attention = AttentionSpec(
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_width=config.head_width,
        dropout=config.attention_dropout,
        bias=bias,
        output_bias=output_bias,
        rotary=config.rotary(config.head_width),
        norm=more.pop("head_norm", None),
    )
    common: dict[str, Any] = {
        "width": config.hidden_size,
        "depth": config.num_hidden_layers,
        "dropout": 0.0,
        "init_std": config.initializer_range,
        "embeddings": EmbeddingSpec(vocabulary=config.vocab_size, pad_id=config.pad_token_id, dropout=0.0, norm=False),
        "attention": tuple(replace(attention, window=None if own is None else own - 1) for own in windows) or attention,
        "feed_forward": FeedForwardSpec(
            width=config.intermediate_size, activation=config.hidden_act, gated="separate", bias=mlp_bias
        ),
        "norm": NormSpec(eps=config.rms_norm_eps, kind="rms"),
        "order": "pre",
        "final_norm": True,
        "causal": True,
        "names": NAMES,
        "block_names": BLOCK,
    }
    return StackSpec(**(common | more))


def spec(config: LlamaConfig) -> StackSpec:
    """What the stack is made of."""
    bias = config.attention_bias
    return stack(config, bias=bias, output_bias=bias, mlp_bias=config.mlp_bias)


DROP = Drop(("classifier_dropout", "hidden_dropout"), 0.1)
QUESTIONS = Plan(kind=heads.QuestionAnswering, output="qa_outputs")
HEADS = {
    "ForCausalLM": Plan(kind=language_heads.CausalLM, output="lm_head", output_bias=False),
    "ForSequenceClassification": Plan(
        kind=heads.SequenceClassification, pick="last", output="score", output_bias=False
    ),
    "ForTokenClassification": Plan(kind=heads.TokenClassification, output="score", steps=(DROP,)),
    "ForQuestionAnswering": replace(QUESTIONS, attribute="transformer"),
}
DERIVED = (r"rotary_emb\.inv_freq$",)

FAMILY = Family(
    attribute="model",
    members={"Llama": LlamaConfig},
    spec=spec,
    stacks={"Model": DecoderModel},
    heads=HEADS,
    derived=DERIVED,
    tokenizers=("LlamaTokenizer", "LlamaTokenizerFast"),
)
