"""DistilBERT (Sanh et al., 2019): BERT of half the depth, without token types and without a pooler."""

from __future__ import annotations

from typing import Any, ClassVar

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, FeedForwardSpec, NormSpec, PositionSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.config import PreTrainedConfig
from enfold.models.encoder import EncoderModel
from enfold.models.families import bert
from enfold.models.family import Family
from enfold.models.plan import Activation, Dense, Drop, Norm, Plan


class DistilBertConfig(PreTrainedConfig):
    """The ``config.json`` of model type ``distilbert``."""

    model_type = "distilbert"
    aliases: ClassVar[dict[str, str]] = {
        "hidden_size": "dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
    }

    vocab_size: int = 30522
    max_position_embeddings: int = 512
    sinusoidal_pos_embds: bool = False
    n_layers: int = 6
    n_heads: int = 12
    dim: int = 768
    hidden_dim: int = 4 * 768
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation: str = "gelu"
    initializer_range: float = 0.02
    qa_dropout: float = 0.1
    seq_classif_dropout: float = 0.2
    pad_token_id: int | None = 0
    eos_token_id: int | list[int] | None = None
    bos_token_id: int | None = None
    tie_word_embeddings: bool = True


NAMES = {
    "embeddings": "embeddings",
    "words": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "embeddings_norm": "embeddings.LayerNorm",
    "blocks": "transformer.layer",
}
BLOCK = {
    "attention": "attention",
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "attention_output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "up": "ffn.lin1",
    "down": "ffn.lin2",
    "output_norm": "output_layer_norm",
}


def spec(config: DistilBertConfig) -> StackSpec:
    """What the stack is made of."""
    return StackSpec(
        width=config.dim,
        depth=config.n_layers,
        dropout=config.dropout,
        undropped=("attention_dropout",),
        init_std=config.initializer_range,
        embeddings=EmbeddingSpec(vocabulary=config.vocab_size, pad_id=config.pad_token_id, dropout=config.dropout),
        positions=PositionSpec(
            capacity=config.max_position_embeddings,
            kind="interleaved" if config.sinusoidal_pos_embds else "learned",
        ),
        attention=AttentionSpec(heads=config.n_heads, dropout=config.attention_dropout),
        feed_forward=FeedForwardSpec(width=config.hidden_dim, activation=config.activation),
        norm=NormSpec(eps=1e-12),
        names=NAMES,
        block_names=BLOCK,
    )


JUDGE: dict[str, Any] = {
    "pick": "first",
    "steps": (Dense("pre_classifier"), Activation("relu"), Drop(("seq_classif_dropout",))),
}

FAMILY = Family(
    attribute="distilbert",
    members={"DistilBert": DistilBertConfig},
    spec=spec,
    stacks={"Model": EncoderModel},
    heads={
        "ForSequenceClassification": Plan(kind=heads.SequenceClassification, **JUDGE),
        "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(Drop(("dropout",)),)),
        "ForMultipleChoice": Plan(kind=heads.MultipleChoice, **JUDGE),
        "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, steps=(Drop(("qa_dropout",)),), output="qa_outputs"),
        "ForMaskedLM": Plan(
            kind=language_heads.MaskedLM,
            steps=(Dense("vocab_transform"), Activation(of="activation"), Norm("vocab_layer_norm")),
            output="vocab_projector",
        ),
    },
    tasks={"ForPreTraining": "ForMaskedLM"},
    older=bert.OLDER,
    derived=bert.DERIVED,
    tokenizers=("DistilBertTokenizer", "DistilBertTokenizerFast"),
)
