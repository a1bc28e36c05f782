"""What a batch teaches: a loss as a sum and a count, for each label column.

A mean over a batch cannot be added up: eight rows at once and four times two would differ as soon as the
batches count differently. So an objective gives *sums*, and the loop divides them by the count over everything
that goes into one optimiser step. The mean that is minimised is then the same however a step is cut up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.errors import InputError
from enfold.models.losses import next_labels

Batch = dict[str, Any]
IGNORED = -100


class Objective(Protocol):
    """Something to minimise."""

    def count(self, batch: Batch) -> Counter[str]:
        """How many terms each part of the loss sums over, before any computing."""
        ...

    def __call__(self, model: nn.Module, batch: Batch) -> tuple[dict[str, Tensor], Any]:
        """The sum of each part of the loss, and what the model gave."""
        ...


def total_loss(sums: Mapping[str, Tensor], counts: Mapping[str, int]) -> Tensor:
    """Divide each part by its count and add up; a part with nothing to count adds 0."""
    parts = [value / max(1, counts[name]) for name, value in sums.items()]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum()


LOSS_TERMS: dict[str, tuple[str, ...]] = {
    "labels": ("logits", "prediction_logits"),
    "next_sentence_label": ("seq_relationship_logits",),
    "sentence_order_label": ("sop_logits",),
}
"""Label columns the heads know; a span head compares places within a row, and computes its loss itself."""


class LabelObjective:
    """Labels against the logits of a head; the head's own ``labels=`` loss, as a sum.

    Cross-entropy for whole-number labels (-100 is left out), squared error for one output, binary cross-entropy
    for several labels at once; ``config.problem_type`` decides where it is set.

    Args:
        problem_type: ``regression``, ``single_label_classification``, ``multi_label_classification`` or ``None``.
        label_smoothing: share of each target spread over all classes (Szegedy et al., 2016, section 7).
        next_token: whether a label is compared with the scores at the place before it.
    """

    def __init__(
        self, *, problem_type: str | None = None, label_smoothing: float = 0.0, next_token: bool = False
    ) -> None:
        self.problem_type = problem_type
        self.label_smoothing = label_smoothing
        self.next_token = next_token

    def count(self, batch: Batch) -> Counter[str]:
        """Labels that are not left out."""
        batch = self._aligned(batch)
        counts = {name: _counted(batch[name]) for name in LOSS_TERMS if batch.get(name) is not None}
        if not counts:
            known = ", ".join(LOSS_TERMS)
            raise InputError(
                f"a batch has no labels to learn from; it has: {', '.join(batch)}; needed is one of {known}"
            )
        return Counter(counts)

    def __call__(self, model: nn.Module, batch: Batch) -> tuple[dict[str, Tensor], Any]:
        """Run the model; give the sum for each label column."""
        batch = self._aligned(batch)
        targets = {name: batch[name] for name in LOSS_TERMS if batch.get(name) is not None}
        if "decoder_input_ids" not in batch and hasattr(model, "prepare_decoder_input_ids_from_labels"):
            batch = batch | {"decoder_input_ids": _shifted(model, batch["labels"], batch.get("decoder_layout"))}
        if _labels_padding(batch):
            return self._at_padding(model, batch, targets)
        outputs = model(**{name: value for name, value in batch.items() if name not in targets})
        return {name: self._sum(name, outputs, target) for name, target in targets.items()}, outputs

    def _aligned(self, batch: Batch) -> Batch:
        """The batch with each label at the place whose scores it is compared with."""
        if not self.next_token or batch.get("labels") is None:
            return batch
        layout, mask = batch.get("layout"), batch.get("attention_mask")
        return batch | {"labels": next_labels(batch["labels"], layout=layout, mask=mask)}

    def _at_padding(self, model: nn.Module, batch: Batch, targets: dict[str, Tensor]) -> tuple[dict[str, Tensor], Any]:
        """Some labels stand at masked places, whose logits do not come back: only the model can compute their loss."""
        if self.label_smoothing:
            raise InputError("label_smoothing_factor cannot hold for labels at masked places; set these to -100")
        counts = self.count(batch)
        outputs = model(**batch)
        sums = {name: self._sum(name, outputs, target) for name, target in targets.items() if name != "labels"}
        rest = outputs["loss"] - total_loss(sums, counts) if sums else outputs["loss"]
        return {"labels": rest * counts["labels"], **sums}, outputs

    def _sum(self, name: str, outputs: Any, target: Tensor) -> Tensor:
        names = LOSS_TERMS[name]
        logits = next((outputs[key] for key in names if key in outputs), None)
        if logits is None:
            raise InputError(f"the model gives no {' or '.join(names)} to compare {name!r} with")
        logits = logits.float()
        kind = self.problem_type or self._kind(logits, target)
        if kind == "regression":
            return F.mse_loss(logits.view(-1), target.view(-1).float(), reduction="sum")
        if kind == "replaced tokens":
            counted = target != IGNORED
            return F.binary_cross_entropy_with_logits(logits[counted], target[counted].float(), reduction="sum")
        if kind == "multi_label_classification":
            return F.binary_cross_entropy_with_logits(logits, target.float(), reduction="sum")
        try:
            return F.cross_entropy(
                logits.view(-1, logits.shape[-1]),
                target.view(-1),
                ignore_index=IGNORED,
                label_smoothing=self.label_smoothing,
                reduction="sum",
            )
        except IndexError as error:
            classes = logits.shape[-1]
            wrong = sorted(
                {label for label in target.unique().tolist() if label != IGNORED and not 0 <= label < classes}
            )
            raise InputError(
                f"{name} hold {', '.join(map(str, wrong))}, but the model has {classes} classes, 0 to {classes - 1}; "
                "load it with num_labels or labels that fit the data"
            ) from error

    @staticmethod
    def _kind(logits: Tensor, target: Tensor) -> str:
        if logits.shape == target.shape and not target.is_floating_point():
            return "replaced tokens"  # one score a token: whether it is another than it was
        if logits.shape[-1] == 1:
            return "regression"
        return "multi_label_classification" if target.is_floating_point() else "single_label_classification"


class MeanObjective:
    """A loss that someone else computes as a mean over a batch: weighted by what the batch counts.

    Args:
        mean: from a model, a batch and its count to the mean loss and the outputs.
        label_names: the columns that hold labels.
    """

    def __init__(self, mean: Callable[[nn.Module, Batch, int], tuple[Tensor, Any]], label_names: list[str]) -> None:
        self.mean = mean
        self.label_names = label_names

    def count(self, batch: Batch) -> Counter[str]:
        """Labels that are not left out; rows where there is no label column."""
        for name in self.label_names:
            if isinstance(batch.get(name), Tensor):
                return Counter(loss=_counted(batch[name]))
        return Counter(loss=rows_of(batch))

    def __call__(self, model: nn.Module, batch: Batch) -> tuple[dict[str, Tensor], Any]:
        """The mean times the count."""
        count = self.count(batch)["loss"]
        loss, outputs = self.mean(model, batch, count)
        return {"loss": loss * count}, outputs


def own_loss(model: nn.Module, batch: Batch, count: int) -> tuple[Tensor, Any]:
    """The loss a model computes itself.

    Raises:
        InputError: it gave none.
    """
    outputs = model(**batch)
    loss = outputs.get("loss") if hasattr(outputs, "get") else outputs[0]
    if loss is None:
        raise InputError(f"the model gave no loss for {', '.join(batch)}; does the data set have labels?")
    return loss, outputs


def loss_function(function: Callable[..., Tensor]) -> Callable[[nn.Module, Batch, int], tuple[Tensor, Any]]:
    """Fit a ``compute_loss_func(outputs, labels, num_items_in_batch=…)`` as `transformers` calls it."""

    def mean(model: nn.Module, batch: Batch, count: int) -> tuple[Tensor, Any]:
        labels = batch.get("labels")
        outputs = model(**{name: value for name, value in batch.items() if name != "labels"})
        return function(outputs, labels, num_items_in_batch=count), outputs

    return mean


def rows_of(batch: Batch) -> int:
    """How many rows a batch has, packed or padded."""
    layout = batch.get("layout")
    if layout is not None:
        return int(layout.rows)
    return next(len(value) for value in batch.values() if isinstance(value, Tensor))


def tokens_of(batch: Batch) -> int:
    """How many real tokens a batch has, on both sides of pairs; padding is not counted."""
    mask = batch.get("attention_mask")
    ids = batch.get("input_ids")
    written = 0
    if "decoder_layout" in batch:
        written = int(batch["decoder_layout"].q_lengths.sum())
    elif "decoder_input_ids" in batch and isinstance(batch.get("labels"), Tensor):
        written = _counted(batch["labels"])
    if isinstance(mask, Tensor):
        return int(mask.sum()) + written
    return (ids.numel() if isinstance(ids, Tensor) else 0) + written


def _shifted(model: Any, labels: Tensor, layout: Any) -> Tensor:
    """What a decoder reads to say ``labels``: (batch, seq), or (tokens,) with the layout of their rows."""
    if layout is None:
        given: Tensor = model.prepare_decoder_input_ids_from_labels(labels)
        return given
    lengths = layout.q_lengths.to(labels.device)[:, None]
    real = torch.arange(int(layout.q_lengths.max()), device=labels.device) < lengths
    rows = labels.new_full(real.shape, IGNORED)
    rows[real] = labels
    shifted: Tensor = model.prepare_decoder_input_ids_from_labels(rows)
    return shifted[real]


def _labels_padding(batch: Batch) -> bool:
    mask, labels = batch.get("attention_mask"), batch.get("labels")
    if "decoder_input_ids" in batch:  # labels are the decoder's, the mask the encoder's
        mask = batch.get("decoder_attention_mask")
    if not isinstance(mask, Tensor) or not isinstance(labels, Tensor) or mask.shape != labels.shape:
        return False
    return bool(((labels != IGNORED) & (mask == 0)).any())


def _counted(labels: Tensor) -> int:
    return labels.numel() if labels.is_floating_point() else int((labels != IGNORED).sum())
