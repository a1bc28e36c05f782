"""Enfold: the whole transformer loop on your own machine.

The public names are resolved when they are first asked for (PEP 562), so that ``import enfold`` is quick
and does not import torch. ``_HOMES`` is the whole list; names of model families (``BertModel``,
``BertForSequenceClassification``, …) come from the registry in ``enfold.models.auto``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "enfold.errors": ["EnfoldError"],
    "enfold.values": ["ClassPrediction", "Encoding", "Feedback", "LabelSet", "Metric", "Prediction", "Span"],
    "enfold.data": ["read_table"],
    "enfold.text": [
        "AutoTokenizer",
        "Tokenizer",
        "identify_language",
        "normalise",
        "split_sentences",
        "train_tokenizer",
    ],
    "enfold.generation": ["GenerationConfig", "TextIteratorStreamer", "TextStreamer"],
    "enfold.models": [
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
        "PreTrainedModel",
    ],
    "enfold.pipelines": ["TextClassificationPipeline", "pipeline"],
    "enfold.evaluation": ["Report", "evaluate"],
    "enfold.training": [
        "DataCollatorForLanguageModeling",
        "DataCollatorForSeq2Seq",
        "DataCollatorForTokenClassification",
        "DataCollatorWithPadding",
        "EarlyStoppingCallback",
        "Seq2SeqTrainer",
        "Seq2SeqTrainingArguments",
        "Trainer",
        "TrainerCallback",
        "TrainingArguments",
        "get_linear_schedule_with_warmup",
        "set_seed",
    ],
    "enfold.compression": ["quantise"],
    "enfold.project": ["Project"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
    else:
        value = _family_name(name)
        if value is None:
            raise AttributeError(f"module 'enfold' has no name {name!r}{_near(name)}")
    globals()[name] = value
    return value


def _near(name: str) -> str:
    if not name[:1].isupper():
        return ""
    near, known = import_module("enfold.errors").near, import_module("enfold.models.auto").family_class_names()
    # Another head of the same family rather than the same head of another.
    return near(name, [own for own in known if own[:5] == name[:5]]) or near(name, [*_HOME_OF, *known])


def _family_name(name: str) -> Any:
    """``BertTokenizer`` without torch, ``BertModel`` with it, None for anything else."""
    if not name[:1].isupper():
        return None
    if name.endswith(("Tokenizer", "TokenizerFast")):
        return import_module("enfold.text").tokenizer_class(name)
    return import_module("enfold.models.auto").family_class(name)


def __dir__() -> list[str]:
    return sorted(__all__)
