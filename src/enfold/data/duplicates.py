"""Near-duplicate texts: candidates by MinHash and locality-sensitive hashing, each verified by exact Jaccard.

A text is the set of its 5-character shingles, after case, width, punctuation and runs of blanks are levelled.
Characters of scripts written without blanks are set between blanks first, so that a shingle covers 2 or 3 of them
as it covers 5 letters elsewhere. Signatures of 128 values are compared in bands (Broder 1997; Leskovec, Rajaraman
and Ullman, *Mining of Massive Datasets*, ch. 3), as long as they may be so that of the pairs at the threshold fewer
than 1 in 1,000 are missed: 25 bands of 5 for a Jaccard similarity of 0.8, which miss 1 in 20,000. No pair is joined
on the estimate: shingle sets are compared, so that there are no false merges.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from enfold.data.identity import normal_form
from enfold.errors import require

__all__ = ["NearDuplicates", "jaccard"]

_SHINGLE = 5
_PERMUTATIONS = 128
_MOST_MISSED = 1e-3
_SEED = 20
_CHUNK_CHARACTERS = 2_000_000
_CHUNK_PAIRS = 200_000
# From this size on a bucket is searched instead of compared pair by pair.
_LARGE = 32
# Han, kana and the South-East Asian scripts without blanks.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD],
    dtype=np.uint64,
)

Hashes = npt.NDArray[np.uint64]
Signatures = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.int64]


def jaccard(first: str, second: str) -> float:
    """The similarity this module goes by: shared shingles over all shingles, from 0 to 1."""
    return _similarity(_shingles(_levelled(first)), _shingles(_levelled(second)))


class NearDuplicates:
    """The near-duplicate groups of some texts.

    Args:
        texts: what to look at; the order does not matter to the groups.
        threshold: the Jaccard similarity from which two texts count as near duplicates.

    Raises:
        MissingExtra: rensa is not installed.
    """

    def __init__(self, texts: Sequence[str], *, threshold: float = 0.8) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold must lie above 0 and not above 1, not {threshold}")
        self.threshold = threshold
        numbers: dict[str, int] = {}
        self._form_of = [numbers.setdefault(_levelled(text), len(numbers)) for text in texts]
        self._forms = list(numbers)
        self._signatures = _signatures(self._forms)

    def groups(self, among: Sequence[int] | None = None) -> list[int]:
        """A group number for each text: equal numbers for texts joined by a chain of near duplicates.

        Args:
            among: positions of the texts to look at; by default all. Chains through other texts do not count.

        Returns:
            One number for each of ``among``, in its order: the place in it of the group's first text.
        """
        positions = range(len(self._form_of)) if among is None else among
        forms = [self._form_of[position] for position in positions]
        present = np.unique(np.array(forms, dtype=np.int64))
        search = _Search(self.threshold, self._signatures[present], [self._forms[form] for form in present.tolist()])
        roots = search.run()
        groups = dict(zip(present.tolist(), roots, strict=True))
        first: dict[int, int] = {}
        return [first.setdefault(groups[form], place) for place, form in enumerate(forms)]


class _Search:
    """One search for groups: a forest of joined texts, and the pairs that were looked at and refused."""

    def __init__(self, threshold: float, signatures: Signatures, forms: list[str]) -> None:
        self.threshold = threshold
        self.signatures = signatures
        self.forms = forms
        self.parents = list(range(len(forms)))
        # Four standard deviations of the estimate below the threshold: what agrees less is not worth an exact look.
        slack = 4 * math.sqrt(threshold * (1 - threshold) / _PERMUTATIONS)
        self.fewest_equal = (threshold - slack) * _PERMUTATIONS
        self.refused: set[tuple[int, int]] = set()
        self.sets: dict[int, frozenset[int]] = {}

    def run(self) -> list[int]:
        """The root of each text once all bands were looked through."""
        rows = _rows_per_band(self.threshold)
        for band in range(_PERMUTATIONS // rows):
            small, large = _buckets(self.signatures[:, band * rows : (band + 1) * rows])
            self.join_pairs(small)
            for bucket in large:
                self.join_bucket(bucket)
        return [self.root(text) for text in range(len(self.parents))]

    def root(self, text: int) -> int:
        """The root of a text's tree, shortening the way for the next time."""
        parents = self.parents
        while parents[text] != text:
            parents[text] = parents[parents[text]]
            text = parents[text]
        return text

    def join_pairs(self, pairs: Positions) -> None:
        """Join those of some pairs, shape (pairs, 2), that are near duplicates."""
        for start in range(0, len(pairs), _CHUNK_PAIRS):
            chunk = pairs[start : start + _CHUNK_PAIRS]
            for first, second in chunk[self.likely(chunk[:, 0], chunk[:, 1])].tolist():
                if self.root(first) != self.root(second) and self.near(first, second):
                    self.parents[self.root(second)] = self.root(first)

    def join_bucket(self, bucket: list[int]) -> None:
        """Join the near duplicates of a large bucket by a search that passes over pairs already joined.

        Where all are alike, as in thousands of messages from one template, one text is compared with each other.
        """
        waiting = bucket
        while len({self.root(text) for text in waiting}) > 1:
            root = self.root(waiting[0])
            frontier, waiting = self.parted(waiting, root)
            while frontier and waiting:
                text = frontier.pop()
                others = np.array(waiting)
                found = [other for other in others[self.likely(text, others)].tolist() if self.near(text, other)]
                for other in found:
                    self.parents[self.root(other)] = root
                if found:
                    more, waiting = self.parted(waiting, root)
                    frontier += more

    def parted(self, texts: list[int], root: int) -> tuple[list[int], list[int]]:
        """The texts of one tree, and the others."""
        inside = [text for text in texts if self.root(text) == root]
        return inside, [text for text in texts if self.root(text) != root]

    def likely(self, first: Positions | int, second: Positions) -> npt.NDArray[np.bool_]:
        """Which pairs are near enough, by the estimate, to be looked at."""
        agree = np.count_nonzero(self.signatures[first] == self.signatures[second], axis=1)
        return agree >= self.fewest_equal

    def near(self, first: int, second: int) -> bool:
        """Whether two texts are near duplicates, by their shingles."""
        pair = (first, second) if first < second else (second, first)
        if pair in self.refused:
            return False
        if _similarity(self.shingles(first), self.shingles(second)) >= self.threshold:
            return True
        self.refused.add(pair)
        return False

    def shingles(self, text: int) -> frozenset[int]:
        """The shingles of a text, kept."""
        found = self.sets.get(text)
        if found is None:
            found = self.sets[text] = _shingles(self.forms[text])
        return found


def _rows_per_band(threshold: float) -> int:
    """The longest bands that still find nearly all pairs at the threshold."""
    for rows in range(16, 1, -1):
        if (1 - threshold**rows) ** (_PERMUTATIONS // rows) <= _MOST_MISSED:
            return rows
    return 1


def _buckets(rows: Signatures) -> tuple[Positions, list[list[int]]]:
    """Texts that agree in all rows of a band: the pairs of small buckets, shape (pairs, 2), and the large buckets."""
    keys = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T:
        keys = _mixed(keys + column)
    order = np.argsort(keys, kind="stable")
    starts = (
        np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]]) if len(keys) else np.zeros(0, dtype=np.int64)
    )
    sizes = np.diff(np.r_[starts, len(order)])
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    for size in np.unique(sizes[(sizes > 1) & (sizes < _LARGE)]).tolist():
        members = order[starts[sizes == size][:, None] + np.arange(size)]
        first, second = np.triu_indices(size, k=1)
        pairs.append(np.stack([members[:, first].ravel(), members[:, second].ravel()], axis=1))
    large = [order[start : start + size].tolist() for start, size in zip(starts, sizes, strict=True) if size >= _LARGE]
    return np.concatenate(pairs), large


@cache
def _punctuation() -> re.Pattern[str]:
    marks = [chr(point) for point in range(0x3100) if unicodedata.category(chr(point))[0] == "P"]
    return re.compile(f"[{re.escape(''.join(marks))}]")


def _levelled(text: str) -> str:
    form = normal_form(text)
    words = " ".join(_punctuation().sub(" ", form).split()) or form
    return " ".join(_UNSPACED.sub(r" \1 ", words).split()).ljust(_SHINGLE, "\0")


def _points(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _hashed(points: npt.NDArray[np.uint32]) -> Hashes:
    """A 64-bit hash of every window of characters: length - 4 of them."""
    wide = points.astype(np.uint64)
    windows = len(wide) - _SHINGLE + 1
    hashes = np.zeros(windows, dtype=np.uint64)
    for place in range(_SHINGLE):
        hashes += wide[place : place + windows] * _MULTIPLIERS[place]
    return _mixed(hashes)


def _mixed(hashes: Hashes) -> Hashes:
    """The finalizer of splitmix64 (Steele, Lea and Flood 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def _shingles(form: str) -> frozenset[int]:
    return frozenset(_hashed(_points(form)).tolist())


def _similarity(first: frozenset[int], second: frozenset[int]) -> float:
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)


def _signatures(forms: list[str]) -> Signatures:
    """MinHash signatures, one row of 128 a text."""
    if not forms:
        return np.zeros((0, _PERMUTATIONS), dtype=np.uint32)
    sketch = require("rensa", extra="data", purpose="finding near duplicates").RMinHash
    rows = []
    for chunk in _chunks(forms):
        lengths = np.array([len(form) for form in chunk])
        ends = np.cumsum(lengths)
        hashes = _hashed(_points("".join(chunk)))
        # Windows that reach into the next text are left out.
        inside = np.ones(len(hashes), dtype=bool)
        for reach in range(1, _SHINGLE):
            inside[ends[:-1] - reach] = False
        offsets = np.r_[0, np.cumsum(lengths - _SHINGLE + 1)].astype(np.uint64)
        matrix = sketch.digest_matrix_from_flat_token_hashes(hashes[inside], offsets, _PERMUTATIONS, _SEED)
        rows.append(np.array(matrix.to_rows(), dtype=np.uint32))
    return np.concatenate(rows)


def _chunks(forms: list[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for form in forms:
        if chunk and size + len(form) > _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
        chunk.append(form)
        size += len(form)
    yield chunk
