"""A data set through a model without learning: the numbers behind ``evaluate`` and ``predict``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from enfold.training.objectives import IGNORED, Batch, Objective, rows_of, tokens_of

Arrays = np.ndarray | tuple[np.ndarray, ...]

_NOT_LOGITS = {
    "loss",
    "hidden_states",
    "attentions",
    "past_key_values",
    "cache",
    "cross_attentions",
    "encoder_last_hidden_state",
}


class EvalPrediction:
    """What ``compute_metrics`` is given; unpacks into predictions and labels.

    Args:
        predictions: (rows, …) logits in the order of the data set; a tuple where the model gives several. Token-level
            ones are padded with -100 to the longest row.
        label_ids: (rows, …) labels, padded the same way.
    """

    def __init__(self, predictions: Any, label_ids: Any) -> None:
        self.predictions = predictions
        self.label_ids = label_ids

    def __iter__(self) -> Any:
        return iter((self.predictions, self.label_ids))

    def __getitem__(self, index: int) -> Any:
        return (self.predictions, self.label_ids)[index]


class PredictionOutput(NamedTuple):
    """What ``Trainer.predict`` gives."""

    predictions: Any
    label_ids: Any
    metrics: dict[str, float] | None


@dataclass
class Measured:
    """A data set's loss and outputs."""

    loss: float | None
    predictions: Any
    label_ids: Any
    rows: int
    tokens: int

    def speed(self, seconds: float, batches: int) -> dict[str, float]:
        """Rates over so many seconds, under the names `transformers` gives them."""
        return {
            "runtime": round(seconds, 4),
            "samples_per_second": round(self.rows / seconds, 3),
            "steps_per_second": round(batches / seconds, 3),
            "tokens_per_second": round(self.tokens / seconds, 3),
        }


@dataclass
class _Collected:
    """One output over all batches, as one array a row."""

    rows: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, numbers: list[int], values: Tensor, lengths: list[int] | None) -> None:
        array = values.detach().float().cpu().numpy() if values.is_floating_point() else values.cpu().numpy()
        by_token = lengths is not None and len(array) == sum(lengths) and len(array) != len(lengths)
        parts = np.split(array, np.cumsum(lengths)[:-1]) if by_token else list(array)  # type: ignore[arg-type]
        self.rows.update(zip(numbers, parts, strict=True))

    def add_written(self, numbers: list[int], written: list[list[int]]) -> None:
        self.rows.update(zip(numbers, (np.array(ids) for ids in written), strict=True))

    def stacked(self) -> np.ndarray:
        """(rows, …) in the order of the data set, padded with -100 where rows differ in length."""
        ordered = [self.rows[number] for number in sorted(self.rows)]
        if len({part.shape for part in ordered}) == 1:
            return np.stack(ordered)
        longest = max(len(part) for part in ordered)
        whole = np.full((len(ordered), longest, *ordered[0].shape[1:]), IGNORED, dtype=ordered[0].dtype)
        for place, part in zip(whole, ordered, strict=True):
            place[: len(part)] = part
        return whole


@torch.no_grad()
def measure(
    model: nn.Module,
    batches: Iterable[tuple[list[int], Batch]],
    objective: Objective,
    *,
    label_names: list[str],
    loss_only: bool = False,
    ignore: Sequence[str] = (),
    preprocess: Callable[[Any, Any], Any] | None = None,
    write: Callable[[Batch], list[list[int]]] | None = None,
    after_batch: Callable[[], None] = lambda: None,
) -> Measured:
    """Run every batch in evaluation mode; the model's mode is put back afterwards.

    Args:
        model: the model.
        batches: row numbers and the batch on the model's device.
        objective: gives the loss where a batch has labels.
        label_names: the columns that hold labels.
        loss_only: keep no outputs.
        ignore: outputs that are not kept.
        preprocess: from the logits and labels of a batch to what is kept of the logits.
        write: from a batch to the ids a model writes for each row, which are then kept instead of logits.
        after_batch: called after each batch.
    """
    was_training = model.training
    model.eval()
    sums: dict[str, float] = {}
    counts: Counter[str] = Counter()
    outputs: dict[str, _Collected] = {}
    labels: dict[str, _Collected] = {}
    rows = tokens = 0
    try:
        for numbers, batch in batches:
            found = [name for name in label_names if isinstance(batch.get(name), Tensor)]
            if found:
                parts, given = objective(model, batch)
                counts += objective.count(batch)
                for name, value in parts.items():
                    sums[name] = sums.get(name, 0.0) + value.item()
            elif write is None:
                given = model(**batch)
            layout = batch.get("decoder_layout", batch.get("layout"))
            lengths = layout.lengths if layout is not None else None
            if not loss_only:
                if write is not None:
                    outputs.setdefault("written", _Collected()).add_written(numbers, write(batch))
                else:
                    kept = _logits(given, ignore)
                    if preprocess is not None:
                        kept = _preprocessed(preprocess, kept, [batch[name] for name in found])
                    for name, value in kept.items():
                        outputs.setdefault(name, _Collected()).add(numbers, value, lengths)
                for name in found:
                    labels.setdefault(name, _Collected()).add(numbers, batch[name], lengths)
            rows += rows_of(batch)
            tokens += tokens_of(batch)
            after_batch()
    finally:
        model.train(was_training)
    loss = sum(value / max(1, counts[name]) for name, value in sums.items()) if sums else None
    return Measured(loss, _one_or_all(outputs), _one_or_all(labels), rows, tokens)


def _logits(given: Any, ignore: Sequence[str]) -> dict[str, Tensor]:
    if hasattr(given, "items"):
        left_out = {*_NOT_LOGITS, *ignore}
        return {name: value for name, value in given.items() if name not in left_out and isinstance(value, Tensor)}
    values = [given] if isinstance(given, Tensor) else list(given)
    return {str(index): value for index, value in enumerate(values) if isinstance(value, Tensor) and value.dim()}


def _preprocessed(
    preprocess: Callable[[Any, Any], Any], kept: dict[str, Tensor], labels: list[Tensor]
) -> dict[str, Tensor]:
    def one_or_all(values: list[Tensor]) -> Any:
        return values[0] if len(values) == 1 else tuple(values) or None

    made = preprocess(one_or_all(list(kept.values())), one_or_all(labels))
    return {str(index): value for index, value in enumerate([made] if isinstance(made, Tensor) else made)}


def _one_or_all(collected: dict[str, _Collected]) -> Any:
    arrays = tuple(output.stacked() for output in collected.values())
    return arrays[0] if len(arrays) == 1 else arrays or None
