"""Differences between texts line by line, and merging two changed versions of one (three-way merge).

Differences are found with Myers' greedy algorithm (E. W. Myers, An O(ND) Difference Algorithm and Its Variations, 1986,
section 4). Changes that overlap or touch are a conflict, as in git; the same change made twice is made once.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Hunk", "find_hunks", "merge_lines", "split_lines"]

_MOST_EDITS = 600  # time and memory grow with the square of it; two texts further apart are left to a human
_MOST_LINES = 200_000


class Hunk(NamedTuple):
    """A run of lines of one text, and what comes in their place."""

    start: int
    """First line of the base that goes."""
    end: int
    lines: tuple[bytes, ...]
    """What comes in their place."""


def merge_lines(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """The text with the changes of both sides, or None when they conflict or are too many to tell."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    old = split_lines(base)
    mine = find_hunks(old, split_lines(ours))
    yours = find_hunks(old, split_lines(theirs))
    if mine is None or yours is None:
        return None
    out: list[bytes] = []
    at = left = right = 0
    while left < len(mine) or right < len(yours):
        if left < len(mine) and right < len(yours) and mine[left] == yours[right]:
            hunk = mine[left]
            left += 1
            right += 1
        elif right == len(yours) or (left < len(mine) and mine[left].end < yours[right].start):
            hunk = mine[left]
            left += 1
        elif left == len(mine) or yours[right].end < mine[left].start:
            hunk = yours[right]
            right += 1
        else:
            return None
        out += old[at : hunk.start]
        out += hunk.lines
        at = hunk.end
    out += old[at:]
    return b"".join(out)


def split_lines(text: bytes) -> list[bytes]:
    """Lines with their ends; only a line feed ends one."""
    pieces = text.split(b"\n")
    lines = [piece + b"\n" for piece in pieces[:-1]]
    return [*lines, pieces[-1]] if pieces[-1] else lines


def find_hunks(old: list[bytes], new: list[bytes]) -> list[Hunk] | None:
    """What has to be done to ``old`` to get ``new``, or None when it is too much."""
    if len(old) + len(new) > _MOST_LINES:
        return None
    start = 0
    shortest = min(len(old), len(new))
    while start < shortest and old[start] == new[start]:
        start += 1
    end = 0
    while end < shortest - start and old[-1 - end] == new[-1 - end]:
        end += 1
    kept = _matches(old[start : len(old) - end], new[start : len(new) - end])
    if kept is None:
        return None
    kept.append((len(old) - end - start, len(new) - end - start))
    hunks: list[Hunk] = []
    at, to = 0, 0
    for here, there in kept:
        if here > at or there > to:
            hunks.append(Hunk(start + at, start + here, tuple(new[start + to : start + there])))
        at, to = here + 1, there + 1
    return hunks


def _matches(old: list[bytes], new: list[bytes]) -> list[tuple[int, int]] | None:
    """Pairs of equal lines on a shortest path of edits, in order."""
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for edits in range(min(len(old) + len(new), _MOST_EDITS) + 1):
        trace.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            if diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]):
                x = furthest[diagonal + 1]
            else:
                x = furthest[diagonal - 1] + 1
            y = x - diagonal
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x += 1
                y += 1
            furthest[diagonal] = x
            if x >= len(old) and y >= len(new):
                return _back(trace, x, y)
    return None


def _back(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for edits in range(len(trace) - 1, -1, -1):
        furthest = trace[edits]
        diagonal = x - y
        if diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]):
            previous = diagonal + 1
        else:
            previous = diagonal - 1
        before_x = furthest[previous]
        before_y = before_x - previous
        while x > max(before_x, 0) and y > max(before_y, 0):
            x -= 1
            y -= 1
            pairs.append((x, y))
        x, y = before_x, before_y
    return pairs[::-1]
