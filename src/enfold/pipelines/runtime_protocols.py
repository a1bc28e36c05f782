"""What pipelines need of an engine that runs a model: one small protocol a kind of output.

`enfold.pipelines.runtime.TorchRuntime` has them all; another engine has those it can do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from enfold.values import Encoding, LabelSet

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "ChoiceRuntime",
    "HiddenRuntime",
    "Runtime",
    "SequenceRuntime",
    "SpanRuntime",
    "TokenRuntime",
    "VocabularyRuntime",
]


@runtime_checkable
class Runtime(Protocol):
    """What every engine says of its model. All methods of a runtime may be called from several threads."""

    @property
    def revision(self) -> str:
        """Revision of the model, as predictions carry it."""

    @property
    def max_length(self) -> int | None:
        """Longest sequence the model reads, special tokens included; ``None`` when it knows no bound."""


@runtime_checkable
class SequenceRuntime(Runtime, Protocol):
    """An engine that gives every sequence one row of logits."""

    @property
    def labels(self) -> LabelSet:
        """Names of the columns of the logits."""

    def logits(self, encodings: Sequence[Encoding]) -> np.ndarray:
        """Run one batch.

        Returns:
            float32, *shape* ``(len(encodings), labels)``.
        """


@runtime_checkable
class TokenRuntime(Runtime, Protocol):
    """An engine that gives every token a row of logits."""

    @property
    def labels(self) -> LabelSet:
        """Names of the columns of the logits."""

    def token_logits(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """Run one batch: of each encoding float32, *shape* ``(tokens, labels)``."""


@runtime_checkable
class SpanRuntime(Runtime, Protocol):
    """An engine that scores every token as the start and as the end of an answer."""

    def span_logits(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """Run one batch: of each encoding float32, *shape* ``(tokens, 2)``."""


@runtime_checkable
class HiddenRuntime(Runtime, Protocol):
    """An engine that gives every token its last hidden state."""

    def hidden_states(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """Run one batch: of each encoding float32, *shape* ``(tokens, width)``."""


@runtime_checkable
class VocabularyRuntime(Runtime, Protocol):
    """An engine that scores the vocabulary at chosen places."""

    def vocabulary_logits(self, encodings: Sequence[Encoding], places: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Run one batch: of each encoding float32, *shape* ``(its places, vocabulary)``."""


@runtime_checkable
class ChoiceRuntime(Runtime, Protocol):
    """An engine that gives every sequence one score, to be compared with others."""

    def choice_logits(self, encodings: Sequence[Encoding]) -> np.ndarray:
        """Run one batch: float32, *shape* ``(len(encodings),)``."""
