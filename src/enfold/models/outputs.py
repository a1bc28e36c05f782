"""What a model returns: read by attribute, by key, or by position, as ``transformers``' outputs are.

Fields that are None are left out of keys, positions and iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

__all__ = [
    "LanguageModelOutput",
    "ModelOutput",
    "MultipleChoiceOutput",
    "NextSentenceOutput",
    "PreTrainingOutput",
    "QuestionAnsweringOutput",
    "ReplacedTokenOutput",
    "SequenceClassifierOutput",
    "StackOutput",
    "TokenClassifierOutput",
]


@dataclass
class ModelOutput:
    """The root of all outputs: a mapping, a tuple and a record at once, and a pytree.

    The fields here come after those of each kind. Attention weights are (batch, heads, queries, keys), before dropout,
    zeros at padding; for packed inputs a list of each row's (heads, queries, keys).

    Attributes:
        cache: keys and values of what was read, where that was asked for.
        hidden_states: the embeddings' output and each block's, shaped like the last hidden state.
        attentions: of each block.
        decoder_hidden_states, decoder_attentions, encoder_hidden_states, encoder_attentions: the same of each stack of
            a pair.
        cross_attentions: of each block of a decoder, over the encoder's places.
        encoder_last_hidden_state: (batch, encoder seq, width), zeros at padding.
    """

    cache: Any = field(default=None, kw_only=True)
    hidden_states: tuple[Tensor, ...] | None = field(default=None, kw_only=True)
    attentions: tuple[Any, ...] | None = field(default=None, kw_only=True)
    decoder_hidden_states: tuple[Tensor, ...] | None = field(default=None, kw_only=True)
    decoder_attentions: tuple[Any, ...] | None = field(default=None, kw_only=True)
    cross_attentions: tuple[Any, ...] | None = field(default=None, kw_only=True)
    encoder_last_hidden_state: Tensor | None = field(default=None, kw_only=True)
    encoder_hidden_states: tuple[Tensor, ...] | None = field(default=None, kw_only=True)
    encoder_attentions: tuple[Any, ...] | None = field(default=None, kw_only=True)

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
        names = [item.name for item in fields(self)]
        ordered = [*names[_SHARED:], *names[:_SHARED]]
        return [name for name in ordered if getattr(self, name) is not None]

    @property
    def past_key_values(self) -> Any:
        """The cache, under its older name."""
        return self.cache

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


_SHARED = len(fields(ModelOutput))


@dataclass
class StackOutput(ModelOutput):
    """Of a stack, or a pair of stacks, without a head.

    Attributes:
        last_hidden_state: (batch, seq, width), zeros at padding; or (tokens, width) for packed inputs.
        pooler_output: (batch, width), where the model has a pooler.
    """

    last_hidden_state: Tensor | None = None
    pooler_output: Tensor | None = None


@dataclass
class _WithLogits(ModelOutput):
    loss: Tensor | None = None
    logits: Tensor | None = None


@dataclass
class SequenceClassifierOutput(_WithLogits):
    """``logits`` (batch, labels)."""


@dataclass
class TokenClassifierOutput(_WithLogits):
    """``logits`` (batch, seq, labels), zeros at padding; (tokens, labels) for packed inputs."""


@dataclass
class LanguageModelOutput(_WithLogits):
    """``logits`` (batch, seq, vocabulary), zeros at padding; (tokens, vocabulary) for packed inputs."""


@dataclass
class MultipleChoiceOutput(_WithLogits):
    """``logits`` (batch, choices)."""


@dataclass
class NextSentenceOutput(_WithLogits):
    """``logits`` (batch, 2): the second sentence follows the first; it does not."""


@dataclass
class ReplacedTokenOutput(_WithLogits):
    """``logits`` (batch, seq): above 0 where a token looks replaced; zeros at padding; (tokens,) for packed inputs."""


@dataclass
class PreTrainingOutput(ModelOutput):
    """``prediction_logits`` (batch, seq, vocabulary) and the logits of whole texts, (batch, 2), under either name."""

    loss: Tensor | None = None
    prediction_logits: Tensor | None = None
    seq_relationship_logits: Tensor | None = None
    sop_logits: Tensor | None = None


@dataclass
class QuestionAnsweringOutput(ModelOutput):
    """``start_logits`` and ``end_logits`` (batch, seq), zeros at padding; (tokens,) for packed inputs."""

    loss: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
