"""Bringing rows of one batch to the same length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enfold.errors import InputError
from enfold.text.batch import BatchEncoding
from enfold.text.options import Side
from enfold.values import Encoding

__all__ = ["Padding", "pad_encodings", "pad_features"]


@dataclass(frozen=True, slots=True)
class Padding:
    """To which length rows are brought, on which side, and with what."""

    side: Side
    pad_id: int
    pad_token: str
    length: int | None = None
    """``None``: that of the longest row."""
    multiple_of: int | None = None

    def __post_init__(self) -> None:
        if self.side not in ("left", "right"):
            raise InputError(f"padding_side must be 'left' or 'right'; it is {self.side!r}")
        if self.multiple_of is not None and self.multiple_of < 1:
            raise InputError(f"pad_to_multiple_of must be at least 1; it is {self.multiple_of}")

    def target(self, longest: int) -> int:
        """The length rows are brought to; longer ones stay as they are."""
        length = longest if self.length is None else self.length
        return length if not self.multiple_of else -(-length // self.multiple_of) * self.multiple_of


def pad_encodings(encodings: Sequence[Any], padding: Padding) -> None:
    """Pad engine encodings in place, with type 0."""
    target = padding.target(max((len(encoding) for encoding in encodings), default=0))
    for encoding in encodings:
        encoding.pad(target, direction=padding.side, pad_id=padding.pad_id, pad_type_id=0, pad_token=padding.pad_token)


def pad_features(features: Any, padding: Padding | None, *, attention_mask: bool, tensors: str | None) -> BatchEncoding:
    """Pad rows that were encoded one by one, as a collator does.

    Args:
        features: a list of mappings with ``input_ids`` and what goes with them, a mapping of lists, or `Encoding`
            values; or one such row. ``attention_mask`` is made where it is missing; other columns, such as labels, pass
            unchanged.
        padding: ``None`` leaves the lengths as they are.
        attention_mask: whether there is one in the result.
        tensors: ``"pt"``, ``"np"`` or ``None`` for lists.

    Raises:
        InputError: a row has no ``input_ids``, or columns of different lengths.
    """
    columns, single, kind = _columns(features)
    rows = columns["input_ids"]
    lengths = [len(row) for row in rows]
    if attention_mask and "attention_mask" not in columns:
        columns["attention_mask"] = [[1] * length for length in lengths]
    if not attention_mask:
        columns.pop("attention_mask", None)
    if padding is not None and rows:
        target = padding.target(max(lengths))
        fills = {"input_ids": padding.pad_id, "attention_mask": 0, "token_type_ids": 0, "special_tokens_mask": 1}
        for name, fill in fills.items():
            if name in columns:
                columns[name] = [_padded(row, target, fill, padding.side) for row in columns[name]]
    data = {name: column[0] if single else column for name, column in columns.items()}
    return BatchEncoding(data, tensor_type=tensors or kind)


def _padded(row: list[int], target: int, fill: int, side: Side) -> list[int]:
    missing = [fill] * (target - len(row))
    return row + missing if side == "right" else missing + row


def _columns(features: Any) -> tuple[dict[str, list[Any]], bool, str | None]:
    """The features as columns of lists; whether it was a single row; and the kind of tensor they came as."""
    if isinstance(features, (list, tuple)):
        rows = [_as_mapping(row) for row in features]
        if not rows:
            return {"input_ids": []}, False, None
        names = list(rows[0])
        for index, row in enumerate(rows):
            if "input_ids" not in row:
                raise InputError(
                    f"row {index} has no input_ids to pad; it has: {', '.join(map(str, row)) or 'nothing'}"
                )
            if list(row) != names and set(row) != set(names):
                raise InputError(
                    f"row {index} has {', '.join(row)}; row 0 has {', '.join(names)}: they must have the same"
                )
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in names}
        single = False
    else:
        columns = dict(_as_mapping(features))
        if "input_ids" not in columns:
            raise InputError(f"there are no input_ids to pad; there are: {', '.join(map(str, columns)) or 'none'}")
        ids = columns["input_ids"]
        single = len(ids) > 0 and not hasattr(ids[0], "__len__") and getattr(ids[0], "ndim", 0) == 0
        if single:
            columns = {name: [value] for name, value in columns.items()}
    kind = _kind(columns["input_ids"])
    return {name: [_plain(value) for value in column] for name, column in columns.items()}, single, kind


def _as_mapping(row: Any) -> Mapping[str, Any]:
    if isinstance(row, Encoding):
        return {"input_ids": row.ids, "token_type_ids": row.type_ids}
    if isinstance(row, Mapping):
        return row
    raise InputError(f"rows to pad are mappings with input_ids, or Encoding values; one is a {type(row).__name__}")


def _kind(rows: Any) -> str | None:
    first = rows if not isinstance(rows, (list, tuple)) else rows[0] if rows else None
    if isinstance(first, np.ndarray):
        return "np"
    return "pt" if type(first).__module__.split(".")[0] == "torch" else None


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
