"""What a family file gives: how its config reads, where its parts lie, which heads it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enfold.layers.specs import EncoderSpec
from enfold.models.config import PreTrainedConfig

if TYPE_CHECKING:
    from enfold.models.heads import Head

__all__ = ["Family"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """An architecture.

    Attributes:
        attribute: the attribute under which a model with a head keeps its stack, such as ``bert``; checkpoints
            of models with a head put it before the stack's tensor names.
        members: the start of class names, such as ``Bert``, to the config class of that model type.
        spec: config to stack spec.
        names: where parts lie: role to dotted path, of the stack, its blocks and the heads.
        heads: suffixes of class names, such as ``ForSequenceClassification``, to the generic head.
        older: (pattern, replacement) pairs that turn legacy tensor names into present ones.
        derived: patterns of tensors in files that are computed here, and so are not read.
        tokenizers: names of tokenizer classes that users of the family look for.
    """

    attribute: str
    members: Mapping[str, type[PreTrainedConfig]]
    spec: Callable[[Any], EncoderSpec]
    names: Mapping[str, str]
    heads: Mapping[str, type[Head]]
    older: tuple[tuple[str, str], ...] = ()
    derived: tuple[str, ...] = ()
    tokenizers: tuple[str, ...] = field(default=())
