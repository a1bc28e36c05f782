"""RoBERTa (Liu et al., 2019), XLM-RoBERTa and CamemBERT: BERT with places counted by tokens, and other heads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from enfold.layers.specs import PositionSpec, StackSpec
from enfold.models import heads, language_heads
from enfold.models.encoder import EncoderModel
from enfold.models.families import bert
from enfold.models.family import Family
from enfold.models.plan import Activation, Dense, Drop, Norm, Plan


class RobertaConfig(bert.BertConfig):
    """The ``config.json`` of model type ``roberta``."""

    model_type = "roberta"

    vocab_size: int = 50265
    pad_token_id: int | None = 1
    bos_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 2


class XLMRobertaConfig(RobertaConfig):
    """The ``config.json`` of model type ``xlm-roberta``."""

    model_type = "xlm-roberta"

    vocab_size: int = 30522


class CamembertConfig(XLMRobertaConfig):
    """The ``config.json`` of model type ``camembert``."""

    model_type = "camembert"


def spec(config: RobertaConfig) -> StackSpec:
    """What the stack is made of."""
    return replace(bert.spec(config), positions=PositionSpec(capacity=config.max_position_embeddings, counted="tokens"))


VOCABULARY: dict[str, Any] = {
    "steps": (Dense("lm_head.dense"), Activation("gelu"), Norm("lm_head.layer_norm")),
    "output": "lm_head.decoder",
    "bias": "lm_head.bias",
}


def judge(activation: str, drop: Drop) -> Plan:
    """A classifier of texts on the first token's state, with an inner layer of its own."""
    return Plan(
        kind=heads.SequenceClassification,
        pick="first",
        steps=(drop, Dense("classifier.dense"), Activation(activation), drop),
        output="classifier.out_proj",
    )


HIDDEN_DROP = Drop(("hidden_dropout_prob",))
HEADS = {
    "ForSequenceClassification": judge("tanh", bert.DROP),
    "ForTokenClassification": Plan(kind=heads.TokenClassification, steps=(bert.DROP,)),
    "ForMultipleChoice": Plan(kind=heads.MultipleChoice, pick="pooled", steps=(HIDDEN_DROP,)),
    "ForQuestionAnswering": Plan(kind=heads.QuestionAnswering, output="qa_outputs"),
    "ForMaskedLM": Plan(kind=language_heads.MaskedLM, **VOCABULARY),
}

FAMILY = Family(
    attribute="roberta",  # of all three
    members={"Roberta": RobertaConfig, "XLMRoberta": XLMRobertaConfig, "Camembert": CamembertConfig},
    spec=spec,
    stacks={"Model": EncoderModel},
    heads=HEADS | {"ForCausalLM": Plan(kind=language_heads.CausalLM, **VOCABULARY)},
    tasks={"ForPreTraining": "ForMaskedLM"},
    older=bert.OLDER,
    derived=bert.DERIVED,
    tokenizers=(
        "RobertaTokenizer",
        "RobertaTokenizerFast",
        "XLMRobertaTokenizer",
        "XLMRobertaTokenizerFast",
        "CamembertTokenizer",
        "CamembertTokenizerFast",
    ),
)
