"""ModernBERT (Warner et al., 2024): rotary positions, pre-norm blocks, gated maps, windows in two of three blocks."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, FeedForwardSpec, NormSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.encoder import EncoderModel
from enfold.models.family import Family
from enfold.models.layered_config import FULL, SLIDING, LayeredConfig
from enfold.models.plan import Activation, Dense, Drop, Norm, Plan


class ModernBertConfig(LayeredConfig):
    """The ``config.json`` of model type ``modernbert``."""

    model_type = "modernbert"
    refused: ClassVar[dict[str, Any]] = {"sparse_prediction": (False,), "classifier_pooling": ("cls", "mean")}
    thetas: ClassVar[dict[str, tuple[str, float]]] = {
        FULL: ("global_rope_theta", 160_000.0),
        SLIDING: ("local_rope_theta", 10_000.0),
    }
    every_key, every = "global_attn_every_n_layers", 3

    vocab_size: int = 50368
    hidden_size: int = 768
    intermediate_size: int = 1152
    num_hidden_layers: int = 22
    num_attention_heads: int = 12
    hidden_activation: str = "gelu"
    max_position_embeddings: int = 8192
    initializer_range: float = 0.02
    initializer_cutoff_factor: float = 2.0
    norm_eps: float = 1e-5
    norm_bias: bool = False
    pad_token_id: int | None = 50283
    eos_token_id: int | list[int] | None = 50282
    bos_token_id: int | None = 50281
    cls_token_id: int | None = 50281
    sep_token_id: int | None = 50282
    attention_bias: bool = False
    attention_dropout: float = 0.0
    local_attention: int = 128
    embedding_dropout: float = 0.0
    mlp_bias: bool = False
    mlp_dropout: float = 0.0
    decoder_bias: bool = True
    classifier_pooling: str = "cls"
    classifier_dropout: float = 0.0
    classifier_bias: bool = False
    classifier_activation: str = "gelu"
    deterministic_flash_attn: bool = False
    sparse_prediction: bool = False
    sparse_pred_ignore_index: int = -100
    tie_word_embeddings: bool = True


NAMES = {"words": "embeddings.tok_embeddings", "embeddings_norm": "embeddings.norm", "blocks": "layers"}
BLOCK = {
    "attention_norm": "attn_norm",
    "attention": "attn",
    "qkv": "attn.Wqkv",
    "attention_output": "attn.Wo",
    "output_norm": "mlp_norm",
    "feed_forward": "mlp",
    "up": "mlp.Wi",
    "down": "mlp.Wo",
}


def attention(config: ModernBertConfig, kind: str) -> AttentionSpec:
    """The attention of one kind of block."""
    return AttentionSpec(
        heads=config.num_attention_heads,
        dropout=config.attention_dropout,
        bias=config.attention_bias,
        output_bias=config.attention_bias,
        maps="stacked",
        window=config.local_attention // 2 if kind == SLIDING else None,
        rotary=config.rotary(kind, config.hidden_size // config.num_attention_heads),
    )


def first_norm(spec: StackSpec, number: int) -> nn.Module | None:
    """The first block has no norm of its own: the embeddings' stands right before it."""
    return nn.Identity() if number == 0 else None


def spec(config: ModernBertConfig) -> StackSpec:
    """What the stack is made of."""
    return StackSpec(
        width=config.hidden_size,
        depth=config.num_hidden_layers,
        dropout=config.attention_dropout,
        undropped=("output_dropout",),
        init_std=config.initializer_range,
        embeddings=EmbeddingSpec(
            vocabulary=config.vocab_size, pad_id=config.pad_token_id, dropout=config.embedding_dropout
        ),
        attention=tuple(attention(config, kind) for kind in config.layer_types or ()),
        feed_forward=FeedForwardSpec(
            width=config.intermediate_size,
            activation=config.hidden_activation,
            gated="stacked",
            bias=config.mlp_bias,
            dropout=config.mlp_dropout,
        ),
        norm=NormSpec(eps=config.norm_eps, bias=config.norm_bias),
        order="pre",
        final_norm=True,
        names=NAMES,
        block_names=BLOCK,
        parts={"attention_norm": first_norm},
    )


def steps(config: ModernBertConfig) -> dict[str, Any]:
    """What stands before the scores of every head."""
    dense = Dense("head.dense", bias=config.classifier_bias)
    return {"steps": (dense, Activation(of="classifier_activation"), Norm("head.norm"), Drop(("classifier_dropout",)))}


def judge(first: str) -> Any:
    """The same for heads over whole texts, which read that state or the mean."""
    return lambda config: steps(config) | {"pick": first if config.classifier_pooling == "cls" else "mean"}


def words(config: ModernBertConfig) -> dict[str, Any]:
    """The same for scores of the vocabulary, without dropout."""
    return {"steps": steps(config)["steps"][:-1], "output_bias": config.decoder_bias}


FAMILY = Family(
    attribute="model",
    members={"ModernBert": ModernBertConfig},
    spec=spec,
    stacks={"Model": EncoderModel},
    heads={
        "ForSequenceClassification": Plan(kind=heads.SequenceClassification, depends=judge("first")),
        "ForTokenClassification": Plan(kind=heads.TokenClassification, depends=steps),
        # The first real token, whichever side the padding is on.
        "ForMultipleChoice": Plan(kind=heads.MultipleChoice, depends=judge("first real")),
        "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, depends=steps),
        "ForMaskedLM": Plan(kind=language_heads.MaskedLM, output="decoder", depends=words),
    },
)
