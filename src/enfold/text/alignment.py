"""A text made from another one, which still knows what each of its characters came from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

__all__ = ["Aligned"]


class Aligned:
    """A text and, for each of its characters, the range of the original that it stands for.

    Args:
        text: the text as it is now.
        starts: for each character, where its origin begins.
        ends: for each character, where its origin ends (exclusive).
    """

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        self.text = text
        self.starts = starts
        self.ends = ends

    @classmethod
    def of(cls, text: str, offset: int = 0) -> Aligned:
        """A text that nothing has been done to; ``offset`` is where it begins in the original."""
        return cls(text, range(offset, offset + len(text)), range(offset + 1, offset + len(text) + 1))

    @classmethod
    def joined(cls, parts: Iterable[Aligned]) -> Aligned:
        """Several, one after another."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        starts: list[int] = []
        ends: list[int] = []
        for part in parts:
            starts += part.starts
            ends += part.ends
        return cls("".join(part.text for part in parts), starts, ends)

    @property
    def is_original(self) -> bool:
        """Whether nothing has been done to the text."""
        return isinstance(self.starts, range) and self.starts == range(len(self.text))

    def __len__(self) -> int:
        return len(self.text)

    def __getitem__(self, place: slice) -> Aligned:
        return Aligned(self.text[place], self.starts[place], self.ends[place])

    def shifted(self, offset: int) -> Aligned:
        """The same, where the original is itself a piece that begins at ``offset`` of something longer."""
        if not offset:
            return self
        return Aligned(self.text, [place + offset for place in self.starts], [place + offset for place in self.ends])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The range of the original that characters ``start`` to ``end`` (exclusive) stand for."""
        if start >= end:
            place = self.starts[start] if start < len(self.starts) else (self.ends[-1] if len(self.ends) else 0)
            return place, place
        return self.starts[start], max(self.starts[start], self.ends[end - 1])

    def sub(self, pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str]) -> Aligned:
        r"""What `re.sub` makes of the text; ``replacement`` may refer to groups (``\1``).

        Characters at both ends that a replacement only repeats keep their own origin; all others get that of the whole
        match.
        """
        parts: list[Aligned] = []
        position = 0
        for match in pattern.finditer(self.text):
            start, end = match.span()
            new = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
            old = match.group()
            if new == old:
                continue
            if start > position:
                parts.append(self[position:start])
            parts.append(self._replaced(start, end, old, new))
            position = end
        if not parts:
            return self
        parts.append(self[position:])
        return Aligned.joined(parts)

    def _replaced(self, start: int, end: int, old: str, new: str) -> Aligned:
        shorter = min(len(old), len(new))
        head = next((index for index in range(shorter) if old[index] != new[index]), shorter)
        shorter -= head
        tail = next((index for index in range(shorter) if old[-1 - index] != new[-1 - index]), shorter)
        first, last = self.span(start + head, end - tail)
        count = len(new) - head - tail
        middle = Aligned(new[head : len(new) - tail], [first] * count, [last] * count)
        return Aligned.joined([self[start : start + head], middle, self[end - tail : end]])

    def replaced(self, old: str, new: str) -> Aligned:
        """What `str.replace` makes of the text."""
        if old not in self.text:
            return self
        return self.sub(re.compile(re.escape(old)), lambda match: new)

    def kept(self, wanted: Callable[[str], bool]) -> Aligned:
        """Only the characters that are wanted."""
        places = [index for index, letter in enumerate(self.text) if wanted(letter)]
        if len(places) == len(self.text):
            return self
        return Aligned(
            "".join(self.text[index] for index in places),
            [self.starts[index] for index in places],
            [self.ends[index] for index in places],
        )

    def lowered(self) -> Aligned:
        """In lower case, as `str.lower` writes it (a final sigma is one)."""
        lower = self.text.lower()
        if len(lower) == len(self.text):
            return Aligned(lower, self.starts, self.ends)
        lengths = [len(letter.lower()) for letter in self.text]
        return Aligned(lower, _repeated(self.starts, lengths), _repeated(self.ends, lengths))

    def composed(self) -> Aligned:
        """In Unicode's normal form C."""
        if unicodedata.is_normalized("NFC", self.text):
            return self
        parts: list[Aligned] = []
        start = 0
        for end in range(1, len(self.text) + 1):
            if end < len(self.text) and _joins(self.text[start:end], self.text[end]):
                continue
            parts.append(self._composed(start, end))
            start = end
        return Aligned.joined(parts)

    def _composed(self, start: int, end: int) -> Aligned:
        new = unicodedata.normalize("NFC", self.text[start:end])
        if new == self.text[start:end]:
            return self[start:end]
        first, last = self.span(start, end)
        return Aligned(new, [first] * len(new), [last] * len(new))


def _joins(before: str, letter: str) -> bool:
    """Whether a character may change, or be changed by, those before it."""
    if unicodedata.combining(letter):
        return True
    composed = unicodedata.normalize("NFC", before + letter)
    return composed != unicodedata.normalize("NFC", before) + unicodedata.normalize("NFC", letter)


def _repeated(places: Sequence[int], lengths: Sequence[int]) -> list[int]:
    return [place for place, length in zip(places, lengths, strict=True) for _ in range(length)]
