"""T5 (Raffel et al., 2020), T5 1.1, FLAN-T5 and mT5: a score bias by distance, norms without means, no biases."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from enfold.errors import InputError
from enfold.layers import specs
from enfold.layers.specs import StackSpec
from enfold.models import heads
from enfold.models.config import PreTrainedConfig
from enfold.models.encoder import EncoderModel
from enfold.models.encoder_decoder import EncoderDecoderModel
from enfold.models.families import bart
from enfold.models.family import Family
from enfold.models.plan import Plan, Scale


class T5Config(PreTrainedConfig):
    """The ``config.json`` of model type ``t5``. Words that are not tied mean T5 1.1, whose states are not scaled."""

    model_type = "t5"
    scales: ClassVar[bool] = True
    aliases: ClassVar[dict[str, str]] = {
        "hidden_size": "d_model",
        "num_attention_heads": "num_heads",
        "num_hidden_layers": "num_layers",
        "head_dim": "d_kv",
    }

    vocab_size: int = 32128
    d_model: int = 512
    d_kv: int = 64
    d_ff: int = 2048
    num_layers: int = 6
    num_decoder_layers: int | None = None
    num_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    dropout_rate: float = 0.1
    layer_norm_epsilon: float = 1e-6
    initializer_factor: float = 1.0
    feed_forward_proj: str = "relu"
    is_encoder_decoder: bool = True
    use_cache: bool = True
    pad_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 1
    classifier_dropout: float = 0.0
    is_decoder: bool = False
    dense_act_fn: str | None = None
    is_gated_act: bool | None = None
    tie_word_embeddings: bool = True

    def __init__(self, **values: Any) -> None:
        """Take fields by name, and work out those that others imply."""
        scaled = {"scale_decoder_outputs": values.get("tie_word_embeddings") is not False} if self.scales else {}
        super().__init__(**scaled | values | {"tie_word_embeddings": True})
        gated, _, name = (given := self.feed_forward_proj).rpartition("-")
        if gated not in ("", "gated"):
            raise InputError(f"feed_forward_proj={given!r} must be an activation, such as 'relu', or 'gated-' and one")
        self.num_decoder_layers = self.num_layers if self.num_decoder_layers is None else self.num_decoder_layers
        self.dense_act_fn = self.dense_act_fn or ("gelu_new" if given == "gated-gelu" else name)
        self.is_gated_act = gated == "gated" if self.is_gated_act is None else self.is_gated_act


class MT5Config(T5Config):
    """The ``config.json`` of model type ``mt5``; last states are not scaled."""

    model_type = "mt5"
    scales: ClassVar[bool] = False

    vocab_size: int = 250112
    d_ff: int = 1024
    num_layers: int = 8
    num_heads: int = 6
    feed_forward_proj: str = "gated-gelu"
    decoder_start_token_id: int | None = 0
    bos_token_id: int | None = None


NAMES = {
    "words": "embed_tokens",
    "blocks": "block",
    "relative": "block.0.layer.0.SelfAttention.relative_attention_bias",
    "final_norm": "final_layer_norm",
}
ATTENTION = {"query": "q", "key": "k", "value": "v", "output": "o"}


def block_names(config: Any, name: str) -> dict[str, str]:
    """Where the parts of a block lie; a decoder's feed-forward comes third."""
    own, cross, last = "layer.0.SelfAttention", "layer.1.EncDecAttention", f"layer.{1 if name == 'encoder' else 2}"
    names = {f"attention_{role}" if role == "output" else role: f"{own}.{path}" for role, path in ATTENTION.items()}
    names |= {f"cross_{role}": f"{cross}.{path}" for role, path in ATTENTION.items()}
    maps = {"gate": "wi_0", "up": "wi_1", "down": "wo"} if config.is_gated_act else {"up": "wi", "down": "wo"}
    names |= {role: f"{last}.DenseReluDense.{path}" for role, path in maps.items()}
    norms = {"attention_norm": "layer.0", "cross_norm": "layer.1", "output_norm": last}
    names |= {role: f"{path}.layer_norm" for role, path in norms.items()}
    return names | {"attention": own, "cross_attention": cross}


def side(config: Any, name: str) -> StackSpec:
    """One of the two stacks."""
    decodes, count = name == "decoder", config.num_heads
    buckets, farthest = config.relative_attention_num_buckets, config.relative_attention_max_distance
    bare: dict[str, Any] = {"bias": False, "dropout": config.dropout_rate}
    gated: Any = "separate" if config.is_gated_act else "no"
    return StackSpec(
        width=config.d_model,
        depth=config.num_decoder_layers if decodes else config.num_layers,
        dropout=config.dropout_rate,
        init_std=0.02 * config.initializer_factor,  # theirs has one for each kind of map
        embeddings=specs.EmbeddingSpec(vocabulary=config.vocab_size, dropout=config.dropout_rate, norm=False),
        attention=specs.AttentionSpec(heads=count, head_width=config.d_kv, scale=1.0, output_bias=False, **bare),
        feed_forward=specs.FeedForwardSpec(width=config.d_ff, activation=config.dense_act_fn, gated=gated, **bare),
        norm=specs.NormSpec(eps=config.layer_norm_epsilon, kind="rms"),
        order="pre",
        final_norm=True,
        final_dropout=config.dropout_rate,
        causal=decodes,
        cross=decodes,
        relative=specs.RelativeSpec(heads=count, buckets=buckets, max_distance=farthest, both_ways=not decodes),
        names=NAMES,
        block_names=block_names(config, name),
    )


def output_scale(config: Any) -> float:
    """What the decoder's last states are multiplied by before they are compared with the words."""
    return config.d_model**-0.5 if config.scales and config.scale_decoder_outputs else 1.0


FAMILY = Family(
    attribute="transformer",
    members={"T5": T5Config, "MT5": MT5Config},
    spec=partial(bart.pair, make=side),
    stacks={"Model": EncoderDecoderModel, "EncoderModel": EncoderModel},
    heads={
        "ForConditionalGeneration": replace(bart.WRITES, buffer=None, steps=(Scale(output_scale),), attribute=""),
        "ForSequenceClassification": bart.CLASSIFIES,
        "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, output="qa_outputs", attribute=""),
        "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(bart.DROP,), stack="EncoderModel"),
    },
    tasks={"ForPreTraining": "ForConditionalGeneration"},
    always_shares=True,
    derived=(r"EncDecAttention\.relative_attention_bias\.weight$",),
    tokenizers=("T5Tokenizer", "T5TokenizerFast"),
)
