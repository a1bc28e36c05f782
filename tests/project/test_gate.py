"""The gate: better where users judged, not worse where they did not."""

import numpy as np

from enfold.project.gate import judge_candidate, judge_on_test

RULES = {"minimum_held_back": 20, "margin": 0.5, "minimum_class_rows": 100}


def rows(right, wrong):
    return [True] * right + [False] * wrong


def judge(held_back, test, labels=None, **changes):
    labels = labels or ["ham"] * len(test[0])
    return judge_candidate(held_back=held_back, test=test, test_labels=labels, **(RULES | changes))


SAME = (rows(990, 10), rows(990, 10))


def test_better_on_the_judgements_and_the_same_on_the_test_set_is_promoted():
    verdict = judge((rows(10, 20), rows(28, 2)), SAME)
    assert verdict.promote
    assert verdict.outcome == "better"
    assert "better on 30 held-back judgements: 33.3 % right in service, 93.3 % the candidate" in verdict.reasons[0]


def test_a_difference_that_chance_explains_is_not_better():
    verdict = judge((rows(28, 2), rows(29, 1)), SAME)
    assert not verdict.promote
    assert verdict.outcome == "not better"


def test_under_twenty_judgements_nothing_can_be_said():
    verdict = judge((rows(0, 19), rows(19, 0)), SAME)
    assert not verdict.promote
    assert verdict.outcome == "not enough evidence"
    assert verdict.checks[0].reason == "not enough evidence: 19 held-back judgements, 20 are needed"


def test_worse_on_the_test_set_is_not_promoted_however_much_better_on_the_judgements():
    verdict = judge((rows(0, 40), rows(40, 0)), (rows(990, 10), rows(970, 30)))
    assert not verdict.promote
    assert verdict.outcome == "worse on the test set"
    assert verdict.reasons[0].startswith("may be worse by more than 0.5 points on 1000 test rows")


def test_a_loss_in_one_class_is_seen_behind_a_gain_in_another():
    labels = ["ham"] * 500 + ["spam"] * 500
    served = rows(440, 60) + rows(500, 0)
    candidate = rows(500, 0) + rows(490, 10)
    verdict = judge((rows(0, 40), rows(40, 0)), (served, candidate), labels)
    failed = [check.name for check in verdict.checks if check.passed is False]
    assert failed == ["test rows labelled 'spam'"]
    assert not verdict.promote


def test_a_class_too_small_to_say_does_not_stand_in_the_way_and_is_named():
    labels = ["ham"] * 950 + ["spam"] * 50
    verdict = judge((rows(0, 40), rows(40, 0)), (rows(1000, 0), rows(1000, 0)), labels)
    small = verdict.checks[-1]
    assert verdict.promote
    assert small.passed is None
    assert small.reason == "too few test rows labelled 'spam' to say: 50, 100 are needed"


def test_the_margin_is_held_against_the_lower_bound_and_not_the_mean():
    # Eight losses in 4,000 are 0.2 points; one standard error is 0.07, so the lower bound is about 0.32.
    test = (rows(4000, 0), rows(3992, 8))
    assert judge_on_test(test, test_labels=["ham"] * 4000, margin=0.4, minimum_class_rows=100).promote
    assert not judge_on_test(test, test_labels=["ham"] * 4000, margin=0.25, minimum_class_rows=100).promote


def test_a_candidate_that_is_no_better_seldom_passes():
    """The bound is one-sided at 95 %, so about one in twenty does by chance."""
    rng = np.random.default_rng(5)
    promoted = 0
    for seed in range(200):
        served, candidate = rng.random((2, 60)) < 0.8
        promoted += judge((served, candidate), SAME, seed=seed).promote
    assert promoted / 200 <= 0.08
