"""Text from token ids as they come: whole characters only, and never a stop string. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["Decode", "Detokeniser", "StopStrings", "Writing"]

Decode = Callable[[Sequence[int]], str]
"""Ids to text, such as a tokenizer's ``decode``."""

_BROKEN = "\ufffd"
_CONTEXT = 8
_LONGEST_CHARACTER = 4  # bytes of UTF-8


class Detokeniser:
    """Ids one by one to text that nothing takes back.

    The ends of two decodings are compared: of the ids whose text is out, and of these with the new ones. So blanks
    that a tokenizer drops at the start of a text, as SentencePiece does, are dropped once and not before every token.
    While the text ends in an incomplete character, nothing comes out.

    Args:
        decode: ids to text.
        context: ids before the first one, such as the end of a prompt that the text continues; without them the first
            token starts a text.
    """

    def __init__(self, decode: Decode, context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._ids = _from_a_character(list(context[-_CONTEXT:]), decode)
        self._start = 0
        self._out = len(self._ids)
        self._before = decode(self._ids).rstrip(_BROKEN) if self._ids else ""

    def push(self, token: int) -> str:
        """Add a token; the text that became certain, often none."""
        self._ids.append(token)
        text = self._decode(self._ids[self._start :])
        if text.endswith(_BROKEN) or len(text) <= len(self._before):
            return ""
        piece = text[len(self._before) :]
        self._start, self._out = self._out, len(self._ids)
        self._before = self._decode(self._ids[self._start :])
        return piece

    def finish(self) -> str:
        """What is left when no more tokens come: a broken character stays one."""
        text = self._decode(self._ids[self._start :])
        piece = text[len(self._before) :]
        self._before = text
        return piece


def _from_a_character(ids: list[int], decode: Decode) -> list[int]:
    """The same ids without the first few, where these are the end of a character whose beginning was cut off."""
    for start in range(min(_LONGEST_CHARACTER, len(ids))):
        if not decode(ids[start:]).startswith(_BROKEN):
            return ids[start:]
    return ids


class StopStrings:
    """Texts that end a sequence."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        self._reach = max((len(text.encode()) for text in texts), default=0)

    def first_in(self, text: str) -> tuple[int, str] | None:
        """Where the first of them starts in a text, and which; the longest where several start there."""
        found = [(text.find(stop), -len(stop), stop) for stop in self.texts if stop in text]
        if not found:
            return None
        place, _, stop = min(found)
        return place, stop

    def held(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a stop string."""
        longest = 0
        for stop in self.texts:
            for count in range(min(len(stop) - 1, len(text)), longest, -1):
                if text.endswith(stop[:count]):
                    longest = count
                    break
        return longest

    def completed_by_last(self, ids: Sequence[int], decode: Decode) -> str | None:
        """The stop string that the last id completes, if any; without knowing what came before the last few ids."""
        tail = list(ids[-(self._reach + 1) :])
        found = self.first_in(decode(tail))
        if found is None or self.first_in(decode(tail[:-1])) is not None:
            return None
        return found[1]


class Writing:
    """The text of one sequence as it grows.

    Args:
        decode: ids to text.
        stops: what ends it.
        context: ids before the first one.
    """

    def __init__(self, decode: Decode, stops: StopStrings, context: Sequence[int] = ()) -> None:
        self._detokeniser = Detokeniser(decode, context)
        self._stops = stops
        self._waiting = ""
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        """All that came out so far."""
        return "".join(self._parts)

    def push(self, token: int) -> tuple[str, str | None]:
        """Add a token: the text that came out, and the stop string it completed."""
        self._waiting += self._detokeniser.push(token)
        found = self._stops.first_in(self._waiting)
        if found is not None:
            place, stop = found
            return self._give(place), stop
        return self._give(len(self._waiting) - self._stops.held(self._waiting)), None

    def finish(self) -> str:
        """What waited, when no more tokens come and no stop string was completed."""
        self._waiting += self._detokeniser.finish()
        return self._give(len(self._waiting))

    def _give(self, count: int) -> str:
        piece, self._waiting = self._waiting[:count], self._waiting[count:]
        self._parts.append(piece)
        return piece
