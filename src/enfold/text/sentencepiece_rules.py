"""How SentencePiece itself normalises a text and puts pieces together again.

The kinds whose reference is the SentencePiece library (Marian, M2M100) take these two steps outside the engine, whose
own normaliser looks at grapheme clusters where SentencePiece takes the longest match. The precompiled character map is
a double-array trie (Yata, darts-clone) of UTF-8 keys, followed by the zero-terminated texts they become.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from enfold.errors import CheckpointError
from enfold.text.alignment import Aligned
from enfold.text.sentencepiece_model import PieceModel, PieceType

__all__ = ["SPACE", "Charsmap", "SentencePieceDecoder", "SentencePieceNormalizer"]

SPACE = "\u2581"
"""What a blank becomes."""


class Charsmap:
    """The character map of a ``.model`` file: the longest key that a text goes on with, and what it becomes.

    Raises:
        CheckpointError: the bytes are no character map.
    """

    def __init__(self, data: bytes) -> None:
        self._units: tuple[int, ...] = ()
        self._texts = b""
        self._steps: dict[str, tuple[str | None, int | None]] = {}
        if not data:
            return
        size = struct.unpack_from("<I", data)[0] if len(data) >= 4 else len(data)
        if size % 4 or 4 + size > len(data) or not size:
            raise CheckpointError("the character map of a SentencePiece model is damaged")
        self._units = struct.unpack_from(f"<{size // 4}I", data, 4)
        self._texts = data[4 + size :]

    def _walk(self, key: bytes, node: int) -> tuple[str | None, int | None]:
        """From a node along a key: the text of that key if it is one, and the node if longer keys begin with it."""
        units = self._units
        for byte in key:
            node ^= byte
            if node >= len(units):
                return None, None
            unit = units[node]
            if unit & 0x800000FF != byte:
                return None, None
            node ^= (unit >> 10) << ((unit & 0x200) >> 6)
            leaf = bool(unit & 0x100)
        if not leaf or node >= len(units):
            return None, node
        start = units[node] & 0x7FFFFFFF
        return self._texts[start : self._texts.index(b"\0", start)].decode("utf-8", "replace"), node

    @cached_property
    def _root(self) -> int:
        unit = self._units[0]
        return (unit >> 10) << ((unit & 0x200) >> 6)

    def match(self, text: str, position: int) -> tuple[str, int]:
        """What the longest key at a position becomes, and where it ends; a character that begins none stays."""
        letter = text[position]
        if not self._units:
            return letter, position + 1
        step = self._steps.get(letter)
        if step is None:
            step = self._steps[letter] = self._walk(letter.encode("utf-8", "replace"), self._root)
        new, node = step
        end = after = position + 1
        while node is not None and after < len(text):
            longer, node = self._walk(text[after].encode("utf-8", "replace"), node)
            after += 1
            if longer is not None:
                new, end = longer, after
        return (letter if new is None else new), end


@dataclass(frozen=True)
class SentencePieceNormalizer:
    """Texts as SentencePiece's normaliser makes them: mapped, blanks reduced and marked, one blank in front."""

    charsmap: bytes
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True
    treat_whitespace_as_suffix: bool = False
    untouched: tuple[str, ...] = ()
    """User-defined pieces, longest first: they are never mapped."""

    @classmethod
    def of(cls, model: PieceModel) -> SentencePieceNormalizer:
        """The normaliser of a model."""
        untouched = sorted((piece.text for piece in model.of_type(PieceType.USER_DEFINED)), key=len, reverse=True)
        return cls(
            model.charsmap,
            model.add_dummy_prefix,
            model.remove_extra_whitespaces,
            model.escape_whitespaces,
            model.treat_whitespace_as_suffix,
            tuple(untouched),
        )

    @cached_property
    def _map(self) -> Charsmap:
        return Charsmap(self.charsmap)

    def __call__(self, text: str) -> Aligned:
        """Normalise a text."""
        letters: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        space = SPACE if self.escape_whitespaces else " "
        after_blank = self.remove_extra_whitespaces
        begun = False  # whether there is more than blanks, be it a character that is taken away
        position = 0
        while position < len(text):
            new, end = self._next(text, position)
            begun = begun or not self.remove_extra_whitespaces or new != " "
            if after_blank:
                new = new.lstrip(" ")
            if new:
                for letter in new:
                    letters.append(space if letter == " " else letter)
                    starts.append(position)
                    ends.append(end)
                after_blank = self.remove_extra_whitespaces and new.endswith(" ")
            position = end
        prefix = begun and self.add_dummy_prefix
        if prefix and not self.treat_whitespace_as_suffix:
            _insert(0, space, starts[0] if starts else 0, letters, starts, ends)
        if self.remove_extra_whitespaces:
            while letters and letters[-1] == space:
                del letters[-1], starts[-1], ends[-1]
        if prefix and self.treat_whitespace_as_suffix:
            _insert(len(letters), space, ends[-1] if ends else 0, letters, starts, ends)
        return Aligned("".join(letters), starts, ends)

    def _next(self, text: str, position: int) -> tuple[str, int]:
        for piece in self.untouched:
            if text.startswith(piece, position):
                return piece, position + len(piece)
        return self._map.match(text, position)


def _insert(place: int, letter: str, at: int, letters: list[str], starts: list[int], ends: list[int]) -> None:
    letters.insert(place, letter)
    starts.insert(place, at)
    ends.insert(place, at)


@dataclass(frozen=True)
class SentencePieceDecoder:
    """Text from pieces, as SentencePiece's own decoder writes it."""

    types: dict[str, PieceType] = field(repr=False)
    """The pieces that are not normal, and what they are."""
    known: frozenset[str] = field(repr=False)
    """Every piece of the model."""
    unk_piece: str = "<unk>"
    unk_surface: str = " \u2047 "
    strips: bool = True
    """Whether blanks at the beginning go."""
    strips_all: bool = True

    @classmethod
    def of(cls, model: PieceModel) -> SentencePieceDecoder:
        """The decoder of a model."""
        types: dict[str, PieceType] = {
            piece.text: piece.type for piece in model.pieces if piece.type is not PieceType.NORMAL
        }
        return cls(
            types,
            frozenset(piece.text for piece in model.pieces),
            model.unk_piece,
            model.unk_surface,
            model.add_dummy_prefix or model.remove_extra_whitespaces,
            model.remove_extra_whitespaces,
        )

    def __call__(self, pieces: Sequence[str]) -> str:
        """Put pieces together; those the model does not have are written as they are."""
        written: list[str] = []
        pending = b""
        beginning = True  # nothing has been written, and no single blank was taken away
        for piece in pieces:
            kind = self.types.get(piece, PieceType.NORMAL)
            if kind is PieceType.BYTE:
                pending += bytes([int(piece[3:5], 16)])
                continue
            if pending:
                written.append(pending.decode("utf-8", "replace"))
                pending, beginning = b"", False
            if kind is PieceType.CONTROL:
                continue
            if kind is PieceType.UNKNOWN:
                text = self.unk_surface
            elif piece not in self.known:
                text = piece
            else:
                text = piece
                if beginning and self.strips and text.startswith(SPACE):
                    text = text[1:]
                    beginning = beginning and self.strips_all
                text = text.replace(SPACE, " ")
            written.append(text)
            beginning = beginning and not text
        if pending:
            written.append(pending.decode("utf-8", "replace"))
        return "".join(written)
