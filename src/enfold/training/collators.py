"""From the rows of a data set to one batch.

Batches are packed, never padded, wherever the model takes packed tokens. The padding collators are there for
scripts that ask for them, and for models that need padded tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.packing import pack
from enfold.training.objectives import IGNORED, Batch

Collator = Callable[[list[Any]], Batch]

_LABEL_SPELLINGS = ("label", "label_ids")
_ROW_LABELS = ("next_sentence_label", "start_positions", "end_positions")
_PACKABLE = {"input_ids", "token_type_ids", "attention_mask", "labels", *_LABEL_SPELLINGS, *_ROW_LABELS}


def _plain(values: Any) -> Any:
    """Numbers and lists of numbers, whatever held them."""
    return values.tolist() if isinstance(values, (Tensor, np.ndarray, np.generic)) else values


def _tensor(values: Sequence[Any]) -> Tensor:
    if isinstance(values[0], Tensor):
        return torch.stack(list(values))
    if isinstance(values[0], np.ndarray):
        return torch.from_numpy(np.stack(values))
    return torch.tensor(values)


def _label_of(row: Mapping[str, Any]) -> tuple[bool, Any]:
    for name in ("labels", *_LABEL_SPELLINGS):
        if row.get(name) is not None:
            return True, row[name]
    return False, None


def default_data_collator(features: list[Any], return_tensors: str = "pt") -> Batch:
    """Stack rows that are already of one length; ``label`` and ``label_ids`` become ``labels``.

    Raises:
        InputError: rows differ in length, or hold something that is no number.
    """
    _only_torch(return_tensors)
    rows = [row if isinstance(row, Mapping) else vars(row) for row in features]
    batch: Batch = {}
    labelled, first = _label_of(rows[0])
    if labelled:
        batch["labels"] = _tensor([_label_of(row)[1] for row in rows])
        if isinstance(first, (bool, int, np.integer)):
            batch["labels"] = batch["labels"].long()
    for name, value in rows[0].items():
        if name in ("labels", *_LABEL_SPELLINGS) or value is None or isinstance(value, str):
            continue
        try:
            batch[name] = _tensor([row[name] for row in rows])
        except (ValueError, RuntimeError, TypeError) as error:
            raise InputError(
                f"column {name!r} cannot be stacked into one tensor; rows of unlike length need "
                f"DataCollatorWithPadding(tokenizer), or processing_class=tokenizer in Trainer: {error}"
            ) from error
    return batch


class DataCollatorWithPadding:
    """Pad the rows of a batch to its longest, with the tokenizer's own padding.

    Args:
        tokenizer: anything with ``pad``.
        padding: ``True`` or ``"longest"``, ``"max_length"``, or ``False``.
        max_length: for ``padding="max_length"``.
        pad_to_multiple_of: round the length up to a multiple.
        return_tensors: ``"pt"``.
    """

    def __init__(
        self,
        tokenizer: Any,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        return_tensors: str = "pt",
    ) -> None:
        _only_torch(return_tensors)
        self.tokenizer = tokenizer
        self.padding = padding
        self.max_length = max_length
        self.pad_to_multiple_of = pad_to_multiple_of
        self.return_tensors = return_tensors

    def _pad(self, rows: list[dict[str, Any]]) -> Batch:
        padded = self.tokenizer.pad(
            rows,
            padding=self.padding,
            max_length=self.max_length,
            pad_to_multiple_of=self.pad_to_multiple_of,
            return_tensors="pt",
        )
        return dict(padded)

    def __call__(self, features: list[Any]) -> Batch:
        """Give a padded batch with ``attention_mask``; ``label`` and ``label_ids`` become ``labels``."""
        spelled = ("labels", *_LABEL_SPELLINGS)
        batch = self._pad([{name: value for name, value in row.items() if name not in spelled} for row in features])
        labelled, _ = _label_of(features[0])
        if labelled:
            batch["labels"] = _tensor([_label_of(row)[1] for row in features])
        return batch


class DataCollatorForTokenClassification(DataCollatorWithPadding):
    """Pad rows and their labels, one a token; a label at padding is ``label_pad_token_id`` and not counted.

    Args:
        tokenizer: anything with ``pad``.
        padding: as in :class:`DataCollatorWithPadding`.
        max_length: as there.
        pad_to_multiple_of: as there.
        label_pad_token_id: what stands at padding.
        return_tensors: ``"pt"``.
    """

    def __init__(
        self,
        tokenizer: Any,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        label_pad_token_id: int = IGNORED,
        return_tensors: str = "pt",
    ) -> None:
        super().__init__(tokenizer, padding, max_length, pad_to_multiple_of, return_tensors)
        self.label_pad_token_id = label_pad_token_id

    def __call__(self, features: list[Any]) -> Batch:
        """Give a padded batch with ``attention_mask`` and ``labels`` of the same shape."""
        spelled = ("labels", *_LABEL_SPELLINGS)
        batch = self._pad([{name: value for name, value in row.items() if name not in spelled} for row in features])
        labelled, _ = _label_of(features[0])
        if labelled:
            # Labels stand where the tokens stand, on whichever side the tokenizer pads.
            labels = torch.full_like(batch["input_ids"], self.label_pad_token_id)
            left = getattr(self.tokenizer, "padding_side", "right") == "left"
            for place, row in zip(labels, features, strict=True):
                own = torch.as_tensor(_label_of(row)[1])
                start = len(place) - len(own) if left else 0
                place[start : start + len(own)] = own
            batch["labels"] = labels
        return batch


class PackingCollator:
    """Put the rows of a batch one after another, without padding.

    The batch is ``input_ids (tokens,)``, ``token_type_ids (tokens,)``, ``layout`` and ``labels``: one a row, or one a
    token where a row has as many labels as tokens. Right padding that rows bring along is left out. What cannot
    be packed (left padding, masks with holes, several sequences a row, further columns) goes to ``otherwise``.

    Args:
        otherwise: a collator that pads.
    """

    def __init__(self, otherwise: Collator = default_data_collator) -> None:
        self.otherwise = otherwise

    def __call__(self, features: list[Any]) -> Batch:
        """Give a packed batch, or what ``otherwise`` makes of it.

        Raises:
            InputError: a label is not a number.
        """
        rows = [_real_part(row) for row in features]
        found = [row for row in rows if row is not None]
        if len(found) < len(features) or len({(row.by_token, row.type_ids is None) for row in found}) > 1:
            return self.otherwise(features)
        type_ids = None if found[0].type_ids is None else [row.type_ids or [] for row in found]
        packed = pack([row.ids for row in found], type_ids)
        batch: Batch = {
            "input_ids": packed.input_ids,
            "token_type_ids": packed.token_type_ids,
            "layout": packed.layout,
        }
        if found[0].labels is not None:
            labels = [row.labels for row in found]
            batch["labels"] = _label_tensor([label for row in labels for label in row] if found[0].by_token else labels)
        for name in _ROW_LABELS:
            if name in features[0]:
                batch[name] = _label_tensor([_plain(row[name]) for row in features])
        return batch


class _RealPart(NamedTuple):
    """A row without its right padding."""

    ids: list[int]
    type_ids: list[int] | None
    labels: Any
    by_token: bool
    """Whether there are as many labels as tokens."""


def _real_part(row: Any) -> _RealPart | None:
    """What of a row is packed; ``None`` where it cannot be."""
    if not isinstance(row, Mapping) or not _PACKABLE.issuperset(row):
        return None
    ids = _plain(row["input_ids"])
    if not ids or isinstance(ids[0], list):
        return None
    type_ids = _plain(row["token_type_ids"]) if row.get("token_type_ids") is not None else None
    labels = _plain(_label_of(row)[1])
    by_token = isinstance(labels, list) and len(labels) == len(ids) and isinstance(labels[0], int)
    if row.get("attention_mask") is not None:
        mask = _plain(row["attention_mask"])
        real = sum(mask)
        if real < len(mask):
            if not real or 0 in mask[:real] or (by_token and any(label != IGNORED for label in labels[real:])):
                return None
            ids, type_ids = ids[:real], type_ids[:real] if type_ids is not None else None
            labels = labels[:real] if by_token else labels
    return _RealPart(ids, type_ids, labels, by_token)


def _label_tensor(labels: list[Any]) -> Tensor:
    try:
        return torch.tensor(labels)
    except (ValueError, TypeError) as error:
        wrong = next((label for label in labels if isinstance(label, str)), labels[0])
        raise InputError(
            f"label {wrong!r} is not a number; LabelSet.encode turns names into the numbers of a model's outputs"
        ) from error


class KeepColumns:
    """Show a collator only the columns the model knows.

    Args:
        collator: what makes the batch.
        names: the columns to keep.
    """

    def __init__(self, collator: Collator, names: set[str]) -> None:
        self.collator = collator
        self.names = names

    def __call__(self, features: list[Any]) -> Batch:
        """Give the batch of what is left."""
        if not isinstance(features[0], Mapping) or self.names.issuperset(features[0]):
            return self.collator(features)
        return self.collator([{name: value for name, value in row.items() if name in self.names} for row in features])


def _only_torch(return_tensors: str) -> None:
    if return_tensors != "pt":
        raise InputError(f"return_tensors={return_tensors!r} is not supported; there is 'pt'")
