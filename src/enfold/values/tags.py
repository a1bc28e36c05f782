"""Tags of a sequence and the stretches they mark: BIO, BIOES and its other spellings, IO, and bare types.

A *tag* is what a token, a word or a character carries, such as ``B-PER``; a *run* is the stretch of places that a row
of tags marks, with its type. This module knows places only; `enfold.values.alignment` turns places into characters.

Marks that mean the same: ``B`` begins; ``I`` and ``M`` go on; ``E`` and ``L`` end; ``S``, ``U`` and ``W`` stand alone.
Ramshaw and Marcus (1995), "Text Chunking using Transformation-Based Learning", introduced IOB; Ratinov and Roth (2009),
"Design Challenges and Misconceptions in Named Entity Recognition", section 3.2, compare it with BILOU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from enfold.errors import LabelError
from enfold.values.labels import LabelSet

__all__ = ["OUTSIDE", "Mark", "Run", "TagScheme"]

OUTSIDE = "O"
"""The tag of what belongs to no stretch."""


class Mark(Enum):
    """What a tag says of its place in a stretch."""

    BEGIN = "B"
    INSIDE = "I"
    END = "E"
    SINGLE = "S"


_MARKS = {
    "B": Mark.BEGIN,
    "I": Mark.INSIDE,
    "M": Mark.INSIDE,
    "E": Mark.END,
    "L": Mark.END,
    "S": Mark.SINGLE,
    "U": Mark.SINGLE,
    "W": Mark.SINGLE,
}
_SEPARATORS = "-_"


class Run(NamedTuple):
    """Places ``first`` to ``end`` (exclusive), and their type."""

    first: int
    end: int
    type: str


@dataclass(frozen=True)
class TagScheme:
    """How the names of a label set mark stretches.

    Attributes:
        labels: the tags.
        types: the types of stretches, in the order of the tags.
        marked: whether tags carry marks (``B-PER``); where they do not (``PER``, or parts of speech), neighbours of
            one type are one stretch.
        outside: whether there is an ``O``.
    """

    labels: LabelSet
    types: tuple[str, ...]
    marked: bool
    outside: bool

    @classmethod
    def of(cls, labels: LabelSet | Sequence[str]) -> TagScheme:
        """Read the scheme of a label set.

        Raises:
            LabelError: the labels are unnamed, mix ``B-PER`` with bare ``PER``, have marks but no ``O``, or end or go
                on a type that nothing can begin; the message names the labels at fault.
        """
        names = labels.names if isinstance(labels, LabelSet) else tuple(labels)
        inner = [name for name in names if name != OUTSIDE]
        if not inner:
            raise LabelError(f"no label marks a stretch; there are only: {', '.join(names) or 'none'}")
        if all(name == f"LABEL_{number}" for number, name in enumerate(names)):
            raise LabelError(
                f"the labels have no names ({', '.join(names[:3])}…), so it cannot be said which of them begin a "
                "stretch and which is outside of all: give the model id2label, such as {0: 'O', 1: 'B-PER', 2: 'I-PER'}"
            )
        split = {name: _split(name) for name in inner}
        marked = [name for name in inner if split[name] is not None]
        bare = [name for name in inner if split[name] is None]
        if marked and bare:
            raise LabelError(
                f"some labels carry a mark ({', '.join(marked[:3])}) and some do not ({', '.join(bare[:3])}): use "
                "B-TYPE and I-TYPE for every type beside O, or bare types alone"
            )
        if marked and OUTSIDE not in names:
            raise LabelError(f"the labels {', '.join(marked[:4])} need an 'O' beside them for what is outside")
        types: dict[str, set[Mark]] = {}
        for name in inner:
            mark, kind = split[name] or (Mark.INSIDE, name)
            types.setdefault(kind, set()).add(mark)
        for kind, marks in types.items():
            if marks == {Mark.END}:
                raise LabelError(f"the labels end {kind!r} but never begin it: add B-{kind} or I-{kind}")
        return cls(LabelSet(names), tuple(types), bool(marked), OUTSIDE in names)

    def split(self, tag: str) -> tuple[Mark, str] | None:
        """The mark and the type of a tag; None for ``O``."""
        if tag == OUTSIDE:
            return None
        return _split(tag) or (Mark.INSIDE, tag)

    def runs(self, tags: Sequence[str]) -> list[Run]:
        """The stretches a row of tags marks.

        Rows that break the rules are read leniently, as the CoNLL evaluation does: a stretch begins at ``B`` and
        ``S``, where the type changes, and after an ``E``, an ``S`` or an ``O``, whatever the mark; it ends where the
        next begins, or the tags are outside.
        """
        found: list[Run] = []
        first: int | None = None
        current = ""
        closed = False
        for place, tag in enumerate(tags):
            part = self.split(tag)
            if part is None:
                if first is not None:
                    found.append(Run(first, place, current))
                first = None
                continue
            mark, kind = part
            if first is not None and (closed or kind != current or mark in (Mark.BEGIN, Mark.SINGLE)):
                found.append(Run(first, place, current))
                first = None
            if first is None:
                first, current = place, kind
            closed = mark in (Mark.END, Mark.SINGLE)
        if first is not None:
            found.append(Run(first, len(tags), current))
        return found

    def tags(self, runs: Sequence[Run], length: int) -> list[str]:
        """The tags that mark these stretches among ``length`` places; the opposite of `runs`.

        A mark the label set lacks is replaced by what says the same there: with B and I alone, a stretch ends in I.

        Raises:
            LabelError: a type is not in the label set; two stretches overlap; there is no ``O`` for what is outside.
        """
        tags: list[str | None] = [None] * length
        for first, end, kind in runs:
            for place in range(first, end):
                if tags[place] is not None:
                    raise LabelError(f"two stretches overlap at place {place}: {tags[place]} and {kind}")
                tags[place] = self._tag(kind, _mark_at(place, first, end))
        if not self.outside and None in tags:
            raise LabelError(f"place {tags.index(None)} is in no stretch, and the labels have no 'O'")
        return [OUTSIDE if tag is None else tag for tag in tags]

    def going_on(self, tag: str) -> str:
        """The tag of a further piece of a place that carries ``tag``: I for B, E for E, I for S."""
        part = self.split(tag)
        if part is None:
            return tag
        mark, kind = part
        return self._tag(kind, mark if mark is Mark.END else Mark.INSIDE)

    def _tag(self, kind: str, mark: Mark) -> str:
        known = self._spellings.get(kind)
        if known is None:
            raise LabelError(f"no label for the type {kind!r}; there are types: {', '.join(self.types)}")
        return next(known[choice] for choice in _INSTEAD[mark] if choice in known)

    @property
    def _spellings(self) -> dict[str, dict[Mark, str]]:
        found: dict[str, dict[Mark, str]] = {}
        for name in self.labels:
            part = self.split(name)
            if part is not None:
                found.setdefault(part[1], {}).setdefault(part[0], name)
        return found


_INSTEAD = {
    Mark.BEGIN: (Mark.BEGIN, Mark.INSIDE, Mark.SINGLE, Mark.END),
    Mark.INSIDE: (Mark.INSIDE, Mark.BEGIN, Mark.END, Mark.SINGLE),
    Mark.END: (Mark.END, Mark.INSIDE, Mark.BEGIN, Mark.SINGLE),
    Mark.SINGLE: (Mark.SINGLE, Mark.BEGIN, Mark.INSIDE, Mark.END),
}
"""Which mark stands in for one that a type has no tag for, the best first."""


def _split(tag: str) -> tuple[Mark, str] | None:
    """``B-PER`` to its mark and type; None for a name without a mark."""
    if len(tag) > 2 and tag[0] in _MARKS and tag[1] in _SEPARATORS:
        return _MARKS[tag[0]], tag[2:]
    return None


def _mark_at(place: int, first: int, end: int) -> Mark:
    if end - first == 1:
        return Mark.SINGLE
    if place == first:
        return Mark.BEGIN
    return Mark.END if place == end - 1 else Mark.INSIDE
