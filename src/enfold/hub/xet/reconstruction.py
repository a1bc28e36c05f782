"""Answering a client that wants to rebuild a file: which chunks of which xorbs, and where to fetch them.

Both versions of the answer describe xorbs in their plain form (``XorbIndex.plain_bytes_of``). Ranges of one xorb that
touch or overlap are merged, and each range gets a URL of its own: a reader then asks for one range a request.

Source: the Xet protocol specification, "File reconstruction".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enfold.hub.xet.refusals import RangePastEnd
from enfold.hub.xet.shards import Term
from enfold.hub.xet.xorb_index import XorbIndex

__all__ = ["reconstruction_v1", "reconstruction_v2"]

IndexOf = Callable[[str], XorbIndex]
UrlFor = Callable[[str, int, int], str]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Chunks of one xorb that are fetched together; ``first`` and ``behind`` are bytes of the plain form."""

    start: int
    end: int
    first: int
    behind: int


def reconstruction_v2(
    terms: Sequence[Term], *, index_of: IndexOf, url_for: UrlFor, start: int = 0, end: int | None = None
) -> dict[str, Any]:
    """The answer to ``GET /v2/reconstructions/{file}``.

    Args:
        terms: what the file is made of.
        index_of: the index of a xorb by its hash string.
        url_for: the URL of a stretch of a xorb's plain form: hash string, first byte, byte behind the last. Readers
            send no token to it, so it has to carry its own signature.
        start: first byte of the file that is wanted.
        end: byte behind the last one wanted; None, or one behind the end of the file, means to the end.

    Raises:
        RangePastEnd: ``start`` lies behind the end of the file.
    """
    offset, kept = _cut(terms, index_of, start, end)
    xorbs: dict[str, list[dict[str, Any]]] = {}
    for name, stretch in _stretches(kept, index_of):
        ranges = [
            {
                "chunks": {"start": stretch.start, "end": stretch.end},
                "bytes": {"start": stretch.first, "end": stretch.behind - 1},
            }
        ]
        xorbs.setdefault(name, []).append({"url": url_for(name, stretch.first, stretch.behind), "ranges": ranges})
    return {"offset_into_first_range": offset, "terms": _terms(kept), "xorbs": xorbs}


def reconstruction_v1(
    terms: Sequence[Term], *, index_of: IndexOf, url_for: UrlFor, start: int = 0, end: int | None = None
) -> dict[str, Any]:
    """The answer to ``GET /v1/reconstructions/{file}``; arguments and errors are those of version 2."""
    offset, kept = _cut(terms, index_of, start, end)
    fetch_info: dict[str, list[dict[str, Any]]] = {}
    for name, stretch in _stretches(kept, index_of):
        fetch_info.setdefault(name, []).append(
            {
                "range": {"start": stretch.start, "end": stretch.end},
                "url": url_for(name, stretch.first, stretch.behind),
                "url_range": {"start": stretch.first, "end": stretch.behind - 1},
            }
        )
    return {"offset_into_first_range": offset, "terms": _terms(kept), "fetch_info": fetch_info}


def _terms(kept: Sequence[Term]) -> list[dict[str, Any]]:
    return [
        {"hash": term.xorb, "unpacked_length": term.length, "range": {"start": term.start, "end": term.end}}
        for term in kept
    ]


def _cut(terms: Sequence[Term], index_of: IndexOf, start: int, end: int | None) -> tuple[int, list[Term]]:
    """The terms that hold the wanted bytes, cut to whole chunks, and where in the first of them the bytes begin."""
    size = sum(term.length for term in terms)
    behind = size if end is None else min(end, size)
    if start >= size or start >= behind:
        raise RangePastEnd(start, size)
    if start == 0 and behind == size:
        return 0, list(terms)
    kept: list[Term] = []
    offset = place = 0
    for term in terms:
        low, high = max(start - place, 0), min(behind - place, term.length)
        if low < high:
            index = index_of(term.xorb)
            base = int(index.starts[term.start])
            # Chunks are never empty, so the starts ascend strictly.
            first = int(np.searchsorted(index.starts, base + low, side="right")) - 1
            last = int(np.searchsorted(index.starts, base + high, side="left"))
            inside, after = index.bytes_of(first, last)
            if not kept:
                offset = base + low - inside
            kept.append(Term(term.xorb, first, last, after - inside))
        place += term.length
    return offset, kept


def _stretches(kept: Sequence[Term], index_of: IndexOf) -> Iterator[tuple[str, _Stretch]]:
    wanted: dict[str, list[tuple[int, int]]] = {}
    for term in kept:
        wanted.setdefault(term.xorb, []).append((term.start, term.end))
    for name, ranges in wanted.items():
        merged: list[tuple[int, int]] = []
        for start, end in sorted(ranges):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        index = index_of(name)
        for start, end in merged:
            yield name, _Stretch(start, end, *index.plain_bytes_of(start, end))
