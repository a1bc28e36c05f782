"""From a ``config.json`` or a class name to the class: the registry of families.

Classes such as ``BertModel`` are made when first asked for, from the family's file and the generic heads; they are
real classes, found by pickle as attributes of ``enfold``.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, ClassVar

from enfold.errors import CheckpointError, near
from enfold.models import families, quantised
from enfold.models.config import PreTrainedConfig
from enfold.models.family import Family
from enfold.models.pretrained import PreTrainedModel
from enfold.models.sources import stored_config
from enfold.models.weights import find_model

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
    "class_for",
    "family_class",
    "family_class_names",
    "known_families",
]


# The suffixes of tasks that class names usually say otherwise.
_USUAL = {"ForSeq2SeqLM": "ForConditionalGeneration"}


@cache
def known_families() -> tuple[Family, ...]:
    """Every family there is a file for."""
    found = sorted(module.name for module in pkgutil.iter_modules(families.__path__))
    return tuple(import_module(f"{families.__name__}.{name}").FAMILY for name in found)


@cache
def _members() -> dict[str, tuple[str, Family]]:
    """Model type to the start of its class names and its family."""
    return {
        config.model_type: (prefix, family) for family in known_families() for prefix, config in family.members.items()
    }


def _member(model_type: str) -> tuple[str, Family]:
    if model_type not in _members():
        known = sorted(_members())
        raise CheckpointError(f"no model type {model_type!r}; there are: {', '.join(known)}{near(model_type, known)}")
    return _members()[model_type]


@cache
def _make(prefix: str, suffix: str) -> type[PreTrainedModel]:
    family = next(family for family in known_families() if prefix in family.members)
    members: dict[str, Any] = {
        "__module__": "enfold",
        "family": family,
        "config_class": family.members[prefix],
        "base_model_prefix": family.attribute,
        "suffix": suffix,
    }
    if suffix in family.stacks:
        kind = family.stacks[suffix]
        return type(prefix + suffix, (kind,), members | {"__doc__": kind.__doc__})
    plan = family.heads[suffix]
    stack = _make(prefix, plan.stack)
    members |= {
        "__doc__": plan.kind.__doc__,
        "plan": plan,
        "stack_class": stack,
        "base_model_prefix": plan.attribute or family.attribute,
    }
    # Where the stack's parts are the model's own, the model is a stack too.
    kinds = (plan.kind, stack) if plan.attribute == "" else (plan.kind,)
    made: Any = type(prefix + suffix, kinds, members)
    made.forward = _signed(made)
    return made


def _signed(kind: Any) -> Callable[..., Any]:
    """The forward of a class with a head, with the names of its arguments for those who look at signatures."""
    run = kind.forward

    def forward(self: Any, *inputs: Any, **named: Any) -> Any:
        return run(self, *inputs, **named)

    either = Parameter.POSITIONAL_OR_KEYWORD
    names = [Parameter(name, either, default=None) for name in kind.input_names()]
    forward.__signature__ = Signature([Parameter("self", either), *names])  # type: ignore[attr-defined]
    forward.__doc__ = run.__doc__
    return forward


def family_class(name: str) -> type | None:
    """The class of that name, such as ``BertForSequenceClassification`` or ``BertConfig``; None if there is none."""
    for family in known_families():
        if name in family.tokenizers:
            return import_module("enfold.text").tokenizer_class(name)
        for prefix, config in family.members.items():
            suffix = name.removeprefix(prefix)
            if suffix == name:
                continue
            if suffix == "Config":
                return config
            if suffix in family.stacks or suffix in family.heads:
                return _make(prefix, suffix)
    return None


def family_class_names() -> list[str]:
    """The names ``family_class`` knows, sorted."""
    names: list[str] = []
    for family in known_families():
        names += family.tokenizers
        names += [prefix + suffix for prefix in family.members for suffix in ("Config", *family.stacks, *family.heads)]
    return sorted(names)


def class_for(model_type: str, suffix: str) -> type[PreTrainedModel]:
    """The class of a model type for a task, such as ``("bert", "ForMaskedLM")``.

    Raises:
        CheckpointError: the model type is unknown, or has no such head.
    """
    prefix, family = _member(model_type)
    own = family.tasks.get(suffix, _USUAL.get(suffix, suffix))
    if own not in family.stacks and own not in family.heads:
        raise CheckpointError(f"model type {model_type!r} has no head {suffix}; it has: {', '.join(family.heads)}")
    return _make(prefix, own)


class AutoConfig:
    """The config class that a ``config.json`` asks for."""

    @classmethod
    def from_pretrained(cls, reference: str | Path, *, revision: str | None = None, **overrides: Any) -> Any:
        """Read a config.

        Raises:
            CheckpointError: there is no ``config.json``, or its model type is unknown.
        """
        values = quantised.original_config(stored_config(find_model(reference, revision).path))
        prefix, family = _member(_model_type(values, reference))
        return family.members[prefix].from_dict(values, **overrides)

    @staticmethod
    def for_model(model_type: str, /, **values: Any) -> PreTrainedConfig:
        """A config of that model type, with these values."""
        prefix, family = _member(model_type)
        return family.members[prefix](**values)


class AutoModel:
    """The stack without a head, of whatever family a folder holds. ``AutoModelFor…`` add a head."""

    suffix: ClassVar[str] = "Model"

    @classmethod
    def from_pretrained(cls, reference: str | Path, *, revision: str | None = None, **arguments: Any) -> Any:
        """Read a model; for the arguments see ``PreTrainedModel.from_pretrained``.

        Raises:
            CheckpointError: the folder cannot be read as a model with this head.
        """
        values = quantised.original_config(stored_config(find_model(reference, revision).path))
        kind = class_for(_model_type(values, reference), cls.suffix)
        return kind.from_pretrained(reference, revision=revision, **arguments)

    @classmethod
    def from_config(cls, config: PreTrainedConfig) -> Any:
        """A model with new weights."""
        return class_for(config.model_type, cls.suffix)(config)


class AutoModelForSequenceClassification(AutoModel):
    """One label for each text."""

    suffix = "ForSequenceClassification"


class AutoModelForTokenClassification(AutoModel):
    """One label for each token."""

    suffix = "ForTokenClassification"


class AutoModelForMultipleChoice(AutoModel):
    """The best of several continuations."""

    suffix = "ForMultipleChoice"


class AutoModelForQuestionAnswering(AutoModel):
    """Where an answer begins and ends."""

    suffix = "ForQuestionAnswering"


class AutoModelForMaskedLM(AutoModel):
    """Scores for masked tokens."""

    suffix = "ForMaskedLM"


class AutoModelForPreTraining(AutoModel):
    """The heads a model was pre-trained with."""

    suffix = "ForPreTraining"


class AutoModelForCausalLM(AutoModel):
    """Scores for the token that comes next."""

    suffix = "ForCausalLM"


class AutoModelForSeq2SeqLM(AutoModel):
    """Scores for the token that a decoder says next of what an encoder read."""

    suffix = "ForSeq2SeqLM"


class AutoModelForNextSentencePrediction(AutoModel):
    """Whether the second text follows the first."""

    suffix = "ForNextSentencePrediction"


def _model_type(values: dict[str, Any], reference: str | Path) -> str:
    if "model_type" not in values:
        raise CheckpointError(f"the config.json of {reference} has no model_type; it has: {', '.join(sorted(values))}")
    return values["model_type"]
