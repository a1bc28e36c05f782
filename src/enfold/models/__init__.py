"""Models: configs, stacks, heads, and the folders they are read from and written to."""

from enfold.layers.packing import Layout, Packed, pack
from enfold.models.auto import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    family_class,
)
from enfold.models.config import PreTrainedConfig
from enfold.models.outputs import ModelOutput
from enfold.models.pretrained import PreTrainedModel
from enfold.models.weights import LoadingReport

__all__ = [
    "AutoConfig",
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoModelForMaskedLM",
    "AutoModelForMultipleChoice",
    "AutoModelForNextSentencePrediction",
    "AutoModelForPreTraining",
    "AutoModelForQuestionAnswering",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "Layout",
    "LoadingReport",
    "ModelOutput",
    "Packed",
    "PreTrainedConfig",
    "PreTrainedModel",
    "family_class",
    "pack",
]
