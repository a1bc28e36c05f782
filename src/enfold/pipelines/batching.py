"""Cutting work into batches of bounded size, in an order that is easy to undo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

__all__ = ["chunks_of_texts", "length_sorted_batches"]


def length_sorted_batches(lengths: Sequence[int], *, max_tokens: int) -> list[list[int]]:
    """Indices of ``lengths`` in batches of at most ``max_tokens`` tokens, sequences of like length together.

    The longest come first, so that the largest batch is met at once. A sequence longer than the budget is
    a batch of its own. Every index appears exactly once.
    """
    batches: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if not batches or lengths[index] > room:
            batches.append([])
            room = max_tokens
        batches[-1].append(index)
        room -= lengths[index]
    return batches


def chunks_of_texts(texts: Iterable[str], *, max_texts: int, max_characters: int) -> Iterator[list[str]]:
    """Consecutive texts in lists bounded by count and by characters, so that a stream needs bounded memory.

    A text longer than ``max_characters`` is a chunk of its own.
    """
    chunk: list[str] = []
    characters = 0
    for text in texts:
        if chunk and (len(chunk) == max_texts or characters + len(text) > max_characters):
            yield chunk
            chunk, characters = [], 0
        chunk.append(text)
        characters += len(text)
    if chunk:
        yield chunk
