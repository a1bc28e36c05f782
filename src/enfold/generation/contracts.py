"""What generation asks of a model, and of what works beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor

from enfold.generation.rows import Row
from enfold.generation.sequences import Sequences

__all__ = ["Criterion", "Decoding", "Following", "GenerativeModel", "Recorder"]

Criterion = Callable[[Sequences], Sequence[bool]]
"""A caller's own criterion: for each row whether it ends, asked after each token."""

Recorder = Callable[[Sequence[Row], Tensor, Tensor], None]
"""Gets at each step the rows, the model's scores and the processed ones (rows, vocabulary)."""


class Decoding(Protocol):
    """What generation needs of a running model; see `enfold.models.decoding`."""

    @property
    def logits(self) -> Tensor:
        """(rows, vocabulary) after the last token of each row."""

    def feed(self, tokens: Tensor) -> Tensor:
        """One more token (rows,) for each row; the logits after it."""

    def feed_several(self, tokens: Tensor) -> Tensor:
        """Several tokens (rows, n) for each row; the logits (rows, n, vocabulary) after each."""

    def select(self, rows: Tensor) -> None:
        """Keep, reorder and repeat rows."""

    def forget(self, counts: Sequence[int]) -> None:
        """Take back the last tokens of each row."""


class Following(Protocol):
    """What follows each row beside the model, such as a grammar."""

    def advance(self, tokens: Sequence[int]) -> Sequence[bool]:
        """Take the chosen token of each row; whether nothing can come after it."""

    def select(self, rows: Sequence[int]) -> None:
        """Keep some rows."""


class GenerativeModel(Protocol):
    """What generation needs of a model."""

    context_length: int | None
    is_encoder_decoder: bool
    vocabulary: int

    def begin_decoding(
        self, prompts: Sequence[Sequence[int]], *, encoder_ids: Sequence[Sequence[int]] | None = None, room: int = 0
    ) -> Any:
        """A `Decoding` after the prompts, one row each, with room for so many new tokens."""
