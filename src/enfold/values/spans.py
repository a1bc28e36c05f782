"""A stretch of the original text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of the original text, with what was said of them."""

    start: int
    end: int
    text: str
    label: str | None = None
    score: float | None = None

    @classmethod
    def of(cls, source: str, start: int, end: int, *, label: str | None = None, score: float | None = None) -> Span:
        """Cut the span out of ``source``, so that ``text`` is the exact slice."""
        if not 0 <= start <= end <= len(source):
            raise ValueError(f"span {start}:{end} lies outside a text of {len(source)} characters")
        return cls(start, end, source[start:end], label, score)
