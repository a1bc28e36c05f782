"""How SentencePiece itself normalises a text and puts pieces together again.

The kinds whose reference is the SentencePiece library (Marian, M2M100) take these two steps outside the engine, whose
own normaliser looks at grapheme clusters where SentencePiece takes the longest match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from enfold.text.alignment import Aligned
from enfold.text.sentencepiece_charsmap import Charsmap, charsmap
from enfold.text.sentencepiece_model import PieceModel, PieceType

__all__ = ["SPACE", "SentencePieceDecoder", "SentencePieceNormalizer"]

SPACE = "\u2581"
"""What a blank becomes."""


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
        return charsmap(self.charsmap)

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
