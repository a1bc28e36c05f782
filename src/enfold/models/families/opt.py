"""OPT (Zhang et al., 2022): BART's decoder by itself, with norms before each part, after it in OPT-350m."""

from __future__ import annotations

from typing import Any

from torch import nn

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, FeedForwardSpec, NormSpec, PositionSpec, StackSpec
from enfold.models.config import PreTrainedConfig
from enfold.models.encoder import DecoderModel
from enfold.models.families import bart
from enfold.models.families.llama import HEADS, QUESTIONS
from enfold.models.family import Family


class OPTConfig(PreTrainedConfig):
    """The ``config.json`` of model type ``opt``."""

    model_type = "opt"

    vocab_size: int = 50272
    hidden_size: int = 768
    num_hidden_layers: int = 12
    ffn_dim: int = 3072
    max_position_embeddings: int = 2048
    do_layer_norm_before: bool = True
    # Files that were fine-tuned before the last norm was found to be missing.
    _remove_final_layer_norm: bool = False
    word_embed_proj_dim: int | None = None
    dropout: float = 0.1
    attention_dropout: float = 0.0
    num_attention_heads: int = 12
    activation_function: str = "relu"
    layerdrop: float = 0.0
    init_std: float = 0.02
    use_cache: bool = True
    pad_token_id: int | None = 1
    bos_token_id: int | None = 2
    eos_token_id: int | list[int] | None = 2
    enable_bias: bool = True
    layer_norm_elementwise_affine: bool = True
    tie_word_embeddings: bool = True

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.word_embed_proj_dim is None:
            self.word_embed_proj_dim = self.hidden_size


NAMES = {
    "words": "decoder.embed_tokens",
    "positions": "decoder.embed_positions",
    "embeddings_projection": "decoder.project_in",
    "blocks": "decoder.layers",
    "final_norm": "decoder.final_layer_norm",
    "output_projection": "decoder.project_out",
}


def project_out(spec: StackSpec, number: int) -> nn.Module | None:
    """The map behind the stack, back to the width of the word vectors."""
    width = spec.embeddings.width or spec.width
    return nn.Linear(spec.width, width, bias=False) if number < 0 and width != spec.width else None


def spec(config: OPTConfig) -> StackSpec:
    """What the stack is made of."""
    words = EmbeddingSpec(
        vocabulary=config.vocab_size,
        pad_id=config.pad_token_id,
        dropout=0.0,
        norm=False,
        width=config.word_embed_proj_dim,
        project="words",
        project_bias=False,
    )
    return StackSpec(
        width=config.hidden_size,
        depth=config.num_hidden_layers,
        dropout=config.dropout,
        init_std=config.init_std,
        embeddings=words,
        positions=PositionSpec(capacity=config.max_position_embeddings, offset=2, counted="mask"),
        attention=AttentionSpec(
            heads=config.num_attention_heads,
            dropout=config.attention_dropout,
            bias=config.enable_bias,
            output_bias=config.enable_bias,
        ),
        feed_forward=FeedForwardSpec(
            width=config.ffn_dim, activation=config.activation_function, bias=config.enable_bias
        ),
        norm=NormSpec(eps=1e-5, weight=config.layer_norm_elementwise_affine),
        order="pre" if config.do_layer_norm_before else "post",
        final_norm=config.do_layer_norm_before and not config._remove_final_layer_norm,
        layer_drop=config.layerdrop,
        causal=True,
        names=NAMES,
        block_names=bart.BLOCK,
        parts={"output_projection": project_out},
    )


FAMILY = Family(
    attribute="model",
    members={"OPT": OPTConfig},
    spec=spec,
    stacks={"Model": DecoderModel},
    heads={name: HEADS[name] for name in ("ForCausalLM", "ForSequenceClassification")}
    | {"ForQuestionAnswering": QUESTIONS},
    derived=(r"^(model\.)?decoder\.version$",),
)
