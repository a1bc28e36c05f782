"""BERT (Devlin et al., 2019): learned positions, post-norm blocks, a pooler on the first token."""

from __future__ import annotations

from typing import Any, ClassVar

from enfold.layers.specs import AttentionSpec, EmbeddingSpec, EncoderSpec, FeedForwardSpec, NormSpec, PositionSpec
from enfold.models import heads, language_heads
from enfold.models.config import PreTrainedConfig
from enfold.models.family import Family


class BertConfig(PreTrainedConfig):
    """The ``config.json`` of model type ``bert``."""

    model_type = "bert"
    # Settings of published files that would change the output, with the values that are honoured.
    refused: ClassVar[dict[str, tuple[Any, ...]]] = {
        "is_decoder": (False,),
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
    # the stack
    "embeddings": "embeddings",
    "blocks": "encoder.layer",
    "pooler": "pooler",
    "pooler_dense": "dense",
    # the embeddings
    "words": "word_embeddings",
    "positions": "position_embeddings",
    "types": "token_type_embeddings",
    "embeddings_norm": "LayerNorm",
    # a block
    "attention": "attention.self",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "output_norm": "output.LayerNorm",
    # the heads
    "classifier": "classifier",
    "span": "qa_outputs",
    "lm_dense": "cls.predictions.transform.dense",
    "lm_norm": "cls.predictions.transform.LayerNorm",
    "lm_decoder": "cls.predictions.decoder",
    "lm_bias": "cls.predictions.bias",
    "next_sentence": "cls.seq_relationship",
}


def spec(config: BertConfig) -> EncoderSpec:
    """What the stack is made of."""
    return EncoderSpec(
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
        names=NAMES,
    )


FAMILY = Family(
    attribute="bert",
    members={"Bert": BertConfig},
    spec=spec,
    names=NAMES,
    heads={
        "ForSequenceClassification": heads.SequenceClassification,
        "ForTokenClassification": heads.TokenClassification,
        "ForMultipleChoice": heads.MultipleChoice,
        "ForQuestionAnswering": heads.QuestionAnswering,
        "ForMaskedLM": language_heads.MaskedLM,
        "ForPreTraining": language_heads.PreTraining,
        "ForNextSentencePrediction": heads.NextSentence,
    },
    # The first TensorFlow conversions called a norm's weight gamma and its bias beta.
    older=((r"LayerNorm\.gamma$", "LayerNorm.weight"), (r"LayerNorm\.beta$", "LayerNorm.bias")),
    # Older files stored the range 0 … capacity - 1.
    derived=(r"embeddings\.position_ids$", r"embeddings\.token_type_ids$"),
    tokenizers=("BertTokenizer", "BertTokenizerFast"),
)
