"""ELECTRA (Clark et al., 2020): BERT with narrower embeddings, whose own head tells replaced tokens from true ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from enfold.layers.specs import StackSpec
from enfold.models import heads, language_heads
from enfold.models.encoder import EncoderModel
from enfold.models.families import bert, roberta
from enfold.models.family import Family
from enfold.models.plan import Activation, Dense, Drop, Norm, Plan


class ElectraConfig(bert.BertConfig):
    """The ``config.json`` of model type ``electra``."""

    model_type = "electra"
    # How the head for multiple choice sums a text up; files have these values.
    refused: ClassVar[dict[str, tuple[Any, ...]]] = bert.BertConfig.refused | {
        "summary_type": ("first",),
        "summary_use_proj": (True,),
    }

    embedding_size: int = 128
    hidden_size: int = 256
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    summary_type: str = "first"
    summary_use_proj: bool = True
    summary_activation: str | None = "gelu"
    summary_last_dropout: float = 0.1


NAMES = {role: path for role, path in bert.NAMES.items() if role != "pooler"}
NAMES["embeddings_projection"] = "embeddings_project"


def spec(config: ElectraConfig) -> StackSpec:
    """What the stack is made of."""
    like_bert = bert.spec(config)
    return replace(
        like_bert,
        embeddings=replace(like_bert.embeddings, width=config.embedding_size),
        names=NAMES,
    )


VOCABULARY: dict[str, Any] = {
    "steps": (
        Dense("generator_predictions.dense", to="embedding_size"),
        Activation("gelu"),
        Norm("generator_predictions.LayerNorm"),
    ),
    "output": "generator_lm_head",
}

FAMILY = Family(
    attribute="electra",
    members={"Electra": ElectraConfig},
    spec=spec,
    stacks={"Model": EncoderModel},
    heads={
        "ForSequenceClassification": roberta.judge("gelu", bert.DROP),
        "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(bert.DROP,)),
        "ForMultipleChoice": Plan(
            kind=heads.MultipleChoice,
            pick="first",
            steps=(
                Dense("sequence_summary.summary"),
                Activation(of="summary_activation"),
                Drop(("summary_last_dropout",)),
            ),
        ),
        "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, output="qa_outputs"),
        "ForMaskedLM": Plan(kind=language_heads.MaskedLM, **VOCABULARY),
        "ForPreTraining": Plan(
            kind=language_heads.ReplacedTokens,
            steps=(Dense("discriminator_predictions.dense"), Activation(of="hidden_act")),
            output="discriminator_predictions.dense_prediction",
        ),
        "ForCausalLM": Plan(kind=language_heads.CausalLM, **VOCABULARY),
    },
    older=bert.OLDER,
    derived=bert.DERIVED,
    tokenizers=("ElectraTokenizer", "ElectraTokenizerFast"),
)
