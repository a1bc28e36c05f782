"""BERT (Devlin et al., 2019): learned positions, post-norm blocks, a pooler on the first token."""

from __future__ import annotations

from typing import Any, ClassVar

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, FeedForwardSpec, NormSpec, PositionSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.config import PreTrainedConfig
from enfold.models.encoder import EncoderModel
from enfold.models.family import Family
from enfold.models.plan import Activation, Dense, Drop, Norm, Plan


class BertConfig(PreTrainedConfig):
    """The ``config.json`` of model type ``bert``."""

    model_type = "bert"
    # Settings of published files that would change the output, with the values that are honoured.
    refused: ClassVar[dict[str, tuple[Any, ...]]] = {
        "add_cross_attention": (False,),
        "position_embedding_type": ("absolute", None),
        "is_encoder_decoder": (False,),
    }

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    use_cache: bool = True
    classifier_dropout: float | None = None
    is_decoder: bool = False
    add_cross_attention: bool = False
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    tie_word_embeddings: bool = True


NAMES = {
    "embeddings": "embeddings",
    "words": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "types": "embeddings.token_type_embeddings",
    "embeddings_norm": "embeddings.LayerNorm",
    "blocks": "encoder.layer",
    "pooler": "pooler.dense",
}
BLOCK = {
    "attention": "attention.self",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "output_norm": "output.LayerNorm",
}
# The first TensorFlow conversions called a norm's weight gamma and its bias beta.
OLDER = ((r"LayerNorm\.gamma$", "LayerNorm.weight"), (r"LayerNorm\.beta$", "LayerNorm.bias"))
# Older files stored the range 0 … capacity - 1, and zeros.
DERIVED = (r"embeddings\.position_ids$", r"embeddings\.token_type_ids$")
DROP = Drop(("classifier_dropout", "hidden_dropout_prob"))
VOCABULARY: dict[str, Any] = {
    "steps": (
        Dense("cls.predictions.transform.dense"),
        Activation(of="hidden_act"),
        Norm("cls.predictions.transform.LayerNorm"),
    ),
    "output": "cls.predictions.decoder",
    "bias": "cls.predictions.bias",
}
RELATION = Plan(kind=heads.NextSentence, pick="pooled", output="cls.seq_relationship")


def spec(config: Any) -> StackSpec:
    """What the stack is made of, of BERT and of those that differ from it in a few fields."""
    return StackSpec(
        width=config.hidden_size,
        depth=config.num_hidden_layers,
        dropout=config.hidden_dropout_prob,
        init_std=config.initializer_range,
        embeddings=EmbeddingSpec(
            vocabulary=config.vocab_size,
            types=config.type_vocab_size,
            pad_id=config.pad_token_id,
            dropout=config.hidden_dropout_prob,
        ),
        positions=PositionSpec(capacity=config.max_position_embeddings),
        attention=AttentionSpec(heads=config.num_attention_heads, dropout=config.attention_probs_dropout_prob),
        feed_forward=FeedForwardSpec(width=config.intermediate_size, activation=config.hidden_act),
        norm=NormSpec(eps=config.layer_norm_eps),
        causal=config.is_decoder,
        names=NAMES,
        block_names=BLOCK,
    )


FAMILY = Family(
    attribute="bert",
    members={"Bert": BertConfig},
    spec=spec,
    stacks={"Model": EncoderModel},
    heads={
        "ForSequenceClassification": Plan(kind=heads.SequenceClassification, pick="pooled", steps=(DROP,)),
        "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(DROP,)),
        "ForMultipleChoice": Plan(kind=heads.MultipleChoice, pick="pooled", steps=(DROP,)),
        "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, output="qa_outputs"),
        "ForMaskedLM": Plan(kind=language_heads.MaskedLM, **VOCABULARY),
        "ForPreTraining": Plan(kind=language_heads.PreTraining, relation=RELATION, **VOCABULARY),
        "ForNextSentencePrediction": RELATION,
        "LMHeadModel": Plan(kind=language_heads.CausalLM, **VOCABULARY),
    },
    tasks={"ForCausalLM": "LMHeadModel"},
    older=OLDER,
    derived=DERIVED,
    tokenizers=("BertTokenizer", "BertTokenizerFast"),
)
