"""FlauBERT (Le et al., 2020), which is XLM (Lample and Conneau, 2019): parts of blocks lie in lists of their own."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from torch import nn

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, FeedForwardSpec, NormSpec, PositionSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.config import PreTrainedConfig
from enfold.models.family import Family
from enfold.models.language_encoder import LanguageEncoder
from enfold.models.plan import Activation, Dense, Drop, Plan

PICKS = {"first": "first", "last": "end", "cls_index": "end", "mean": "mean of places"}


class FlaubertConfig(PreTrainedConfig):
    """The ``config.json`` of model type ``flaubert``."""

    model_type = "flaubert"
    refused: ClassVar[dict[str, tuple[Any, ...]]] = {
        "asm": (False,),
        "causal": (False,),
        "is_encoder": (True,),
        "summary_type": tuple(PICKS),
        "summary_use_proj": (True,),
        "summary_proj_to_labels": (True,),
    }
    aliases: ClassVar[dict[str, str]] = {
        "hidden_size": "emb_dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
        "n_words": "vocab_size",
        "bos_index": "bos_token_id",
        "eos_index": "eos_token_id",
        "pad_index": "pad_token_id",
    }

    pre_norm: bool = False
    layerdrop: float = 0.0
    vocab_size: int = 30145
    emb_dim: int = 2048
    n_layers: int = 12
    n_heads: int = 16
    dropout: float = 0.1
    attention_dropout: float = 0.1
    gelu_activation: bool = True
    sinusoidal_embeddings: bool = False
    causal: bool = False
    asm: bool = False
    n_langs: int = 1
    use_lang_emb: bool = True
    max_position_embeddings: int = 512
    embed_init_std: float = 2048**-0.5
    layer_norm_eps: float = 1e-12
    init_std: float = 0.02
    unk_index: int = 3
    mask_index: int = 5
    is_encoder: bool = True
    summary_type: str = "first"
    summary_use_proj: bool = True
    summary_activation: str | None = None
    summary_proj_to_labels: bool = True
    summary_first_dropout: float = 0.1
    start_n_top: int = 5
    end_n_top: int = 5
    mask_token_id: int = 0
    lang_id: int = 0
    pad_token_id: int | None = 2
    bos_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 1
    tie_word_embeddings: bool = True


NAMES = {"positions": "position_embeddings", "languages": "lang_embeddings"} | {
    "embeddings": "embedding_sum",
    "words": "embeddings",
    "embeddings_norm": "layer_norm_emb",
    "blocks": "attentions",
}
BLOCK = {"query": "q_lin", "key": "k_lin", "value": "v_lin", "attention_output": "out_lin"} | {
    "attention_norm": "/layer_norm1.{}",
    "up": "/ffns.{}.lin1",
    "down": "/ffns.{}.lin2",
    "output_norm": "/layer_norm2.{}",
}


def languages(config: FlaubertConfig, spec: StackSpec, number: int) -> nn.Module | None:
    """A vector for each language, where there are several."""
    several = config.use_lang_emb and config.n_langs > 1
    return nn.Embedding(config.n_langs, spec.width) if several and number == -1 else None


def spec(config: FlaubertConfig) -> StackSpec:
    """What the stack is made of."""
    return StackSpec(
        width=config.emb_dim,
        depth=config.n_layers,
        dropout=config.dropout,
        init_std=config.init_std,
        embeddings=EmbeddingSpec(vocabulary=config.vocab_size, pad_id=config.pad_token_id, dropout=config.dropout),
        positions=PositionSpec(
            capacity=config.max_position_embeddings,
            kind="interleaved" if config.sinusoidal_embeddings else "learned",
        ),
        attention=AttentionSpec(heads=config.n_heads, dropout=config.attention_dropout),
        feed_forward=FeedForwardSpec(width=4 * config.emb_dim, activation="gelu" if config.gelu_activation else "relu"),
        norm=NormSpec(eps=config.layer_norm_eps),
        order="pre" if config.pre_norm else "post",
        layer_drop=config.layerdrop,
        names=NAMES,
        block_names=BLOCK,
        parts={"languages": partial(languages, config)},
    )


SUMMARY: dict[str, Any] = {
    "depends": lambda config: {"pick": PICKS[config.summary_type]},
    "steps": (
        Drop(("summary_first_dropout",)),
        Dense("sequence_summary.summary", to="num_labels"),
        Activation(of="summary_activation"),
        Drop(("summary_last_dropout",)),
    ),
}

FAMILY = Family(
    attribute="transformer",
    members={"Flaubert": FlaubertConfig},
    spec=spec,
    stacks={"Model": LanguageEncoder},
    heads={
        "ForSequenceClassification": Plan(kind=heads.SequenceClassification, output="", **SUMMARY),
        "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(Drop(("dropout",)),)),
        "ForMultipleChoice": Plan(kind=heads.MultipleChoice, output="logits_proj", **SUMMARY),
        "ForQuestionAnsweringSimple": Plan(kind=heads.QuestionAnswering, output="qa_outputs"),
        "WithLMHeadModel": Plan(kind=language_heads.MaskedLM, output="pred_layer.proj"),
    },
    tasks={
        "ForMaskedLM": "WithLMHeadModel",
        "ForPreTraining": "WithLMHeadModel",
        "ForQuestionAnswering": "ForQuestionAnsweringSimple",
    },
    derived=(r"^(transformer\.)?position_ids$",),
    tokenizers=("FlaubertTokenizer",),
)
