"""From the rows of a data set to one batch without padding.

Rows lie one after another, and a layout says where each begins. What a model reads decides how a row is taken: a text
with its labels, a text that is its own label (a causal language model), or a pair of a source and a target (an
encoder-decoder), whose sides have a layout each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.packing import layout_of, pack
from enfold.training.collators import LABEL_SPELLINGS, Collator, default_data_collator, label_of, plain
from enfold.training.objectives import IGNORED, Batch

_ROW_LABELS = ("next_sentence_label", "sentence_order_label", "start_positions", "end_positions")
_TEXT_COLUMNS = {"input_ids", "token_type_ids", "attention_mask", "labels", *LABEL_SPELLINGS, *_ROW_LABELS}
_PAIR_COLUMNS = {"input_ids", "attention_mask", "labels", *LABEL_SPELLINGS, "decoder_input_ids"}


class PackingCollator:
    """Put the rows of a batch one after another, without padding.

    The batch is ``input_ids (tokens,)``, ``token_type_ids (tokens,)`` where rows have them, ``layout`` and ``labels``:
    one a row, or one a token where a row has as many labels as tokens. Right padding that rows bring along is left out.
    What cannot be packed (left padding, masks with holes, several sequences a row, further columns) goes to
    ``otherwise``.

    Args:
        otherwise: a collator that pads.
        pairs: rows are pairs: ``input_ids`` for an encoder, ``labels`` to be written by a decoder. The batch has
            ``labels (decoder tokens,)`` and a ``decoder_layout``, and ``decoder_input_ids`` where rows have them.
        own_labels: rows without labels are to be learned as they stand, as a causal language model does.
    """

    def __init__(
        self, otherwise: Collator = default_data_collator, *, pairs: bool = False, own_labels: bool = False
    ) -> None:
        self.otherwise = otherwise
        self.pairs = pairs
        self.own_labels = own_labels

    def __call__(self, features: list[Any]) -> Batch:
        """Give a packed batch, or what ``otherwise`` makes of it.

        Raises:
            InputError: a label is not a number, or a row to be learned has not one label a token.
        """
        if self.pairs:
            return self._pairs(features)
        if self.own_labels:
            features = [_with_own_labels(row, number) for number, row in enumerate(features)]
        rows = [_real_part(row) for row in features]
        found = [row for row in rows if row is not None]
        if len(found) < len(features) or len({(row.by_token, row.type_ids is None) for row in found}) > 1:
            return self.otherwise(features)
        batch = _packed([row.ids for row in found], [row.type_ids for row in found])
        if found[0].labels is not None:
            labels = [row.labels for row in found]
            batch["labels"] = _label_tensor([label for row in labels for label in row] if found[0].by_token else labels)
        for name in _ROW_LABELS:
            if name in features[0]:
                batch[name] = _label_tensor([plain(row[name]) for row in features])
        return batch

    def _pairs(self, features: list[Any]) -> Batch:
        rows = [_real_pair(row) for row in features]
        found = [row for row in rows if row is not None]
        if len(found) < len(features) or len({(row.labels is None, row.decoder_ids is None) for row in found}) > 1:
            return self.otherwise(features)
        batch = _packed([row.ids for row in found], [None])
        if found[0].labels is not None:
            labels = [row.labels or [] for row in found]
            batch["labels"] = _label_tensor([label for row in labels for label in row])
            batch["decoder_layout"] = layout_of(torch.tensor([len(row) for row in labels]))
        if found[0].decoder_ids is not None:
            batch["decoder_input_ids"] = torch.tensor([one for row in found for one in row.decoder_ids or []])
        return batch


def _packed(ids: list[list[int]], type_ids: Sequence[list[int] | None]) -> Batch:
    packed = pack(ids, None if type_ids[0] is None else [types or [] for types in type_ids])
    batch: Batch = {"input_ids": packed.input_ids, "layout": packed.layout}
    if type_ids[0] is not None:
        batch["token_type_ids"] = packed.token_type_ids
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
    if not isinstance(row, Mapping) or not _TEXT_COLUMNS.issuperset(row):
        return None
    ids = plain(row["input_ids"])
    if not ids or isinstance(ids[0], list):
        return None
    type_ids = plain(row["token_type_ids"]) if row.get("token_type_ids") is not None else None
    labels = plain(label_of(row)[1])
    by_token = isinstance(labels, list) and len(labels) == len(ids) and isinstance(labels[0], int)
    if row.get("attention_mask") is not None:
        mask = plain(row["attention_mask"])
        real = sum(mask)
        if real < len(mask):
            if not real or 0 in mask[:real] or (by_token and any(label != IGNORED for label in labels[real:])):
                return None
            ids, type_ids = ids[:real], type_ids[:real] if type_ids is not None else None
            labels = labels[:real] if by_token else labels
    return _RealPart(ids, type_ids, labels, by_token)


class _RealPair(NamedTuple):
    """A pair without the padding of either side."""

    ids: list[int]
    labels: list[int] | None
    decoder_ids: list[int] | None


def _real_pair(row: Any) -> _RealPair | None:
    """What of a pair is packed; ``None`` where it cannot be."""
    if not isinstance(row, Mapping) or not _PAIR_COLUMNS.issuperset(row):
        return None
    source = _real_part({name: row[name] for name in ("input_ids", "attention_mask") if name in row})
    if source is None:
        return None
    labels, decoder_ids = plain(label_of(row)[1]), plain(row.get("decoder_input_ids"))
    if labels is None:
        return None if decoder_ids is not None else _RealPair(source.ids, None, None)
    if not isinstance(labels, list) or (decoder_ids is not None and len(decoder_ids) != len(labels)):
        return None
    real = len(labels)
    while real and labels[real - 1] == IGNORED:
        real -= 1
    return _RealPair(source.ids, labels[:real], decoder_ids and decoder_ids[:real]) if real else None


def _with_own_labels(row: Any, number: int) -> Any:
    """The row with its ids as labels where it has none; -100 at padding, which the mask tells."""
    if not isinstance(row, Mapping):
        return row
    labelled, labels = label_of(row)
    ids = plain(row["input_ids"])
    if not labelled:
        mask = plain(row["attention_mask"]) if row.get("attention_mask") is not None else [1] * len(ids)
        return {**row, "labels": [one if real else IGNORED for one, real in zip(ids, mask, strict=True)]}
    labels = plain(labels)
    if not isinstance(labels, list) or len(labels) != len(ids):
        given = f"{len(labels)} labels" if isinstance(labels, list) else f"the label {labels!r}"
        raise InputError(
            f"row {number} of a batch has {given} for {len(ids)} tokens; a causal language model takes one label a "
            "token: usually the ids themselves, -100 where a token is not to be learned, or no labels at all"
        )
    return row


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
