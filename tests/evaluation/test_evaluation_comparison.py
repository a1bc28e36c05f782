"""Two models on the same rows."""

import itertools

import numpy as np
import pytest
from known_answers import Known
from scipy.stats import binom

from enfold.errors import InputError
from enfold.evaluation import LabelledRows, answer, compare, mcnemar, paired_bootstrap
from enfold.values import LabelSet


def test_the_difference_is_that_of_the_accuracies():
    a = [True] * 80 + [False] * 20
    b = [True] * 60 + [False] * 20 + [True] * 10 + [False] * 10
    result = paired_bootstrap(a, b, seed=1)
    assert result.mean == pytest.approx(0.8 - 0.7)
    assert result.low < 0.1 < result.high
    assert result.rows == 100


def test_a_constant_difference_has_no_width_and_no_difference_proves_nothing():
    better = paired_bootstrap([True] * 30, [False] * 30)
    assert (better.mean, better.low, better.high) == (1, 1, 1)
    assert better.p < 0.001
    same = paired_bootstrap([True, False] * 15, [True, False] * 15)
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_swapping_the_models_turns_the_sign():
    a, b = [True] * 70 + [False] * 30, [True] * 50 + [False] * 50
    forth, back = paired_bootstrap(a, b, seed=3), paired_bootstrap(b, a, seed=4)
    assert forth.mean == -back.mean
    assert forth.low == pytest.approx(-back.high, abs=0.02)
    assert forth.p < 0.01
    assert back.p > 0.99


def test_it_equals_the_exact_distribution_of_all_resamples_of_four_rows():
    a, b = np.array([1, 1, 0, 1], dtype=bool), np.array([0, 1, 1, 0], dtype=bool)
    difference = a.astype(int) - b.astype(int)
    means = np.array([difference[list(drawn)].mean() for drawn in itertools.product(range(4), repeat=4)])
    result = paired_bootstrap(a, b, resamples=200_000)
    assert result.p == pytest.approx((means <= 0).mean(), abs=0.005)
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    generator = np.random.default_rng(0)
    held = 0
    for seed in range(400):
        easy = generator.uniform(size=200)
        a, b = easy < 0.85, easy + generator.normal(0, 0.05, 200) < 0.80
        held += (result := paired_bootstrap(a, b, seed=seed, resamples=1000)).low <= 0.05 <= result.high
    assert 0.92 <= held / 400 <= 0.98


def test_mcnemar_by_hand():
    # Eight rows in which they disagree, seven for A: two-sided 2 * P(X >= 7), X ~ B(8, 1/2).
    a, b = [True] * 7 + [False] + [True] * 12, [False] * 7 + [True] + [True] * 12
    assert mcnemar(a, b) == pytest.approx(2 * binom.sf(6, 8, 0.5))
    assert mcnemar(a, a) == 1


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([True], [True, False], r"both models' answers to the same rows; it got shapes \(1,\) and \(2,\)"),
        ([], [], "needs at least one row"),
    ],
)
def test_faults_are_named(a, b, message):
    with pytest.raises(InputError, match=message):
        paired_bootstrap(a, b)


def _answers(scores, labels=("ham", "spam"), revision="a", rows=None):
    rows = rows or LabelledRows(
        texts=("one", "two", "three", "four"), labels=("ham", "ham", "spam", "spam"), source="four.csv"
    )
    return answer(Known(LabelSet(labels), dict(zip(rows.texts, scores, strict=True)), revision), rows)


def test_a_comparison_says_what_was_gained_and_lost_in_each_class():
    new = _answers([(0.9, 0.1), (0.9, 0.1), (0.2, 0.8), (0.7, 0.3)], revision="new")
    old = _answers([(0.9, 0.1), (0.1, 0.9), (0.8, 0.2), (0.1, 0.9)], revision="old")
    found = compare(new, old, name="previous model")
    assert (found.name, found.model, found.gained, found.lost) == ("previous model", "old", 2, 1)
    assert found.difference.mean == pytest.approx(0.25)
    assert found.classes["ham"].mean == pytest.approx(0.5)
    assert found.classes["spam"].mean == pytest.approx(0.0)
    assert found.classes["spam"].rows == 2
    assert {metric.name: metric.value for metric in found.metrics}["accuracy"] == 0.5


def test_answers_to_different_rows_are_not_compared():
    new = _answers([(0.9, 0.1)] * 4, revision="new")
    other = LabelledRows(texts=("one", "two", "three", "five"), labels=("ham",) * 4, source="other.csv")
    with pytest.raises(InputError, match="new and old answered different rows"):
        compare(new, _answers([(0.9, 0.1)] * 4, revision="old", rows=other), name="previous model")
