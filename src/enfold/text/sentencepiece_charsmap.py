"""The character map of a SentencePiece model: which characters become which, before a text is split.

It is a double-array trie (Yata et al., 2007, as darts-clone writes it) of keys in UTF-8, followed by the texts they
become, each ended by a zero. The longest key that a text goes on with counts.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property, lru_cache

from enfold.errors import CheckpointError
from enfold.text.alignment import Aligned

__all__ = ["Charsmap", "charsmap"]


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
            start = place - 1 if place > position and letter in self._letters[1] else place
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
    def _children(self) -> dict[int, list[int]]:
        """From the nodes of the trie to the places of the units that follow them."""
        children: dict[int, list[int]] = defaultdict(list)
        for place, unit in enumerate(self._units):
            if not unit & 0x80000000 and unit & 0xFF:
                children[place ^ (unit & 0xFF)].append(place)
        return children

    def _following(self, node: int) -> Iterator[tuple[str, int, bool]]:
        """The characters by which keys go on from a node, the node behind each, and whether a key ends there."""
        pending = [(node, b"")]
        while pending:
            current, before = pending.pop()
            for place in self._children.get(current, ()):
                unit = self._units[place]
                letter = before + bytes([unit & 0xFF])
                behind = place ^ _offset(unit)
                if len(letter) < _BYTES_OF_LETTER[letter[0] >> 4]:
                    pending.append((behind, letter))
                else:
                    yield letter.decode("utf-8", "replace"), behind, bool(unit & 0x100)

    @cached_property
    def _letters(self) -> tuple[frozenset[str], frozenset[str]]:
        """The characters that are keys, and those that keys of several go on with."""
        keys: set[str] = set()
        further: set[str] = set()
        pending: list[int] = []
        for letter, node, is_key in self._following(self._root):
            pending.append(node)
            if is_key:
                keys.add(letter)
        seen: set[int] = set()  # many keys end alike, and share the nodes of their ends
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                for letter, behind, _ in self._following(node):
                    further.add(letter)
                    pending.append(behind)
        return frozenset(keys), frozenset(further)

    @cached_property
    def _touched(self) -> frozenset[str]:
        """The characters that are keys or go on with one: a text without any stays as it is."""
        return frozenset.union(*self._letters)


_BYTES_OF_LETTER = (1,) * 12 + (2, 2, 3, 4)
"""Of a character in UTF-8, by the upper half of its first byte."""


@lru_cache(maxsize=8)
def charsmap(data: bytes) -> Charsmap:
    """Models share a few maps; taking one apart is worth doing once."""
    return Charsmap(data)


def _offset(unit: int) -> int:
    """How far from a node of the trie its children lie."""
    return (unit >> 10) << ((unit & 0x200) >> 6)
