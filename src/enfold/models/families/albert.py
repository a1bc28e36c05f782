"""ALBERT (Lan et al., 2020): narrow embeddings, and few blocks that are run again and again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from torch import nn

from enfold.layers.specs import StackSpec
from enfold.models import heads, language_heads
from enfold.models.config import PreTrainedConfig
from enfold.models.encoder import EncoderModel
from enfold.models.families import bert
from enfold.models.family import Family
from enfold.models.plan import Activation, Dense, Drop, Norm, Plan


class AlbertConfig(PreTrainedConfig):
    """The ``config.json`` of model type ``albert``."""

    model_type = "albert"
    refused: ClassVar[dict[str, tuple[Any, ...]]] = {"position_embedding_type": ("absolute", None)}
    is_decoder: ClassVar[bool] = False

    vocab_size: int = 30000
    embedding_size: int = 128
    hidden_size: int = 4096
    num_hidden_layers: int = 12
    num_hidden_groups: int = 1
    num_attention_heads: int = 64
    intermediate_size: int = 16384
    inner_group_num: int = 1
    hidden_act: str = "gelu_new"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    classifier_dropout_prob: float | None = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = 2
    eos_token_id: int | list[int] | None = 3
    tie_word_embeddings: bool = True


NAMES = bert.NAMES | {"pooler": "pooler", "embeddings_projection": "encoder.embedding_hidden_mapping_in"}
BLOCK = {
    "output_norm": "full_layer_layer_norm",
    "attention": "attention",
    "query": "attention.query",
    "key": "attention.key",
    "value": "attention.value",
    "attention_output": "attention.dense",
    "attention_norm": "attention.LayerNorm",
    "up": "ffn",
    "down": "ffn_output",
}


def mapping_in(spec: StackSpec, number: int) -> nn.Module | None:
    """The map from the embeddings, there also where both widths are the same."""
    table = spec.embeddings
    return nn.Linear(table.width or spec.width, spec.width) if number == -1 else None


def spec(config: AlbertConfig) -> StackSpec:
    """What the stack is made of."""
    like_bert = bert.spec(config)
    layers, groups, inner = config.num_hidden_layers, config.num_hidden_groups, config.inner_group_num
    paths = tuple(
        f"encoder.albert_layer_groups.{int(number / (layers / groups))}.albert_layers.{own}"
        for number in range(layers)
        for own in range(inner)
    )
    return replace(
        like_bert,
        depth=layers * inner,
        embeddings=replace(like_bert.embeddings, width=config.embedding_size),
        causal=False,
        names=NAMES,
        block_names=BLOCK,
        block_paths=paths,
        undropped=("output_dropout",),
        parts={"embeddings_projection": mapping_in},
    )


DROP = Drop(("classifier_dropout_prob", "hidden_dropout_prob"))
VOCABULARY: dict[str, Any] = {
    "steps": (
        Dense("predictions.dense", to="embedding_size"),
        Activation(of="hidden_act"),
        Norm("predictions.LayerNorm"),
    ),
    "output": "predictions.decoder",
    "bias": "predictions.bias",
}
ORDER = Plan(kind=heads.NextSentence, pick="pooled", steps=(DROP,), output="sop_classifier.classifier")

FAMILY = Family(
    attribute="albert",
    members={"Albert": AlbertConfig},
    spec=spec,
    stacks={"Model": EncoderModel},
    heads={
        "ForSequenceClassification": Plan(kind=heads.SequenceClassification, pick="pooled", steps=(DROP,)),
        "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(DROP,)),
        "ForMultipleChoice": Plan(kind=heads.MultipleChoice, pick="pooled", steps=(DROP,)),
        "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, output="qa_outputs"),
        "ForMaskedLM": Plan(kind=language_heads.MaskedLM, **VOCABULARY),
        "ForPreTraining": Plan(kind=language_heads.SentenceOrderPreTraining, relation=ORDER, **VOCABULARY),
    },
    older=bert.OLDER,
    derived=bert.DERIVED,
    tokenizers=("AlbertTokenizer", "AlbertTokenizerFast"),
)
