"""What a safetensors file holds, from its header alone: names, types, shapes, and how many parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

from enfold.hub.server.contents import Content
from enfold.hub.server.weights import parameters_in, read_header

__all__ = ["TensorRow", "Tensors", "tensors_in"]

_MOST_SHOWN = 5000


@dataclass(frozen=True, slots=True)
class TensorRow:
    """One tensor."""

    name: str
    dtype: str
    shape: str
    parameters: int


@dataclass(frozen=True, slots=True)
class Tensors:
    """The tensors of a file."""

    rows: list[TensorRow]
    """In the order of their names; of very many only the first."""
    count: int
    by_dtype: dict[str, int]
    """Parameters."""
    metadata: dict[str, str]

    @property
    def parameters(self) -> int:
        """Of all tensors."""
        return sum(self.by_dtype.values())


def tensors_in(content: Content) -> Tensors | None:
    """Read the header of a file; None when it is not as the format says, or longer than is read."""
    header = read_header(lambda start, length: b"".join(content.read(start, length)), content.size)
    by_dtype = None if header is None else parameters_in(header)
    if header is None or by_dtype is None:
        return None
    given = header.pop("__metadata__", None)
    metadata = (
        {str(key): str(value)[:2000] for key, value in list(given.items())[:50]} if isinstance(given, dict) else {}
    )
    rows = [
        TensorRow(
            name, header[name]["dtype"], " × ".join(map(str, header[name]["shape"])), math.prod(header[name]["shape"])
        )
        for name in sorted(header)[:_MOST_SHOWN]
    ]
    return Tensors(rows, len(header), by_dtype, metadata)
