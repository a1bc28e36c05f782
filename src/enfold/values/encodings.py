"""What a tokenizer makes of one text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cut:
    """What truncation left out: how many tokens, and from which characters of which sequence."""

    tokens: int
    start: int
    end: int
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Encoding:
    """One text, or a pair, as token ids; never padded.

    All sequences have the same length, one entry a token. Offsets index the characters of the original
    text; special tokens have the offset ``(0, 0)``, no word and no sequence.
    """

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    word_ids: tuple[int | None, ...]
    sequence_ids: tuple[int | None, ...]
    special_tokens_mask: tuple[int, ...]
    cut: tuple[Cut, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def truncated(self) -> bool:
        """Whether anything was left out."""
        return bool(self.cut)
