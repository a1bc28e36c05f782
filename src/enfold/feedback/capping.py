"""How much one user, or one burst, may supply.

The rule, in words:

1. A text is *supplied* by a user when that user alone, of those who gave a name, supports its label. Texts that two or
   more named users support, or one whom the project trusts, are nobody's and are never capped. All who gave no
   name are one supplier.
2. A *burst* is an unbroken run of judgements, whoever gave them, in which each lies in some minute that holds more than
   ``burst`` of them. A text is supplied by the burst when all the votes for its label fell into it. Judgements of
   trusted users make no burst.
3. Where nothing but one supplier's texts exists, it may supply ``max_per_source`` of them. Where there are others, it
   may supply at most the share ``max_source_share`` of all, though never fewer than 20 (below that a share
   says little) nor more than ``max_per_source``.
4. A supplier with more keeps the texts whose content hash is smallest, so that the choice is the same each time; the
   supplier with the largest excess is cut first, until none has any.
5. Whoever supplies more than the share is reported, cut or not, and so is every burst.

The same rule is applied to the texts that train and, apart, to the texts held back to measure: who could fill the
second alone would decide what counts as better.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from enfold.errors import SettingsError
from enfold.feedback.judgements import Judgement
from enfold.feedback.resolving import Resolved

__all__ = ["ALWAYS_ALLOWED", "Burst", "Limits", "Supply", "cap", "find_bursts", "supplier_name"]

ALWAYS_ALLOWED = 20
"""Texts that a supplier may always give."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers in the rules."""

    held_back: float = 1 / 3
    """Share of all judged texts that never trains and only measures."""
    minimum_held_back: int = 20
    """Held-back texts under which nothing can be said."""
    max_source_share: float = 0.5
    """Share of the texts that one user, or one burst, may supply."""
    max_per_source: int = 200
    """Texts that one user, or one burst, may supply in all."""
    burst: int = 30
    """Judgements within one minute above which they are a burst."""
    trusted: frozenset[str] = frozenset()
    """Users who are never capped, such as the project's own annotators."""

    def __post_init__(self) -> None:
        faults = [
            f"{name} is {value}, and must be {rule}"
            for name, value, rule, good in (
                ("held_back", self.held_back, "between 0 and 1", 0 < self.held_back < 1),
                ("minimum_held_back", self.minimum_held_back, "2 or more", self.minimum_held_back >= 2),
                ("max_source_share", self.max_source_share, "above 0, at most 1", 0 < self.max_source_share <= 1),
                ("max_per_source", self.max_per_source, "1 or more", self.max_per_source >= 1),
                ("burst", self.burst, "2 or more", self.burst >= 2),
            )
            if not good
        ]
        if faults:
            raise SettingsError(f"limits of feedback: {'; '.join(faults)}")

    def allowance(self, others: int) -> int:
        """How many texts one supplier may give where the others give ``others``."""
        if others == 0 or self.max_source_share == 1:
            return self.max_per_source
        # n of n + others is the share s when n = others * s / (1 - s); the small term undoes rounding downwards.
        share = math.floor(others * self.max_source_share / (1 - self.max_source_share) + 1e-9)
        return min(self.max_per_source, max(ALWAYS_ALLOWED, share))


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """More judgements than a minute should hold."""

    start: datetime
    end: datetime
    judgements: int
    users: tuple[str | None, ...]
    """Who gave them, sorted; None stands for all who gave no name."""

    @property
    def name(self) -> str:
        """As it appears in reasons."""
        return f"the burst of {self.judgements} judgements at {self.start:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """A supplier who gave more than the share, or a burst, and what was kept of it."""

    name: str
    """``user 'alice'``, ``feedback without a name``, or the name of a burst."""
    supplied: int
    of: int
    """All texts, of all suppliers."""
    kept: int


def find_bursts(judgements: Iterable[Judgement], limits: Limits) -> list[Burst]:
    """The bursts among judgements, in the order of time; see rule 2 at the top of this file."""
    ordered = sorted((one for one in judgements if one.user not in limits.trusted), key=lambda one: one.at)
    crowded = [False] * len(ordered)
    first = marked = 0
    for last, judgement in enumerate(ordered):
        while judgement.at - ordered[first].at > _MINUTE:
            first += 1
        if last - first + 1 > limits.burst:
            for index in range(max(first, marked), last + 1):
                crowded[index] = True
            marked = last + 1
    runs: list[list[Judgement]] = []
    previous: Judgement | None = None
    for judgement, inside in zip(ordered, crowded, strict=True):
        if inside:
            if previous is None or judgement.at - previous.at > _MINUTE:
                runs.append([])
            runs[-1].append(judgement)
        previous = judgement if inside else None
    return [
        Burst(
            start=run[0].at,
            end=run[-1].at,
            judgements=len(run),
            users=tuple(sorted({one.user for one in run}, key=lambda user: (user is None, user or ""))),
        )
        for run in runs
    ]


def cap(
    texts: Sequence[Resolved], bursts: Sequence[Burst], limits: Limits
) -> tuple[list[Resolved], list[tuple[Resolved, str]], list[Supply]]:
    """Hold each supplier to what it may supply; see the rules at the top of this file.

    Returns:
        The texts that stay, in the order given; those left out, with the supplier's name; and who is to be reported.
    """
    supplied: dict[str, list[Resolved]] = {}
    for text in texts:
        for name in _suppliers(text, bursts, limits):
            supplied.setdefault(name, []).append(text)
    kept = {text.content_id for text in texts}
    left_out: list[tuple[Resolved, str]] = []
    while True:
        excess, name = max(
            ((_excess(supplied[name], kept, limits), name) for name in sorted(supplied)), default=(0, "")
        )
        if excess <= 0:
            break
        mine = [text for text in supplied[name] if text.content_id in kept]
        for text in sorted(mine, key=_order)[len(mine) - excess :]:
            kept.discard(text.content_id)
            left_out.append((text, name))
    burst_names = {burst.name for burst in bursts}
    report = [
        Supply(name=name, supplied=len(mine), of=len(texts), kept=sum(text.content_id in kept for text in mine))
        for name, mine in sorted(supplied.items())
        if name in burst_names or len(mine) > limits.max_source_share * len(texts) or len(mine) > limits.max_per_source
    ]
    return [text for text in texts if text.content_id in kept], left_out, report


def _suppliers(text: Resolved, bursts: Sequence[Burst], limits: Limits) -> list[str]:
    named = {user for user in text.supporters if user is not None}
    if named & limits.trusted:
        return []
    found = [burst.name for burst in bursts if all(burst.start <= moment <= burst.end for moment in text.moments)]
    if len(named) < 2:
        found.append(supplier_name(next(iter(named), None)))
    return found


def supplier_name(user: str | None) -> str:
    """A user as reasons and warnings write one; `enfold.feedback.purge` finds the name again by this form."""
    return "feedback without a name" if user is None else f"user {user!r}"


def _excess(mine: Sequence[Resolved], kept: Collection[str], limits: Limits) -> int:
    count = sum(text.content_id in kept for text in mine)
    return count - limits.allowance(len(kept) - count)


def _order(text: Resolved) -> str:
    return hashlib.sha256(f"cap:{text.content_id}".encode()).hexdigest()
