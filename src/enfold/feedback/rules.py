"""Which judged texts train, which are held back to measure, which do neither, and why.

The rule, in words, in the order it is applied:

1. Each text is settled or is a conflict (`enfold.feedback.resolving`).
2. A share of *all* judged texts, a third by default, those the model got right and those it got wrong alike, is *held
   back*: it never trains and only measures. Whether a text is drawn depends on its content id alone, so that a text
   once held back stays held back, whatever else is judged later. (A smaller share set later would release texts; hand
   in the earlier ones to keep them.)
3. A text that is a near duplicate of a drawn one does not train: it would teach the candidate the answer. Nor does
   it measure, as it was not drawn itself.
4. A rejected text (known not to be X, no more) never trains. Held back it measures where there are just two labels,
   as the other one; with more labels it would favour any change whatever, so it is left out.
5. No user and no burst supplies more than its part, of the texts that train and of those held back
   (`enfold.feedback.capping`).
6. With fewer than 20 texts held back after all this there is not enough evidence to say that a candidate is better.

Everything that is left out is listed with its reason. What these rules cannot see: several people, or one with several
names, who agree with each other on wrong labels, slowly enough to make no burst.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from enfold.feedback.capping import Burst, Limits, Supply, cap, find_bursts, supplier_name
from enfold.feedback.judgements import Judgement
from enfold.feedback.resolving import Conflict, Resolved, resolve
from enfold.values import LabelSet

__all__ = ["LeftOut", "Limits", "Plan", "Source", "is_held_back", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A settled text that neither trains nor measures, and why."""

    text: Resolved
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What one user's judgements came to."""

    user: str | None
    """None: all who gave no name."""
    texts: int
    """Texts judged; the last judgement of a text counts."""
    corrections: int
    """Texts whose predicted label the user did not accept."""
    outvoted: int
    """Texts on which the others, or the project's own data, did not follow the user."""
    training: int
    """Texts that train and whose label the user supports."""
    held_back: int
    """Texts held back and whose label the user supports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of all judgements."""

    training: tuple[Resolved, ...]
    """Each with its ``label``; sorted by content id."""
    held_back: tuple[Resolved, ...]
    """Each with the label that is ``expected`` of a model; sorted by content id."""
    left_out: tuple[LeftOut, ...]
    conflicts: tuple[Conflict, ...]
    bursts: tuple[Burst, ...]
    training_supplies: tuple[Supply, ...]
    held_back_supplies: tuple[Supply, ...]
    sources: tuple[Source, ...]
    """Sorted by the number of texts judged, the most first."""
    shortage: str | None
    """Why the held-back texts are not enough evidence; none when they are."""

    @property
    def warnings(self) -> list[str]:
        """What a person should look at, one sentence each."""
        lines = []
        for burst in self.bursts:
            names = ", ".join(supplier_name(user) for user in burst.users[:5])
            more = f" and {len(burst.users) - 5} more" if len(burst.users) > 5 else ""
            lines.append(f"{burst.name} came from {names}{more}")
        for supplies, use in ((self.training_supplies, "train"), (self.held_back_supplies, "measure")):
            for supply in supplies:
                kept = "all were kept" if supply.kept == supply.supplied else f"{supply.kept} were kept"
                lines.append(f"{supply.name} supplied {supply.supplied} of the {supply.of} texts to {use}; {kept}")
        for source in self.sources:
            if 2 * source.outvoted > source.texts and source.texts >= 5:
                lines.append(
                    f"{supplier_name(source.user)} was not followed on {source.outvoted} of {source.texts} texts"
                )
        if self.conflicts:
            lines.append(f"{len(self.conflicts)} judged texts have no settled label")
        return lines

    def to_json(self) -> dict[str, Any]:
        """For the record of an improvement: by content ids, without the texts, so that a text can be forgotten."""
        return {
            "training": [_brief(text) for text in self.training],
            "held_back": [_brief(text) for text in self.held_back],
            "left_out": [{**_brief(item.text), "reason": item.reason} for item in self.left_out],
            "conflicts": [
                {"content_id": one.content_id, "votes": len(one.votes), "reason": one.reason} for one in self.conflicts
            ],
            "shortage": self.shortage,
            "warnings": self.warnings,
        }


def is_held_back(content_id: str, share: float) -> bool:
    """Whether a text is drawn to be held back: a fixed draw by its content id, apart from every other draw."""
    drawn = int.from_bytes(hashlib.sha256(f"held back:{content_id}".encode()).digest()[:8], "big")
    return drawn < share * 2**64


def plan(
    judgements: Iterable[Judgement],
    *,
    labels: LabelSet,
    limits: Limits | None = None,
    known: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    held_back_before: Collection[str] = (),
) -> Plan:
    """Decide what becomes of all judgements, by the rules at the top of this file.

    Args:
        judgements: of the whole life of the project (`FeedbackStore.judgements`).
        labels: of the project as it is now.
        limits: the numbers in the rules.
        known: the labels of the project's own data, by content id.
        groups: the near-duplicate group of each judged text, by content id; a text that is not in it is alone.
        held_back_before: content ids that an earlier plan held back.
    """
    limits = limits or Limits()
    judgements = list(judgements)
    resolved, conflicts = resolve(judgements, labels=labels, known=known)

    before = frozenset(held_back_before)
    drawn = {one.content_id for one in judgements if is_held_back(one.content_id, limits.held_back)} | before
    groups = groups or {}
    drawn_groups = {groups[identity] for identity in drawn if identity in groups}

    measuring: list[Resolved] = []
    training: list[Resolved] = []
    left_out: list[LeftOut] = []
    for text in resolved:
        reason = None
        if text.expected is None:
            reason = (
                f"known only not to be {text.predicted!r}, which with {len(labels)} labels neither trains nor measures"
            )
        elif text.content_id in drawn:
            measuring.append(text)
        elif groups.get(text.content_id) in drawn_groups:
            reason = "a near duplicate of a text that is held back"
        elif text.label is None:
            reason = f"known only not to be {text.predicted!r}, which never trains"
        else:
            training.append(text)
        if reason:
            left_out.append(LeftOut(text=text, reason=reason))

    bursts = find_bursts(judgements, limits)
    kept_training, cut, training_supplies = cap(training, bursts, limits)
    left_out += [LeftOut(text=text, reason=f"{name} supplies more than its part to train on") for text, name in cut]
    kept_measuring, cut, held_back_supplies = cap(measuring, bursts, limits)
    left_out += [LeftOut(text=text, reason=f"{name} supplies more than its part to measure by") for text, name in cut]
    shortage = None
    if len(kept_measuring) < limits.minimum_held_back:
        shortage = (
            f"not enough evidence: {len(kept_measuring)} judged texts are held back to measure by, "
            f"and {limits.minimum_held_back} are needed"
        )
    return Plan(
        training=tuple(kept_training),
        held_back=tuple(kept_measuring),
        left_out=tuple(sorted(left_out, key=lambda item: item.text.content_id)),
        conflicts=tuple(conflicts),
        bursts=tuple(bursts),
        training_supplies=tuple(training_supplies),
        held_back_supplies=tuple(held_back_supplies),
        sources=_sources(judgements, resolved, kept_training, kept_measuring),
        shortage=shortage,
    )


def _sources(
    judgements: Iterable[Judgement],
    resolved: Iterable[Resolved],
    training: Iterable[Resolved],
    measuring: Iterable[Resolved],
) -> tuple[Source, ...]:
    votes = {(one.user, one.content_id): one for one in sorted(judgements, key=lambda one: one.at)}
    settled = {text.content_id: text for text in resolved}
    texts = Counter(user for user, _ in votes)
    corrections = Counter(user for (user, _), vote in votes.items() if not vote.agrees)
    outvoted = Counter(user for (user, identity), vote in votes.items() if not _followed(vote, settled.get(identity)))
    trains = Counter(user for text in training for user in text.supporters)
    measures = Counter(user for text in measuring for user in text.supporters)
    return tuple(
        Source(
            user=user,
            texts=count,
            corrections=corrections[user],
            outvoted=outvoted[user],
            training=trains[user],
            held_back=measures[user],
        )
        for user, count in sorted(texts.items(), key=lambda item: (-item[1], item[0] is None, item[0] or ""))
    )


def _followed(vote: Judgement, settled: Resolved | None) -> bool:
    """Whether what was settled does not contradict a vote."""
    if settled is None:
        return False
    if vote.label is None:
        return vote.predicted != settled.label
    return vote.label == settled.label or (settled.label is None and vote.label != settled.predicted)


def _brief(text: Resolved) -> dict[str, Any]:
    return {
        "content_id": text.content_id,
        "predicted": text.predicted,
        "label": text.label,
        "expected": text.expected,
        "predictions": list(text.prediction_ids),
    }
