"""Cutting encodings to a length, and saying what was cut.

The rules are those of the `tokenizers` library, so that results equal it: *longest first* takes from the longer of the
two sequences until both are equally long, *only first* and *only second* take from one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from enfold.errors import InputError, near
from enfold.text.options import Side
from enfold.values import Cut

__all__ = ["Strategy", "Truncation"]

Strategy = Literal["longest_first", "only_first", "only_second"]


@dataclass(frozen=True, slots=True)
class Truncation:
    """How long an encoding may become, special tokens included, and what goes when it is longer."""

    max_length: int
    strategy: Strategy = "longest_first"
    side: Side = "right"
    stride: int = 0
    """Tokens that consecutive windows of one text share."""
    keep_overflow: bool = False
    """Whether the further windows are kept, so that nothing is lost."""

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Strategy):
            known = get_args(Strategy)
            raise InputError(
                f"no truncation {self.strategy!r}; there are: {', '.join(known)}{near(str(self.strategy), known)}"
            )
        if self.side not in ("left", "right"):
            raise InputError(f"truncation_side must be 'left' or 'right'; it is {self.side!r}")
        if self.stride < 0:
            raise InputError(f"stride must be at least 0; it is {self.stride}")

    def room(self, special: int) -> int:
        """Tokens of text that fit beside ``special`` special tokens.

        Raises:
            InputError: none do.
        """
        room = self.max_length - special
        if room < 0 or (room == 0 and self.keep_overflow):
            raise InputError(f"max_length={self.max_length} leaves no room for text beside {special} special tokens")
        return room

    def apply(
        self, first: Any, second: Any | None, room: int, words: Sequence[Sequence[str] | None]
    ) -> tuple[Cut, ...]:
        """Cut a pair of engine encodings in place, which together are longer than ``room``, and say what went.

        Args:
            first: the encoding of the text, without special tokens.
            second: that of its pair.
            room: tokens that may stay.
            words: of each, the words, where the input was split into words; offsets then index the words joined by
                single blanks.

        Raises:
            InputError: the strategy cannot bring them to that length.
        """
        kept = self._lengths(len(first), None if second is None else len(second), room)
        cuts = []
        for sequence, (encoding, length) in enumerate(zip((first, second), kept, strict=True)):
            if encoding is None or length >= len(encoding):
                continue
            if self.keep_overflow and self.stride >= length > 0:
                raise InputError(
                    f"stride={self.stride} must be less than the {length} tokens of text that fit in a window of "
                    f"max_length={self.max_length}"
                )
            if not self.keep_overflow:
                cuts.append(self._cut(encoding, length, sequence, words[sequence]))
            encoding.truncate(length, stride=self.stride if self.keep_overflow else 0, direction=self.side)
        return tuple(cuts)

    def _lengths(self, first: int, second: int | None, room: int) -> tuple[int, int]:
        if room == 0:
            return 0, 0
        if self.strategy == "longest_first":
            if second is None:
                return room, 0
            short, long = sorted((first, second))
            long = short if short > room else max(short, room - short)
            if short + long > room:
                short, long = room // 2, room // 2 + room % 2
            return (long, short) if first > second else (short, long)
        total = first + (second or 0)
        index = 0 if self.strategy == "only_first" else 1
        if index == 1 and second is None:
            raise InputError(
                f"truncation='only_second', but there is no second text to cut ({total} tokens, room for {room})"
            )
        target = (first, second or 0)[index]
        if target <= total - room:
            raise InputError(
                f"truncation={self.strategy!r} cannot bring {total} tokens down to {room}: that text has only {target}"
            )
        left = target - (total - room)
        return (left, second or 0) if index == 0 else (first, left)

    def _cut(self, encoding: Any, length: int, sequence: int, words: Sequence[str] | None) -> Cut:
        offsets = encoding.offsets
        lost = len(offsets) - length
        begin, end = (length, len(offsets)) if self.side == "right" else (0, lost)
        start, stop = offsets[begin][0], offsets[end - 1][1]
        if words is not None:
            starts = [0]
            for word in words:
                starts.append(starts[-1] + len(word) + 1)
            word_ids = encoding.word_ids
            start, stop = start + starts[word_ids[begin]], stop + starts[word_ids[end - 1]]
        return Cut(lost, start, stop, sequence)
