"""What a model returns: read by attribute, by key, or by position, as ``transformers``' outputs are.

Fields that are None are left out of keys, positions and iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

__all__ = [
    "EncoderOutput",
    "MaskedLMOutput",
    "ModelOutput",
    "MultipleChoiceOutput",
    "NextSentenceOutput",
    "PreTrainingOutput",
    "QuestionAnsweringOutput",
    "SequenceClassifierOutput",
    "TokenClassifierOutput",
]


@dataclass
class ModelOutput:
    """The root of all outputs: a mapping, a tuple and a record at once, and a pytree."""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        pytree.register_pytree_node(
            cls,
            lambda output: (output.values(), tuple(output.keys())),
            lambda values, keys: cls(**dict(zip(keys, values, strict=True))),
            serialized_type_name=f"{cls.__module__}.{cls.__name__}",
        )

    def keys(self) -> list[str]:
        """The names of the fields that are there."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]

    def values(self) -> list[Any]:
        """The fields that are there."""
        return [getattr(self, key) for key in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the fields that are there."""
        return [(key, getattr(self, key)) for key in self.keys()]

    def get(self, key: str, default: Any = None) -> Any:
        """A field by name, or ``default`` where it is not there."""
        return getattr(self, key) if key in self.keys() else default

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are there, in order."""
        return tuple(self.values())

    def __getitem__(self, key: str | int | slice) -> Any:
        if not isinstance(key, str):
            return self.to_tuple()[key]
        if key not in self.keys():
            raise KeyError(f"no {key!r} in this output; it has: {', '.join(self.keys())}")
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()


@dataclass
class EncoderOutput(ModelOutput):
    """Of a stack without a head.

    Attributes:
        last_hidden_state: (batch, seq, width), zeros at padding; or (tokens, width) for packed inputs.
        pooler_output: (batch, width), where the model has a pooler.
        hidden_states: the embeddings' output and each block's, shaped like ``last_hidden_state``.
        attentions: of each block (batch, heads, seq, seq), zeros at padding, before dropout; for packed inputs a list
            of each row's (heads, length, length).
    """

    last_hidden_state: Tensor | None = None
    pooler_output: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Any, ...] | None = None


@dataclass
class _WithLogits(ModelOutput):
    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Any, ...] | None = None


@dataclass
class SequenceClassifierOutput(_WithLogits):
    """``logits`` (batch, labels)."""


@dataclass
class TokenClassifierOutput(_WithLogits):
    """``logits`` (batch, seq, labels), zeros at padding; (tokens, labels) for packed inputs."""


@dataclass
class MaskedLMOutput(_WithLogits):
    """``logits`` (batch, seq, vocabulary), zeros at padding; (tokens, vocabulary) for packed inputs."""


@dataclass
class MultipleChoiceOutput(_WithLogits):
    """``logits`` (batch, choices)."""


@dataclass
class NextSentenceOutput(_WithLogits):
    """``logits`` (batch, 2): the second sentence follows the first; it does not."""


@dataclass
class PreTrainingOutput(ModelOutput):
    """``prediction_logits`` (batch, seq, vocabulary) and ``seq_relationship_logits`` (batch, 2)."""

    loss: Tensor | None = None
    prediction_logits: Tensor | None = None
    seq_relationship_logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Any, ...] | None = None


@dataclass
class QuestionAnsweringOutput(ModelOutput):
    """``start_logits`` and ``end_logits`` (batch, seq), zeros at padding; (tokens,) for packed inputs."""

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Any, ...] | None = None
