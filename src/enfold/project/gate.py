"""Whether a candidate takes the place of the model in service: a pure function of what was measured.

Two questions, both answered by a paired bootstrap over the same rows, so that the two models are compared on
exactly the same texts. Better where users judged: the lower bound of the difference on the held-back judgements is
above zero. Not worse where they did not: the lower bound on the untouched test set is above the margin, overall and
for each class with rows enough to say. What this cannot see, such as coordinated wrong corrections of a kind of text
that the test set lacks, is what `review` is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from enfold.evaluation import PairedDifference, paired_bootstrap

_CONFIDENCE = 0.90
"""Of the two-sided interval, whose lower end is the one-sided 95 % bound that decides."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked of the candidate: how it did, and whether that is enough."""

    name: str
    rows: int
    passed: bool | None
    """None: too few rows to say, which does not stand in the way."""
    reason: str
    difference: PairedDifference | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision with all its reasons."""

    promote: bool
    outcome: str
    """``better``, ``not better``, ``not worse``, ``worse on the test set`` or ``not enough evidence``."""
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> list[str]:
        """One sentence a check, those that decided against promotion first."""
        return [check.reason for check in sorted(self.checks, key=lambda check: check.passed is not False)]

    def to_json(self) -> dict[str, Any]:
        """As the record of the improvement keeps it."""
        return {"promote": self.promote, "outcome": self.outcome, "checks": [asdict(check) for check in self.checks]}


def judge_candidate(
    *,
    held_back: tuple[Sequence[bool], Sequence[bool]],
    test: tuple[Sequence[bool], Sequence[bool]],
    test_labels: Sequence[str],
    minimum_held_back: int,
    margin: float,
    minimum_class_rows: int,
    seed: int = 0,
) -> Verdict:
    """Decide on a candidate.

    Args:
        held_back: whether the model in service, and the candidate, are right on each held-back judgement.
        test: the same on each row of the test set.
        test_labels: the right label of each row of the test set.
        minimum_held_back: judgements under which nothing can be said.
        margin: points by which the candidate may be worse on the test set, at the lower 95 % bound.
        minimum_class_rows: rows under which nothing is said of a class alone.
        seed: of the bootstrap.
    """
    better = _held_back_check(held_back, minimum_held_back, seed)
    not_worse = judge_on_test(
        test, test_labels=test_labels, margin=margin, minimum_class_rows=minimum_class_rows, seed=seed
    )
    if better.passed is None:
        outcome = "not enough evidence"
    elif not not_worse.promote:
        outcome = not_worse.outcome
    else:
        outcome = "better" if better.passed else "not better"
    return Verdict(outcome == "better", outcome, (better, *not_worse.checks))


def judge_on_test(
    test: tuple[Sequence[bool], Sequence[bool]],
    *,
    test_labels: Sequence[str],
    margin: float,
    minimum_class_rows: int,
    seed: int = 0,
) -> Verdict:
    """Whether a candidate is not worse on the test set, overall and by class; see `judge_candidate`.

    This alone decides where no user has judged anything, as after a change of settings or data.
    """
    served, candidate = (np.asarray(side, dtype=bool) for side in test)
    checks = [_test_check("test rows", served, candidate, margin=margin, minimum=1, seed=seed)]
    labels = np.asarray(test_labels, dtype=object)
    for label in sorted(set(test_labels)):
        rows = labels == label
        name = f"test rows labelled '{label}'"
        minimum = minimum_class_rows
        checks.append(_test_check(name, served[rows], candidate[rows], margin=margin, minimum=minimum, seed=seed))
    passed = all(check.passed is not False for check in checks)
    return Verdict(passed, "not worse" if passed else "worse on the test set", tuple(checks))


def _held_back_check(held_back: tuple[Sequence[bool], Sequence[bool]], minimum: int, seed: int) -> Check:
    served, candidate = (np.asarray(side, dtype=bool) for side in held_back)
    rows = len(served)
    name = "held-back judgements"
    if rows < minimum:
        reason = f"not enough evidence: {rows} held-back judgements, {minimum} are needed"
        return Check(name, rows, None, reason)
    difference = paired_bootstrap(candidate, served, seed=seed, confidence=_CONFIDENCE)
    passed = difference.low > 0
    word = "better" if passed else "not measurably better"
    return Check(name, rows, passed, f"{word} on {rows} {name}: {_points(served, candidate, difference)}", difference)


def _test_check(
    name: str, served: np.ndarray, candidate: np.ndarray, *, margin: float, minimum: int, seed: int
) -> Check:
    rows = len(served)
    if rows < minimum:
        return Check(name, rows, None, f"too few {name} to say: {rows}, {minimum} are needed")
    difference = paired_bootstrap(candidate, served, seed=seed, confidence=_CONFIDENCE)
    passed = difference.low * 100 > -margin
    word = (
        f"not worse than the margin of {margin:g} points" if passed else f"may be worse by more than {margin:g} points"
    )
    return Check(name, rows, passed, f"{word} on {rows} {name}: {_points(served, candidate, difference)}", difference)


def _points(served: np.ndarray, candidate: np.ndarray, difference: PairedDifference) -> str:
    return (
        f"{100 * float(served.mean()):.1f} % right in service, {100 * float(candidate.mean()):.1f} % the candidate, "
        f"difference {100 * difference.mean:+.1f} points (lower 95 % bound {100 * difference.low:+.1f})"
    )
