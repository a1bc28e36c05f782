"""BART (Lewis et al., 2020): learned positions from row 2 on, post-norm blocks, a norm on the embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from enfold.layers import specs
from enfold.layers.specs import AttentionSpec, EmbeddingSpec, PairSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.config import PreTrainedConfig
from enfold.models.encoder import DecoderModel
from enfold.models.encoder_decoder import EncoderDecoderModel
from enfold.models.family import Family
from enfold.models.plan import Activation, Dense, Drop, Plan


class PairConfig(PreTrainedConfig):
    """What BART and the families made like it have in ``config.json``."""

    aliases: ClassVar[dict[str, str]] = {
        "hidden_size": "d_model",
        "num_attention_heads": "encoder_attention_heads",
        "num_hidden_layers": "encoder_layers",
    }

    vocab_size: int = 50265
    max_position_embeddings: int = 1024
    encoder_layers: int = 12
    encoder_ffn_dim: int = 4096
    encoder_attention_heads: int = 16
    decoder_layers: int = 12
    decoder_ffn_dim: int = 4096
    decoder_attention_heads: int = 16
    encoder_layerdrop: float = 0.0
    decoder_layerdrop: float = 0.0
    activation_function: str = "gelu"
    d_model: int = 1024
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    init_std: float = 0.02
    scale_embedding: bool = False
    use_cache: bool = True
    pad_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    is_encoder_decoder: bool = True
    decoder_start_token_id: int | None = 2
    tie_word_embeddings: bool = True


class BartConfig(PairConfig):
    """The ``config.json`` of model type ``bart``."""

    model_type = "bart"
    default_num_labels = 3

    bos_token_id: int | None = 0
    classifier_dropout: float = 0.0
    forced_eos_token_id: int | list[int] | None = 2
    is_decoder: bool = False


NAMES = {
    "words": "embed_tokens",
    "positions": "embed_positions",
    "embeddings_norm": "layernorm_embedding",
    "blocks": "layers",
    "final_norm": "layer_norm",
}
BLOCK = {
    "attention": "self_attn",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "attention_output": "self_attn.out_proj",
    "attention_norm": "self_attn_layer_norm",
    "cross_attention": "encoder_attn",
    "cross_query": "encoder_attn.q_proj",
    "cross_key": "encoder_attn.k_proj",
    "cross_value": "encoder_attn.v_proj",
    "cross_output": "encoder_attn.out_proj",
    "cross_norm": "encoder_attn_layer_norm",
    "up": "fc1",
    "down": "fc2",
    "output_norm": "final_layer_norm",
}


def side(config: Any, name: str, *, norm: bool = True, scales_vectors: bool = False, **more: Any) -> StackSpec:
    """One of the two stacks, of BART and of those that differ from it in a few fields; ``norm``: of the embeddings."""
    decodes, inner = name == "decoder", config.activation_dropout
    words = EmbeddingSpec(vocabulary=config.vocab_size, pad_id=config.pad_token_id, dropout=config.dropout, norm=norm)
    scaled = replace(words, scale=config.d_model**0.5, scales_vectors=scales_vectors and decodes)
    common: dict[str, Any] = {
        "width": config.d_model,
        "depth": getattr(config, f"{name}_layers"),
        "dropout": config.dropout,
        "init_std": config.init_std,
        "embeddings": scaled if config.scale_embedding else words,
        "positions": specs.PositionSpec(capacity=config.max_position_embeddings, offset=2),
        "attention": AttentionSpec(heads=getattr(config, f"{name}_attention_heads"), dropout=config.attention_dropout),
        "feed_forward": specs.FeedForwardSpec(
            width=getattr(config, f"{name}_ffn_dim"), activation=config.activation_function, dropout=inner
        ),
        "norm": specs.NormSpec(eps=1e-5),
        "layer_drop": getattr(config, f"{name}_layerdrop"),
        "causal": decodes,
        "cross": decodes,
        "names": NAMES,
        "block_names": BLOCK,
    }
    return StackSpec(**(common | more))


def pair(config: Any, *, make: Callable[..., StackSpec] = side, **more: Any) -> PairSpec:
    """Both stacks, with the same differences from BART's."""
    return PairSpec(encoder=make(config, "encoder", **more), decoder=make(config, "decoder", **more), shared="shared")


DERIVED = (r"^(model\.)?(encoder|decoder)\.(version|embed_positions\.weights)$",)
STACKS = {"Model": EncoderDecoderModel, "Decoder": DecoderModel}
WRITES_ALONE = Plan(kind=language_heads.DecoderAlone, output="lm_head", output_bias=False, stack="Decoder")
WRITES = replace(WRITES_ALONE, kind=language_heads.ConditionalGeneration, buffer="final_logits_bias", stack="Model")
WRITERS = {"ForConditionalGeneration": WRITES, "ForCausalLM": WRITES_ALONE}
DROP = Drop(("classifier_dropout",))
CLASSIFIES = Plan(
    kind=heads.SequenceClassification,
    pick="eos",
    steps=(DROP, Dense("classification_head.dense"), Activation("tanh"), DROP),
    output="classification_head.out_proj",
)
HEADS = WRITERS | {
    "ForSequenceClassification": CLASSIFIES,
    "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, output="qa_outputs"),
}

FAMILY = Family(
    attribute="model",
    members={"Bart": BartConfig},
    spec=pair,
    stacks=STACKS,
    heads=HEADS,
    tasks={"ForPreTraining": "ForConditionalGeneration", "ForMaskedLM": "ForConditionalGeneration"},
    restores=True,
    derived=DERIVED,
    tokenizers=("BartTokenizer", "BartTokenizerFast"),
)
