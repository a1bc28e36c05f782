"""What the trainer needs to know of a data set: its rows, their columns, their lengths.

A torch ``Dataset``, a list of dicts and a ``datasets.Dataset`` are all the same here: something with a length and rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.utils.data import IterableDataset

from enfold.errors import InputError
from enfold.training.objectives import IGNORED


def check_rows(dataset: Any, what: str) -> None:
    """Refuse what cannot be counted or is empty.

    Args:
        dataset: the data set.
        what: what it is for, as the message names it.

    Raises:
        InputError: there is none, it has no length, or it has no rows.
    """
    if dataset is None:
        raise InputError(f"Trainer was given no {what}")
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise InputError(
            f"{what} is a {type(dataset).__name__} without a length; batches by length and an exact resume need one: "
            "give a list, a torch Dataset with __len__ and __getitem__, or a datasets.Dataset"
        )
    if len(dataset) == 0:
        raise InputError(f"{what} has no rows")


def arguments_of(model: nn.Module) -> list[str]:
    """The names ``model.forward`` takes."""
    return list(inspect.signature(model.forward).parameters)


def label_columns(model: nn.Module) -> list[str]:
    """The arguments of a model that hold labels."""
    names = arguments_of(model)
    return [name for name in names if "label" in name or name in ("start_positions", "end_positions")] or ["labels"]


def learns_pairs(model: nn.Module) -> bool:
    """Whether a row is a source to read and labels to write: the model makes what its decoder reads from labels."""
    return hasattr(model, "prepare_decoder_input_ids_from_labels")


def without_unused_columns(dataset: Any, names: set[str], what: str) -> Any:
    """A ``datasets.Dataset`` without the columns the model does not take, so that they are never read.

    Raises:
        InputError: no column is left.
    """
    columns = getattr(dataset, "column_names", None)
    if columns is None or not hasattr(dataset, "remove_columns"):
        return dataset
    unused = [name for name in columns if name not in names]
    if len(unused) == len(columns):
        raise InputError(
            f"{what} has no column that the model takes; it has: {', '.join(columns)}; "
            f"the model takes: {', '.join(sorted(names))}; tokenise it first"
        )
    return dataset.remove_columns(unused) if unused else dataset


def lengths_of(dataset: Any, length_column: str, *, pairs: bool = False) -> list[int]:
    """Real tokens of each row.

    Args:
        dataset: the data set.
        length_column: a column that holds them, where there is one.
        pairs: count the labels too, which a decoder writes.

    Raises:
        InputError: a row has no ``input_ids``.
    """
    columns = getattr(dataset, "column_names", [])
    if length_column in columns:
        return [int(length) for length in dataset[length_column]]
    if "input_ids" in columns:
        needed = [name for name in ("input_ids", "attention_mask", "labels") if name in columns]
        parts = {name: dataset[name] for name in needed}
        rows = (dict(zip(needed, values, strict=True)) for values in zip(*parts.values(), strict=True))
        return [_length(row, index, pairs) for index, row in enumerate(rows)]
    return [_length(dataset[index], index, pairs) for index in range(len(dataset))]


def _length(row: Any, index: int, pairs: bool) -> int:
    if not isinstance(row, Mapping) or "input_ids" not in row:
        raise InputError(f"row {index} has no input_ids, so its length is unknown; batches by length need it")
    mask = row.get("attention_mask")
    read = len(row["input_ids"]) if mask is None else int(sum(mask))
    labels = row.get("labels") if pairs else None
    return read if labels is None else read + sum(int(label) != IGNORED for label in labels)
