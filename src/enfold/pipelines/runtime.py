"""What runs the model behind a pipeline: token ids in, logits out.

A pipeline is NumPy before and after the model. The runtime in the middle is the one part that knows an
engine; torch is imported by :class:`TorchRuntime` alone, when it first runs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from enfold.errors import InputError
from enfold.values import Encoding, LabelSet

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SequenceRuntime", "TorchRuntime"]


@runtime_checkable
class SequenceRuntime(Protocol):
    """An engine that gives every sequence one row of logits."""

    @property
    def labels(self) -> LabelSet:
        """Names of the columns of the logits."""

    @property
    def revision(self) -> str:
        """Revision of the model, as predictions carry it."""

    @property
    def max_length(self) -> int | None:
        """Longest sequence the model reads, special tokens included; ``None`` when it knows no bound."""

    def logits(self, encodings: Sequence[Encoding]) -> np.ndarray:
        """Run one batch. Safe to call from several threads.

        Returns:
            float32, *shape* ``(len(encodings), labels)``.
        """


class TorchRuntime:
    """A model of Enfold with a sequence-classification head, run on packed tokens without gradients.

    The model is used as it is, on the device and in the precision it has. Dropout never runs: a model in
    training mode is switched to evaluation for the call and back after it.

    Raises:
        InputError: the model's head does not choose one label of several.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._switching = threading.Lock()
        self._running = 0
        self._in_training: list[Any] = []
        self._labels = _labels_of(model)

    @property
    def labels(self) -> LabelSet:
        """The model's labels; ``LABEL_0``, ``LABEL_1``, … where its configuration names none."""
        return self._labels

    @property
    def revision(self) -> str:
        """The model's revision."""
        return str(self._model.revision)

    @property
    def max_length(self) -> int | None:
        """The number of positions the model has embeddings for."""
        positions = getattr(self._model.config, "max_position_embeddings", None)
        return int(positions) if positions else None

    def logits(self, encodings: Sequence[Encoding]) -> np.ndarray:
        """Run one batch of encodings, packed one after another.

        Returns:
            float32, *shape* ``(len(encodings), labels)``.
        """
        import torch

        from enfold.layers.packing import pack

        packed = pack(
            [encoding.ids for encoding in encodings],
            [encoding.type_ids for encoding in encodings],
            device=self._model.device,
        )
        with self._evaluating(), torch.inference_mode():
            output = self._model(input_ids=packed.input_ids, token_type_ids=packed.token_type_ids, layout=packed.layout)
            return output.logits.float().cpu().numpy()

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        # The mode belongs to the model, not to the thread: the first call in switches it, the last out restores it.
        with self._switching:
            if not self._running:
                self._in_training = [module for module in self._model.modules() if module.training]
                for module in self._in_training:
                    module.training = False
            self._running += 1
        try:
            yield
        finally:
            with self._switching:
                self._running -= 1
                if not self._running:
                    for module in self._in_training:
                        module.training = True


def _labels_of(model: Any) -> LabelSet:
    config = model.config
    problem = getattr(config, "problem_type", None)
    count = int(config.num_labels)
    if problem in ("regression", "multi_label_classification") or count < 2:
        raise InputError(
            f"text classification chooses one label of several; this model has num_labels={count} and "
            f"problem_type={problem!r}: use a model trained with at least two labels, one of them right"
        )
    labels: LabelSet | None = model.labels
    return labels if labels is not None else LabelSet(tuple(f"LABEL_{number}" for number in range(count)))
