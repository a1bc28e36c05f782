"""SentencePiece ``.model`` files: pieces, scores and how text is normalised before it is split.

The file is one protocol buffer message, ``ModelProto`` (Kudo and Richardson, "SentencePiece: A simple and language
independent subword tokenizer and detokenizer", 2018; ``sentencepiece_model.proto``). Only the few fields that decide
the result of splitting are read, by a reader of the wire format that fits on a page.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from enfold.errors import CheckpointError

__all__ = ["Piece", "PieceModel", "PieceType", "merges_of", "parse_pieces", "read_pieces"]


class PieceType(IntEnum):
    """What a piece is for; only normal, user-defined and byte pieces come out of a text."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of the vocabulary; its id is its position."""

    text: str
    score: float
    type: PieceType


@dataclass(frozen=True, slots=True)
class PieceModel:
    """What a ``.model`` file holds."""

    pieces: tuple[Piece, ...]
    algorithm: str
    """``unigram`` or ``bpe``."""
    unk_id: int = 0
    unk_piece: str = "<unk>"
    unk_surface: str = " \u2047 "
    byte_fallback: bool = False
    charsmap: bytes = b""
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True
    treat_whitespace_as_suffix: bool = False

    @property
    def scored(self) -> list[tuple[str, float]]:
        """Pieces and scores, as a Unigram model takes them."""
        return [(piece.text, piece.score) for piece in self.pieces]

    @property
    def ids(self) -> dict[str, int]:
        """Piece to id."""
        return {piece.text: number for number, piece in enumerate(self.pieces)}

    def of_type(self, *types: PieceType) -> list[Piece]:
        """The pieces of some types, in the order of their ids."""
        return [piece for piece in self.pieces if piece.type in types]


_TYPES = {int(kind): kind for kind in PieceType}
_SCORE = struct.Struct("<f")
_ALGORITHMS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}


def read_pieces(file: Path) -> PieceModel:
    """Read a ``.model`` (or ``.spm``) file.

    Raises:
        CheckpointError: the file is missing, cut short, no SentencePiece model, or splits into words or characters.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"no SentencePiece model at {file}") from error
    try:
        return parse_pieces(data)
    except _Damaged as error:
        raise CheckpointError(f"{file} is cut short or no SentencePiece model: {error}") from error
    except _Unsupported as error:
        raise CheckpointError(f"{file} {error}") from error


def parse_pieces(data: bytes) -> PieceModel:
    """What the bytes of a ``.model`` file hold."""
    pieces: list[Piece] = []
    trainer: dict[int, Any] = {}
    normalizer: dict[int, Any] = {}
    found: set[int] = set()
    for field, value in _fields(data, 0):
        if field in (1, 2, 3) and not isinstance(value, bytes):
            raise _Damaged(f"field {field} is not a message")
        found.add(field)
        if field == 1:
            pieces.append(_usual_piece(value) or _piece(dict(_fields(value, 0)), len(pieces)))
        elif field == 2:
            trainer.update(_fields(value, 0))
        elif field == 3:
            normalizer.update(_fields(value, 0))
    if not pieces:
        raise _Damaged("it holds no pieces")
    for field, name in ((2, "trainer"), (3, "normaliser")):
        if field not in found:
            raise _Damaged(f"after {len(pieces)} pieces, the settings of the {name} are missing")
    algorithm = _ALGORITHMS.get(trainer.get(3, 1), "unknown")
    if algorithm not in ("unigram", "bpe"):
        raise _Unsupported(f"splits texts by the algorithm {algorithm!r}; there are: unigram, bpe")
    unk_id = trainer.get(40, 0)
    if not 0 <= unk_id < len(pieces):
        raise _Damaged(f"the unknown piece should be {unk_id}, but there are {len(pieces)} pieces")
    return PieceModel(
        pieces=tuple(pieces),
        algorithm=algorithm,
        unk_id=unk_id,
        unk_piece=pieces[unk_id].text,
        unk_surface=_text(trainer.get(44, " \u2047 ".encode()), "the surface of the unknown piece"),
        byte_fallback=bool(trainer.get(35, 0)),
        charsmap=bytes(normalizer.get(2, b"")),
        add_dummy_prefix=bool(normalizer.get(3, 1)),
        remove_extra_whitespaces=bool(normalizer.get(4, 1)),
        escape_whitespaces=bool(normalizer.get(5, 1)),
        treat_whitespace_as_suffix=bool(trainer.get(24, 0)),
    )


def merges_of(ids: Mapping[str, int], rank: Mapping[str, float] | None = None) -> list[tuple[str, str]]:
    """The merges of a BPE vocabulary that does not list them: each way to put a piece together from two others.

    Args:
        ids: piece to id.
        rank: which piece is made first: the one that ranks highest; unless given, the one with the lowest id.
    """
    order = ids if rank is None else rank
    merges: list[tuple[float, int, int, str, str]] = []
    for piece in order:
        halves = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        ways = [(ids[left], ids[right], left, right) for left, right in halves if left in ids and right in ids]
        merges += [(order[piece], len(left), len(right), left, right) for *_, left, right in sorted(ways)]
    merges.sort(key=lambda merge: merge[:3], reverse=rank is not None)
    return [(left, right) for *_, left, right in merges]


def _usual_piece(data: bytes) -> Piece | None:
    """A piece of fewer than 128 bytes whose fields come in their order, as nearly all do; ``None`` for another."""
    if len(data) < 7 or data[0] != 0x0A or data[1] > 127:
        return None
    end = 2 + data[1]
    left = len(data) - end
    if (left != 5 and left != 7) or data[end] != 0x15 or (left == 7 and data[end + 5] != 0x18):
        return None
    kind = PieceType.NORMAL if left == 5 else _TYPES.get(data[end + 6])
    try:
        return Piece(data[2:end].decode(), _SCORE.unpack_from(data, end + 1)[0], kind) if kind else None
    except UnicodeDecodeError:
        return None


def _piece(fields: dict[int, Any], number: int) -> Piece:
    name = f"piece {number}"
    text = fields.get(1, b"")
    score = fields.get(2, b"\0\0\0\0")
    if not isinstance(text, bytes) or not isinstance(score, bytes) or len(score) != 4:
        raise _Damaged(f"{name} has no text and score")
    try:
        kind = PieceType(fields.get(3, 1))
    except ValueError:
        raise _Damaged(f"{name} is of the unknown type {fields[3]!r}") from None
    return Piece(_text(text, name), _SCORE.unpack(score)[0], kind)


def _text(value: Any, name: str) -> str:
    try:
        return bytes(value).decode("utf-8")
    except (UnicodeDecodeError, TypeError):
        raise _Damaged(f"{name} is not text") from None


def _fields(data: bytes, position: int) -> Iterator[tuple[int, Any]]:
    """The fields of a message: number, and an int (varint) or bytes (fixed width or length-delimited)."""
    while position < len(data):
        key, position = _varint(data, position)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield field, value - (1 << 64) if value >> 63 else value
            continue
        if wire == 2:
            length, position = _varint(data, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise _Damaged(f"no field begins at byte {position}")
        if position + length > len(data):
            raise _Damaged(f"a field of {length} bytes begins at byte {position}, but there are {len(data)}")
        yield field, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise _Damaged(f"no number ends before byte {position}")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if not byte & 0x80:
            return value, position


class _Damaged(Exception):
    pass


class _Unsupported(Exception):
    pass
