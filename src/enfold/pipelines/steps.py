"""What pipelines share: three steps that a server can schedule, and the call that takes them one after another.

``encode`` turns inputs into windows, ``logits`` runs windows as one batch, ``decide`` makes of the windows of one input
its prediction. NumPy before and after the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from enfold.errors import InputError
from enfold.pipelines.batching import length_sorted_batches
from enfold.pipelines.reading import EncodedText, WindowReader
from enfold.pipelines.runtime import runtime_for
from enfold.values import Encoding, Prediction

if TYPE_CHECKING:
    import numpy as np

    from enfold.text import Tokenizer

__all__ = ["Pipeline", "Windowed"]


class Windowed(Protocol):
    """An input as the windows the model reads."""

    @property
    def windows(self) -> tuple[Encoding, ...]:
        """In the order in which ``decide`` takes what the model says of them."""


Encoded = TypeVar("Encoded", bound=Windowed)
Answer = TypeVar("Answer", bound=Prediction)


class Pipeline(Generic[Encoded, Answer]):
    """One model and its tokenizer for one task. Safe to use from several threads.

    Args:
        model: a model with the head the task needs, or a runtime.
        tokenizer: the tokenizer the model was trained with.
        max_length: tokens in a window, special tokens included; by default as many as the model reads.
        stride: tokens by which windows overlap; by default 64, or half a window where that is less.
        max_tokens: tokens in a batch. What so many need between two products still fits the processor's caches.

    Raises:
        InputError: the sizes contradict each other or the model, or the model's head is of another kind.
    """

    task: ClassVar[str]
    runtime_protocol: ClassVar[type]
    heads: ClassVar[tuple[str, ...]] = ()
    reads_pairs: ClassVar[bool] = False

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        max_length: int | None = None,
        stride: int | None = None,
        max_tokens: int = 1024,
    ) -> None:
        self._runtime = runtime_for(model, self.runtime_protocol, tokenizer, task=self.task, heads=self.heads)
        self.tokenizer = tokenizer
        self.reader = WindowReader(
            tokenizer, self._runtime.max_length, max_length=max_length, stride=stride, pairs=self.reads_pairs
        )
        if max_tokens < 1:
            raise InputError(f"max_tokens={max_tokens} must be at least 1")
        self.max_tokens = max_tokens

    @property
    def revision(self) -> str:
        """Revision of the model, as every prediction carries it."""
        revision: str = self._runtime.revision
        return revision

    @property
    def max_length(self) -> int:
        """Tokens in a window."""
        return self.reader.max_length

    @property
    def stride(self) -> int:
        """Tokens by which windows of one text overlap."""
        return self.reader.stride

    def logits(self, windows: Sequence[Encoding]) -> Sequence[np.ndarray] | np.ndarray:
        """Run windows as one batch, whatever its size: one array a window."""
        raise NotImplementedError

    def decide(self, encoded: Encoded, outputs: Sequence[np.ndarray]) -> Answer:
        """The prediction of one input, from what the model says of each of its windows."""
        raise NotImplementedError

    def answers(self, encoded: Iterable[Encoded]) -> Iterator[Answer]:
        """Run what was encoded in batches of windows of like length, and decide, in order."""
        inputs = list(encoded)
        outputs = self.run([window for one in inputs for window in one.windows])
        start = 0
        for one in inputs:
            end = start + len(one.windows)
            yield self.decide(one, outputs[start:end])
            start = end

    def run(self, windows: Sequence[Encoding]) -> list[np.ndarray]:
        """What the model says of each window, run in batches of at most ``max_tokens`` tokens."""
        outputs: list[Any] = [None] * len(windows)
        lengths = [len(window) for window in windows]
        for batch in length_sorted_batches(lengths, max_tokens=self.max_tokens):
            for place, output in zip(batch, self.logits([windows[place] for place in batch]), strict=True):
                outputs[place] = output
        return outputs

    def about(self, text: EncodedText) -> dict[str, Any]:
        """What every prediction says of how its text was read."""
        return {"model": self.revision, "tokens": text.tokens, "windows": len(text.windows), "cut": text.cut}
