"""What a GGUF file says of itself: its metadata, and where its tensors lie. Needs no torch and no ``gguf`` package.

The format: a header, key-value pairs, a table of tensors, and their bytes, aligned (ggml's ``docs/gguf.md``, versions 2
and 3). Every length is checked against the file before it is used, so that a file that is cut short or lies about its
sizes is one clear error and never a huge allocation. The header of a model with 49,000 tokens is read in a tenth of a
second; the package's own reader, which makes several arrays of each string, takes four.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from enfold.errors import CheckpointError

__all__ = ["GgufFile", "GgufTensor", "find_gguf"]

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_MOST_DIMENSIONS = 4
_DEFAULT_ALIGNMENT = 32

_BLOCKS = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}
"""The number of a type in the file: its name, the values of a block, and the bytes of a block."""


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A line of the table of tensors."""

    name: str
    shape: tuple[int, ...]
    """Rows first, as torch counts; the file has them the other way round."""
    kind: str
    """How its values are stored: ``F32``, ``Q4_1``, …"""
    number: int
    """The same, as ggml numbers it."""
    start: int
    """Where its bytes begin in the file."""
    size: int
    """How many bytes it takes."""


def find_gguf(path: Path) -> Path | None:
    """The GGUF file that ``path`` is, or the only one in the folder that it is; None where there is none.

    Raises:
        CheckpointError: the folder holds several.
    """
    if path.is_file():
        return path if path.suffix == ".gguf" else None
    found = sorted(path.glob("*.gguf"))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise CheckpointError(f"{path} holds {len(found)} GGUF files: name the one that is meant: {names}")
    return found[0] if found else None


def _shortest(value: float) -> float:
    """The number somebody wrote: of those that are the same in float32, the one with the fewest digits."""
    stored = struct.pack("<f", value)
    candidates = (float(f"{value:.{digits}g}") for digits in range(1, 9))
    return next((candidate for candidate in candidates if struct.pack("<f", candidate) == stored), value)


class GgufFile:
    """A GGUF file, mapped into memory; its bytes are read when they are asked for.

    Attributes:
        path: the file.
        metadata: its key-value pairs; arrays are lists.
        tensors: the table of tensors, by name.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the header.

        Raises:
            CheckpointError: it is no GGUF file, of a version or byte order that is not read, cut short, or one part of
                several.
        """
        self.path = Path(path)
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if size else mmap.mmap(-1, 1)
        self._place = 0
        self._inside = "the header"
        if self.bytes[:4] != _MAGIC:
            raise CheckpointError(f"{self.path} is not a GGUF file: it does not begin with the letters GGUF")
        self._place = 4
        version = self._number("I")
        if version not in _VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            what = "in big-endian byte order" if swapped in _VERSIONS else f"of GGUF version {version}"
            raise CheckpointError(f"{self.path} is {what}; little-endian files of versions 2 and 3 are read")
        tensors, pairs = self._number("Q"), self._number("Q")
        self.metadata: Mapping[str, Any] = dict(self._pair() for _ in range(pairs))
        self._check_whole()
        self.tensors = self._table(tensors)

    @cached_property
    def architecture(self) -> str:
        """The name of the architecture, such as ``llama``.

        Raises:
            CheckpointError: the file does not say.
        """
        name = self.metadata.get("general.architecture")
        if not isinstance(name, str):
            raise CheckpointError(f"{self.path} does not name its architecture (general.architecture)")
        return name

    def tokenizer_metadata(self) -> dict[str, Any]:
        """What the file says of its tokenizer: the keys ``tokenizer.…``, among them the chat templates, and the
        architecture and context length, which it depends on.
        """
        of_model = ("general.architecture", f"{self.metadata.get('general.architecture')}.context_length")
        return {key: value for key, value in self.metadata.items() if key.startswith("tokenizer.") or key in of_model}

    # ---- reading ----------------------------------------------------------------------------------------------------

    def _take(self, count: int) -> int:
        """Move on by ``count`` bytes; where they began."""
        start, end = self._place, self._place + count
        if end > len(self.bytes):
            raise CheckpointError(
                f"{self.path} is cut short: {self._inside} goes on to byte {end} at least, the file has "
                f"{len(self.bytes)}; fetch it again"
            )
        self._place = end
        return start

    def _number(self, letter: str) -> Any:
        return struct.unpack_from(f"<{letter}", self.bytes, self._take(struct.calcsize(f"<{letter}")))[0]

    def _string(self) -> str:
        length = self._number("Q")
        start = self._take(length)
        return self.bytes[start : start + length].decode("utf-8", errors="replace")

    def _pair(self) -> tuple[str, Any]:
        key = self._string()
        self._inside = f"the metadata {key!r}"
        return key, self._value(self._number("I"), key)

    def _value(self, kind: int, key: str) -> Any:
        if kind in _SCALARS:
            value = self._number(_SCALARS[kind])
            return _shortest(value) if _SCALARS[kind] == "f" else value
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise CheckpointError(f"{self.path} is damaged: the metadata {key!r} is of the unknown type {kind}")
        inner, count = self._number("I"), self._number("Q")
        if inner in _SCALARS:
            letter = _SCALARS[inner]
            return list(
                struct.unpack_from(f"<{count}{letter}", self.bytes, self._take(count * struct.calcsize(letter)))
            )
        if inner != _STRING:
            raise CheckpointError(
                f"{self.path} is damaged: the metadata {key!r} is an array of the unknown type {inner}"
            )
        return [self._string() for _ in range(count)]

    def _check_whole(self) -> None:
        parts = self.metadata.get("split.count", 1)
        if parts > 1:
            part = self.metadata.get("split.no", 0) + 1
            raise CheckpointError(
                f"{self.path} is part {part} of {parts}; put them together first: llama-gguf-split --merge"
            )

    def _table(self, count: int) -> dict[str, GgufTensor]:
        self._inside = "the table of tensors"
        lines = []
        for _ in range(count):
            name = self._string()
            dimensions = self._number("I")
            if dimensions > _MOST_DIMENSIONS:
                raise CheckpointError(f"{self.path} is damaged: tensor {name!r} would have {dimensions} dimensions")
            shape = tuple(reversed([self._number("Q") for _ in range(dimensions)]))
            lines.append((name, shape, self._number("I"), self._number("Q")))
        alignment = self.metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise CheckpointError(f"{self.path} is damaged: general.alignment is {alignment!r}")
        data = -(-self._place // alignment) * alignment
        return {name: self._tensor(name, shape, number, data + start) for name, shape, number, start in lines}

    def _tensor(self, name: str, shape: tuple[int, ...], number: int, start: int) -> GgufTensor:
        if number not in _BLOCKS:
            raise CheckpointError(f"tensor {name!r} of {self.path} is stored as ggml type {number}, which is not known")
        kind, values, size = _BLOCKS[number]
        if shape and shape[-1] % values:
            raise CheckpointError(
                f"{self.path} is damaged: tensor {name!r} has rows of {shape[-1]} values, and blocks "
                f"of {kind} have {values}"
            )
        length = prod(shape) // values * size
        if start + length > len(self.bytes):
            raise CheckpointError(
                f"{self.path} is cut short: tensor {name!r} ends at byte {start + length}, the file has "
                f"{len(self.bytes)}; fetch it again"
            )
        return GgufTensor(name, shape, kind, number, start, length)
