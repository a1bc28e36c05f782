"""Which judged texts train, which are held back, which do neither, by the rules of enfold.feedback.rules."""

from __future__ import annotations

import json

import pytest
from feedback_examples import LABELS, THREE, judged
from hypothesis import given
from hypothesis import strategies as st

from enfold.data.identity import content_id
from enfold.feedback import Judgement, Limits, Plan, plan
from enfold.feedback.rules import is_held_back

OPEN = Limits(max_source_share=1.0, max_per_source=10**6)
"""Limits under which nobody is capped."""


def texts(plan_part) -> set[str]:
    return {one.text for one in plan_part}


def drawn_and_not(count: int) -> tuple[list[str], list[str]]:
    """Texts that are held back and texts that are not, at the default share."""
    some = [f"text {n}" for n in range(count * 4)]
    drawn = [text for text in some if is_held_back(content_id(text), 1 / 3)]
    return drawn[:count], [text for text in some if text not in drawn][:count]


def test_a_third_of_all_judged_texts_is_held_back_right_and_wrong_alike() -> None:
    judgements = [judged(f"text {n}", "spam" if n % 2 else "ham", minutes=10 * n) for n in range(3000)]
    made = plan(judgements, labels=LABELS, limits=OPEN)
    assert len(made.training) + len(made.held_back) == 3000
    assert len(made.held_back) / 3000 == pytest.approx(1 / 3, abs=0.03)
    for part in (made.training, made.held_back):
        assert sum(one.corrects for one in part) / len(part) == pytest.approx(0.5, abs=0.06)
    assert made.shortage is None


def test_a_text_once_held_back_stays_so_whatever_is_judged_later() -> None:
    first = [judged(f"text {n}", "spam", minutes=10 * n) for n in range(100)]
    later = [judged(f"other {n}", "ham", user="bob", minutes=5000 + 10 * n) for n in range(500)]
    changed = [judged("TEXT 1", "ham", minutes=9000)]
    before, after = (
        plan(first, labels=LABELS, limits=OPEN),
        plan([*first, *later, *changed], labels=LABELS, limits=OPEN),
    )
    assert texts(before.held_back) - {"text 1"} <= texts(after.held_back)
    assert not texts(before.held_back) & texts(after.training)


@given(st.integers(), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_larger_share_only_adds_to_what_is_held_back(number: int, one: float, other: float) -> None:
    small, large = sorted([one, other])
    identity = content_id(f"text {number}")
    assert is_held_back(identity, large) or not is_held_back(identity, small)


def test_what_was_held_back_before_stays_so_when_the_share_is_made_smaller() -> None:
    judgements = [judged(f"text {n}", "spam", minutes=10 * n) for n in range(100)]
    before = plan(judgements, labels=LABELS, limits=OPEN)
    small = Limits(held_back=0.05, max_source_share=1.0)
    kept = plan(judgements, labels=LABELS, limits=small, held_back_before={one.content_id for one in before.held_back})
    assert texts(kept.held_back) == texts(before.held_back)


def test_near_duplicates_of_a_held_back_text_neither_train_nor_measure() -> None:
    (held,), free = drawn_and_not(1)[0], drawn_and_not(3)[1]
    judgements = [judged(text, "spam", minutes=10 * n) for n, text in enumerate([held, *free])]
    groups = {content_id(held): "g1", content_id(free[0]): "g1", content_id(free[1]): "g2"}
    made = plan(judgements, labels=LABELS, groups=groups)
    assert texts(made.held_back) == {held}
    assert texts(made.training) == {free[1], free[2]}
    assert [(item.text.text, item.reason) for item in made.left_out] == [
        (free[0], "a near duplicate of a text that is held back")
    ]


def test_a_drawn_text_keeps_its_near_duplicates_from_training_even_while_it_is_a_conflict() -> None:
    (held,), (free,) = drawn_and_not(1)
    tie = [judged(held, "spam", user="a"), judged(held, "ham", user="b")]
    made = plan([*tie, judged(free, "spam")], labels=LABELS, groups={content_id(held): "g", content_id(free): "g"})
    assert made.training == ()
    assert [one.text for one in made.conflicts] == [held]


def test_a_rejected_text_measures_with_two_labels_and_never_trains() -> None:
    (held,), (free,) = drawn_and_not(1)
    made = plan([judged(held, None), judged(free, None, minutes=10)], labels=LABELS)
    assert [(one.text, one.label, one.expected) for one in made.held_back] == [(held, None, "spam")]
    assert made.training == ()
    assert [item.reason for item in made.left_out] == ["known only not to be 'ham', which never trains"]


def test_a_rejected_text_does_nothing_with_more_labels() -> None:
    drawn, free = drawn_and_not(2)
    judgements = [judged(text, None, predicted="praise", minutes=10 * n) for n, text in enumerate([*drawn, *free])]
    made = plan(judgements, labels=THREE)
    assert (made.training, made.held_back) == ((), ())
    assert {item.reason for item in made.left_out} == {
        "known only not to be 'praise', which with 3 labels neither trains nor measures"
    }


def test_under_twenty_held_back_there_is_not_enough_evidence() -> None:
    drawn, _ = drawn_and_not(20)

    def shortage(count: int) -> str | None:
        return plan([judged(t, "spam", minutes=10 * n) for n, t in enumerate(drawn[:count])], labels=LABELS).shortage

    assert shortage(19) == "not enough evidence: 19 judged texts are held back to measure by, and 20 are needed"
    assert shortage(20) is None
    assert plan([], labels=LABELS).shortage is not None


def flipping(count: int) -> list[Judgement]:
    """A user who calls ordinary messages spam, amid a few honest ones."""
    flips = [judged(f"ordinary message {n}", "spam", user="mallory", minutes=10 * n) for n in range(count)]
    honest = [judged(f"honest {n}", "ham", user=f"user {n % 5}", minutes=10 * n + 5) for n in range(45)]
    return [*flips, *honest]


def test_a_user_who_flips_ordinary_messages_is_capped_in_training_and_in_the_evidence_and_reported() -> None:
    made = plan(flipping(150), labels=LABELS)
    for part, supplies, use in (
        (made.training, made.training_supplies, "train"),
        (made.held_back, made.held_back_supplies, "measure"),
    ):
        his = sum(one.supporters == ("mallory",) for one in part)
        others = len(part) - his
        assert his == max(20, others)
        assert [(one.name, one.kept) for one in supplies] == [("user 'mallory'", his)]
        line = next(line for line in made.warnings if line.endswith(f"{his} were kept") and use in line)
        assert line.startswith(
            f"user 'mallory' supplied {supplies[0].supplied} of the {supplies[0].of} texts to {use}; "
        )
    reasons = {item.reason for item in made.left_out}
    assert reasons == {
        "user 'mallory' supplies more than its part to train on",
        "user 'mallory' supplies more than its part to measure by",
    }
    top = made.sources[0]
    assert (top.user, top.texts, top.corrections, top.outvoted) == ("mallory", 150, 150, 0)


def test_a_user_who_contradicts_the_projects_data_and_the_others_is_reported() -> None:
    known = {content_id(f"ordinary message {n}"): "ham" for n in range(8)}
    honest = [judged("ordinary message 8", "ham", user=user, minutes=3) for user in ("ann", "bob")]
    made = plan([*flipping(10), *honest], labels=LABELS, known=known)
    assert len(made.conflicts) == 8
    mallory = next(one for one in made.sources if one.user == "mallory")
    assert (mallory.texts, mallory.outvoted) == (10, 9)
    assert "user 'mallory' was not followed on 9 of 10 texts" in made.warnings
    assert "8 judged texts have no settled label" in made.warnings


def test_a_burst_is_reported_with_who_gave_it() -> None:
    sudden = [judged(f"sudden {n}", "spam", user=f"u{n % 7}", minutes=n / 60) for n in range(49)]
    made = plan([*sudden, judged("slow", "ham", minutes=60)], labels=LABELS)
    assert made.warnings[0] == (
        "the burst of 49 judgements at 2026-03-01 12:00:00 UTC came from "
        "user 'u0', user 'u1', user 'u2', user 'u3', user 'u4' and 2 more"
    )


def test_the_record_of_a_plan_holds_no_text() -> None:
    made = plan([*flipping(60), judged("a tie", "ham", user="a"), judged("a tie", "spam", user="b")], labels=LABELS)
    written = json.dumps(made.to_json())
    assert "ordinary message" not in written
    assert "a tie" not in written
    assert content_id("a tie") in written


def test_no_judgements_make_an_empty_plan() -> None:
    made = plan([], labels=LABELS)
    assert isinstance(made, Plan)
    assert (made.training, made.held_back, made.left_out, made.conflicts, made.warnings) == ((), (), (), (), [])
