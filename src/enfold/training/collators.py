"""From the rows of a data set to one padded batch, under the names `transformers` has for it.

They are there for scripts that ask for them, and for models that need padded tensors; otherwise batches are packed
(:mod:`enfold.training.packing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.training.objectives import IGNORED, Batch

Collator = Callable[[list[Any]], Batch]

LABEL_SPELLINGS = ("label", "label_ids")


def plain(values: Any) -> Any:
    """Numbers and lists of numbers, whatever held them."""
    return values.tolist() if isinstance(values, (Tensor, np.ndarray, np.generic)) else values


def _tensor(values: Sequence[Any]) -> Tensor:
    if isinstance(values[0], Tensor):
        return torch.stack(list(values))
    if isinstance(values[0], np.ndarray):
        return torch.from_numpy(np.stack(values))
    return torch.tensor(values)


def label_of(row: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether a row has labels, and what they are, whichever of its names they have."""
    for name in ("labels", *LABEL_SPELLINGS):
        if row.get(name) is not None:
            return True, row[name]
    return False, None


def default_data_collator(features: list[Any], return_tensors: str = "pt") -> Batch:
    """Stack rows that are already of one length; ``label`` and ``label_ids`` become ``labels``.

    Raises:
        InputError: rows differ in length, or hold something that is no number.
    """
    only_torch(return_tensors)
    rows = [row if isinstance(row, Mapping) else vars(row) for row in features]
    batch: Batch = {}
    labelled, first = label_of(rows[0])
    if labelled:
        batch["labels"] = _tensor([label_of(row)[1] for row in rows])
        if isinstance(first, (bool, int, np.integer)):
            batch["labels"] = batch["labels"].long()
    for name, value in rows[0].items():
        if name in ("labels", *LABEL_SPELLINGS) or value is None or isinstance(value, str):
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
        only_torch(return_tensors)
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
        spelled = ("labels", *LABEL_SPELLINGS)
        batch = self._pad([{name: value for name, value in row.items() if name not in spelled} for row in features])
        labelled, _ = label_of(features[0])
        if labelled:
            batch["labels"] = _tensor([label_of(row)[1] for row in features])
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
        spelled = ("labels", *LABEL_SPELLINGS)
        batch = self._pad([{name: value for name, value in row.items() if name not in spelled} for row in features])
        labelled, _ = label_of(features[0])
        if labelled:
            # Labels stand where the tokens stand, on whichever side the tokenizer pads.
            labels = torch.full_like(batch["input_ids"], self.label_pad_token_id)
            left = getattr(self.tokenizer, "padding_side", "right") == "left"
            for place, row in zip(labels, features, strict=True):
                own = torch.as_tensor(label_of(row)[1])
                start = len(place) - len(own) if left else 0
                place[start : start + len(own)] = own
            batch["labels"] = labels
        return batch


class DataCollatorForSeq2Seq(DataCollatorWithPadding):
    """Pad pairs for an encoder-decoder: the source with the tokenizer's own padding, its labels with -100.

    Labels are padded on the right whatever the tokenizer's side is: a decoder counts its places from its first token.

    Args:
        tokenizer: anything with ``pad``.
        model: gives ``decoder_input_ids`` from the labels, where it can.
        padding: as in :class:`DataCollatorWithPadding`; ``"max_length"`` holds for labels too.
        max_length: as there.
        pad_to_multiple_of: as there, for both sides.
        label_pad_token_id: what stands at the padding of labels.
        return_tensors: ``"pt"``.
    """

    def __init__(
        self,
        tokenizer: Any,
        model: Any = None,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        label_pad_token_id: int = IGNORED,
        return_tensors: str = "pt",
    ) -> None:
        super().__init__(tokenizer, padding, max_length, pad_to_multiple_of, return_tensors)
        self.model = model
        self.label_pad_token_id = label_pad_token_id

    def __call__(self, features: list[Any]) -> Batch:
        """Give a padded batch with ``attention_mask``, and with ``labels`` and ``decoder_input_ids`` of one shape."""
        own = ("labels", *LABEL_SPELLINGS, "decoder_input_ids", "decoder_attention_mask")
        batch = self._pad([{name: value for name, value in row.items() if name not in own} for row in features])
        labelled, _ = label_of(features[0])
        if not labelled:
            return batch
        rows = [torch.as_tensor(label_of(row)[1]) for row in features]
        longest = max(len(row) for row in rows)
        if self.padding == "max_length" and self.max_length is not None:
            longest = max(longest, self.max_length)
        if self.pad_to_multiple_of:
            longest = -(-longest // self.pad_to_multiple_of) * self.pad_to_multiple_of
        labels = torch.full((len(rows), longest), self.label_pad_token_id)
        for place, row in zip(labels, rows, strict=True):
            place[: len(row)] = row
        batch["labels"] = labels
        if hasattr(self.model, "prepare_decoder_input_ids_from_labels"):
            batch["decoder_input_ids"] = self.model.prepare_decoder_input_ids_from_labels(labels=labels)
        return batch


def only_torch(return_tensors: str) -> None:
    """Refuse tensors of other libraries."""
    if return_tensors != "pt":
        raise InputError(f"return_tensors={return_tensors!r} is not supported; there is 'pt'")
