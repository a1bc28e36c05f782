"""How much one user or one burst may supply, by the rule at the top of enfold.feedback.capping."""

from __future__ import annotations

from datetime import timedelta

import pytest
from feedback_examples import LABELS, NOON, judged
from hypothesis import given
from hypothesis import strategies as st

from enfold.errors import SettingsError
from enfold.feedback import Judgement, Limits, Resolved, resolve
from enfold.feedback.capping import ALWAYS_ALLOWED, cap, find_bursts


def spread(user: str | None, count: int, *, start: float = 0.0, label: str = "spam") -> list[Judgement]:
    """Judgements of one user on texts of their own, ten minutes apart: no burst."""
    return [judged(f"{user} writes {n}", label, user=user, minutes=start + 10 * n) for n in range(count)]


def capped(
    judgements: list[Judgement], limits: Limits | None = None
) -> tuple[list[Resolved], dict[str, tuple[int, int]]]:
    """What stays, and by supplier how much was supplied and how much kept."""
    limits = limits or Limits()
    texts, _ = resolve(judgements, labels=LABELS)
    kept, left_out, report = cap(texts, find_bursts(judgements, limits), limits)
    assert sorted(t.content_id for t in [*kept, *(t for t, _ in left_out)]) == [t.content_id for t in texts]
    return kept, {one.name: (one.supplied, one.kept) for one in report}


def test_a_project_of_one_user_may_use_all_up_to_the_absolute_limit() -> None:
    for user, name in (("alice", "user 'alice'"), (None, "feedback without a name")):
        assert capped(spread(user, 60))[1] == {name: (60, 60)}
        assert capped(spread(user, 250))[1] == {name: (250, 200)}


def test_where_there_are_others_one_user_supplies_at_most_half() -> None:
    kept, report = capped([*spread("mallory", 100), *spread("bob", 15), *spread("carol", 15), *spread(None, 10)])
    assert report == {"user 'mallory'": (100, 40)}
    assert len(kept) == 80


def test_a_user_may_always_supply_twenty() -> None:
    for count in (20, 21, 30):
        assert capped([*spread("alice", count), *spread("bob", 2)])[1] == {"user 'alice'": (count, ALWAYS_ALLOWED)}


def test_the_share_is_a_setting() -> None:
    both = [*spread("alice", 100), *spread("bob", 60)]
    assert capped(both, Limits(max_source_share=0.6))[1] == {"user 'alice'": (100, 90)}
    assert capped(both, Limits(max_source_share=1.0))[1] == {}
    assert Limits(max_source_share=1 / 3).allowance(100) == 50
    assert Limits().allowance(10**6) == 200


def test_texts_that_two_named_users_support_are_nobodys() -> None:
    shared = [judged(f"shared {n}", "spam", user=user, minutes=10 * n) for n in range(60) for user in ("alice", "bob")]
    kept, report = capped([*shared, *spread("carol", 5)])
    assert (len(kept), report) == (65, {})


def test_a_nameless_vote_beside_a_named_one_changes_nothing() -> None:
    seconded = [judged(f"text {n}", "spam", user=user, minutes=10 * n) for n in range(60) for user in ("alice", None)]
    assert capped([*seconded, *spread("bob", 25)])[1] == {"user 'alice'": (60, 25)}


def test_trusted_users_are_never_capped() -> None:
    both = [*spread("alice", 300), *spread("bob", 30)]
    assert len(capped(both, Limits(trusted=frozenset({"alice"})))[0]) == 330


def test_the_same_texts_stay_each_time_and_more_of_them_as_others_join() -> None:
    few, _ = capped([*spread("mallory", 80), *spread("bob", 25)])
    many, _ = capped([*reversed(spread("bob", 40)), *reversed(spread("mallory", 80))])
    assert {one.content_id for one in few} < {one.content_id for one in many}


def test_more_than_thirty_judgements_in_a_minute_are_a_burst_whoever_gives_them() -> None:
    quick = [judged(f"text {n}", "spam", user=f"user {n % 4}", minutes=n / 31) for n in range(31)]
    (burst,) = find_bursts([*quick, *spread("bob", 5, start=60)], Limits())
    assert (burst.start, burst.judgements, len(burst.users)) == (NOON, 31, 4)
    assert burst.name == "the burst of 31 judgements at 2026-03-01 12:00:00 UTC"
    assert find_bursts(quick[:30], Limits()) == []


def test_a_burst_lasts_as_long_as_its_minutes_stay_crowded() -> None:
    two_rates = [judged(f"fast {n}", "spam", minutes=n / 40) for n in range(200)]
    slow = [judged(f"slow {n}", "spam", minutes=10 + n / 20) for n in range(200)]
    (burst,) = find_bursts([*two_rates, *slow], Limits())
    assert (burst.judgements, burst.end - burst.start) == (200, timedelta(minutes=199 / 40))


def test_two_crowded_minutes_far_apart_are_two_bursts_and_trusted_users_make_none() -> None:
    both = [
        judged(f"{start} {n}", "spam", user="alice", minutes=start + n / 100) for start in (0, 30) for n in range(40)
    ]
    assert [burst.judgements for burst in find_bursts(both, Limits())] == [40, 40]
    assert find_bursts(both, Limits(trusted=frozenset({"alice"}))) == []


def test_a_burst_under_many_names_supplies_at_most_half() -> None:
    sudden = [judged(f"sudden {n}", "spam", user=f"made up {n}", minutes=n / 60) for n in range(60)]
    others = [judged(f"slow {n}", "spam", user=f"real {n}", minutes=60 + 10 * n) for n in range(25)]
    kept, report = capped([*sudden, *others])
    assert report == {"the burst of 60 judgements at 2026-03-01 12:00:00 UTC": (60, 25)}
    assert len(kept) == 50


def test_where_everything_is_one_burst_the_absolute_limit_holds() -> None:
    sudden = [judged(f"sudden {n}", "spam", user=f"made up {n}", minutes=n / 120) for n in range(300)]
    assert list(capped(sudden)[1].values()) == [(300, 200)]


def test_a_text_that_was_also_confirmed_outside_the_burst_is_not_of_the_burst() -> None:
    sudden = [judged(f"text {n}", "spam", user="a", minutes=n / 60) for n in range(60)]
    later = [judged(f"text {n}", "spam", user="b", minutes=60 + 10 * n) for n in range(60)]
    kept, report = capped([*sudden, *later, *spread("carol", 10, start=2000)])
    assert (len(kept), list(report.values())) == (70, [])


def test_a_burst_is_reported_even_when_it_is_small() -> None:
    sudden = [judged(f"sudden {n}", "spam", user="alice", minutes=n / 60) for n in range(35)]
    _, report = capped([*sudden, *spread("bob", 90, start=60), *spread("carol", 90, start=60)])
    assert list(report.values()) == [(35, 35)]


def test_limits_that_make_no_sense_are_all_named() -> None:
    with pytest.raises(
        SettingsError, match=r"held_back is 1.5, .*; max_source_share is 0, .*; burst is 1, and must be 2"
    ):
        Limits(held_back=1.5, max_source_share=0, burst=1)


@given(
    st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.integers(0, 60)), max_size=120),
    st.sampled_from([0.2, 0.5, 0.8]),
)
def test_after_the_cap_nobody_has_more_than_allowed(given_by, share) -> None:
    limits = Limits(max_source_share=share, max_per_source=40)
    judgements = [judged(f"text {n}", "spam", user=u, minutes=m) for n, (u, m) in enumerate(given_by)]
    texts, _ = resolve(judgements, labels=LABELS)
    kept, _, _ = cap(texts, find_bursts(judgements, limits), limits)
    for user in (None, "a", "b", "c"):
        mine = sum(one.supporters == (user,) for one in kept)
        assert mine <= limits.allowance(len(kept) - mine)
