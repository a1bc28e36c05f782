"""How SentencePiece itself normalises a text and puts pieces together again.

The kinds whose reference is the SentencePiece library (Marian, M2M100) take these two steps outside the engine, whose
own normaliser looks at grapheme clusters where SentencePiece takes the longest match. The precompiled character map is
a double-array trie (Yata, darts-clone) of UTF-8 keys, followed by the zero-terminated texts they become.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
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

    def apply(self, text: str) -> tuple[Aligned, bool]:
        """A text after all of its keys, and whether any characters were taken away."""
        if not self._units or self._touched.isdisjoint(text):
            return Aligned.of(text), False
        parts: list[Aligned] = []
        taken = False
        position = 0
        for place, letter in enumerate(text):
            if place < position or letter not in self._touched:
                continue
            # A character that only goes on with a key is looked at from the one before it.
            start = place - 1 if place > position and letter in self._second else place
            if start > position:
                parts.append(Aligned.of(text[position:start], position))
            for begin in (start, place):
                if begin >= start:
                    new, end = self.match(text, begin)
                    parts.append(Aligned(new, [begin] * len(new), [end] * len(new)))
                    taken = taken or not new
                    start = position = end
        parts.append(Aligned.of(text[position:], position))
        return Aligned.joined(parts), taken

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

    def _walk(self, key: bytes, node: int) -> tuple[str | None, int | None]:
        """From a node along a key: the text of that key if it is one, and the node if longer keys begin with it."""
        units = self._units
        leaf = False
        for byte in key:
            node ^= byte
            if node >= len(units):
                return None, None
            unit = units[node]
            if unit & 0x800000FF != byte:
                return None, None
            node ^= _offset(unit)
            leaf = bool(unit & 0x100)
        if not leaf or node >= len(units):
            return None, node
        start = units[node] & 0x7FFFFFFF
        return self._texts[start : self._texts.index(b"\0", start)].decode("utf-8", "replace"), node

    @cached_property
    def _root(self) -> int:
        return _offset(self._units[0])

    @cached_property
    def _keys(self) -> list[str]:
        """Every key."""
        children: dict[int, list[int]] = defaultdict(list)
        for place, unit in enumerate(self._units):
            if not unit & 0x80000000:
                children[place ^ (unit & 0xFF)].append(place)
        keys: list[str] = []
        pending = [(self._root, b"")]
        while pending:
            node, before = pending.pop()
            for place in children[node]:
                unit = self._units[place]
                key = before + bytes([unit & 0xFF])
                if not unit & 0xFF or len(key) > _LONGEST_KEY:
                    continue
                if unit & 0x100:
                    keys.append(key.decode("utf-8", "replace"))
                pending.append((place ^ _offset(unit), key))
        return keys

    @cached_property
    def _second(self) -> frozenset[str]:
        """The characters that keys of several go on with."""
        return frozenset(letter for key in self._keys for letter in key[1:])

    @cached_property
    def _touched(self) -> frozenset[str]:
        """The characters that are keys or go on with one: a text without any stays as it is."""
        return self._second | {key for key in self._keys if len(key) == 1}


_LONGEST_KEY = 64
"""Bytes; a map whose trie goes deeper is damaged."""


def _offset(unit: int) -> int:
    """How far from a node of the trie its children lie."""
    return (unit >> 10) << ((unit & 0x200) >> 6)


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

    @property
    def is_usual(self) -> bool:
        """Whether blanks are reduced and marked, and one put in front of all: then an engine can do the marking."""
        return (
            self.add_dummy_prefix
            and self.remove_extra_whitespaces
            and self.escape_whitespaces
            and not self.treat_whitespace_as_suffix
            and not self.untouched
        )

    def __call__(self, text: str) -> Aligned:
        """Normalise a text."""
        reduced, taken = self._reduced(text)
        begun = bool(reduced.text) or taken
        space = SPACE if self.escape_whitespaces else " "
        marked = Aligned(reduced.text.replace(" ", space), list(reduced.starts), list(reduced.ends))
        if not begun or not self.add_dummy_prefix:
            return marked
        if self.treat_whitespace_as_suffix:
            at = marked.ends[-1] if len(marked) else 0
            return Aligned.joined([marked, Aligned(space, [at], [at])])
        if not marked.text and self.remove_extra_whitespaces:
            return marked
        at = marked.starts[0] if len(marked) else 0
        return Aligned.joined([Aligned(space, [at], [at]), marked])

    def reduced(self, text: str) -> Aligned:
        """Normalise a text, but leave its blanks unmarked, and put none in front."""
        return self._reduced(text)[0]

    def _reduced(self, text: str) -> tuple[Aligned, bool]:
        mapped, taken = self._mapped(text)
        if not self.remove_extra_whitespaces:
            return mapped, taken
        reduced = mapped if "  " not in mapped.text else mapped.sub(_SEVERAL, " ")
        start = len(reduced.text) - len(reduced.text.lstrip(" "))
        end = len(reduced.text.rstrip(f" {SPACE}" if self.escape_whitespaces else " "))
        if start or end < len(reduced.text):
            reduced = reduced[start : max(start, end)]
        return reduced, taken

    def _mapped(self, text: str) -> tuple[Aligned, bool]:
        if not self.untouched:
            return self._map.apply(text)
        parts: list[Aligned] = []
        taken = False
        position = 0
        for match in self._kept.finditer(text):
            start, end = match.span()
            part, lost = self._map.apply(text[position:start])
            parts += [part.shifted(position), Aligned.of(match.group(), start)]
            taken, position = taken or lost, end
        part, lost = self._map.apply(text[position:])
        return Aligned.joined([*parts, part.shifted(position)]), taken or lost

    @cached_property
    def _map(self) -> Charsmap:
        return Charsmap(self.charsmap)

    @cached_property
    def _kept(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.untouched)))


_SEVERAL = re.compile(" {2,}")


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
