"""Intervals hold the truth as often as they say, take little time, and do not claim certainty from few rows."""

import time

import numpy as np
import pytest
from known_answers import random_answers
from scipy.stats import binomtest

from enfold.evaluation.intervals import exact_proportion, measure, resample_counts
from enfold.evaluation.metrics import OVERALL, ClassificationScores


def test_a_resample_draws_as_many_rows_as_there_are():
    counts = np.concatenate(list(resample_counts(50, 200, seed=0)))
    assert counts.shape == (200, 50)
    assert (counts.sum(axis=1) == 50).all()
    assert counts.mean() == 1
    assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.05)


def test_resampling_in_chunks_covers_all_resamples():
    chunks = list(resample_counts(900_000, 6, seed=0))
    assert len(chunks) > 1
    assert sum(len(chunk) for chunk in chunks) == 6


def test_every_metric_lies_in_its_interval_and_equal_seeds_agree():
    scores = ClassificationScores(*random_answers(400, 3, seed=1))
    first, again, other = (measure(scores, seed=seed) for seed in (7, 7, 8))
    assert [metric.name for metric in first.overall] == list(OVERALL)
    # The calibration error is a sum of absolute values: resampling adds noise to it, so its interval may lie above.
    assert all(m.low <= m.value <= m.high and m.rows == 400 for m in first.overall if m.name != "calibration_error")
    assert first == again != other


def test_the_accuracy_interval_agrees_with_the_binomial_one():
    right = np.array([0] * 160 + [1] * 40)
    scores = np.tile([0.9, 0.1], (200, 1))
    accuracy = measure(ClassificationScores(right, scores), resamples=4000).overall[0]
    exact = binomtest(160, 200).proportion_ci(method="wilson")
    assert (accuracy.low, accuracy.high) == pytest.approx((exact.low, exact.high), abs=0.012)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """200 test sets of 200 rows from one model, whose true scores come from 100,000 rows."""
    truth = ClassificationScores(*random_answers(100_000, 3, seed=99))().overall
    held = dict.fromkeys(("accuracy", "macro_f1", "mcc", "auc", "log_loss", "brier"), 0)
    for seed in range(200):
        for metric in measure(
            ClassificationScores(*random_answers(200, 3, seed=seed)), resamples=200, seed=seed
        ).overall:
            if metric.name in held:
                held[metric.name] += metric.low <= truth[metric.name][0] <= metric.high
    for name, times in held.items():
        assert 0.90 <= times / 200 <= 0.99, f"{name}: {times} of 200"


@pytest.mark.parametrize("rows", [1, 2, 5, 12])
def test_tiny_test_sets_give_finite_intervals(rows):
    measured = measure(ClassificationScores(*random_answers(rows, 3, seed=rows)))
    for metric in measured.overall:
        assert np.isfinite([metric.value, metric.low, metric.high]).all(), metric
    for metric in (item for items in measured.classes.values() for item in items if item is not None):
        assert np.isfinite([metric.value, metric.low, metric.high]).all(), metric


def test_ten_right_of_ten_is_no_certainty():
    measured = measure(ClassificationScores([0, 1] * 5, np.eye(2)[[0, 1] * 5] * 0.8 + 0.1))
    accuracy = measured.overall[0]
    assert accuracy.value == accuracy.high == 1
    assert accuracy.low == pytest.approx(0.025 ** (1 / 10))  # all ten right with probability 2.5 %
    recall = measured.classes["recall"][0]
    assert recall is not None
    assert recall.low == pytest.approx(0.025 ** (1 / 5))


def test_exact_proportions_equal_scipy():
    for right, rows in ((0, 7), (7, 7), (3, 10)):
        expected = binomtest(right, rows).proportion_ci(0.9, method="exact")
        assert exact_proportion(right, rows, confidence=0.9) == pytest.approx((expected.low, expected.high))


def test_what_cannot_be_computed_is_left_out():
    measured = measure(ClassificationScores([0, 0, 0], [[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))
    assert "auc" not in [metric.name for metric in measured.overall]
    assert measured.classes["recall"][1] is None  # no row of the class
    assert measured.classes["precision"][2] is None  # no answer with the class
    assert measured.classes["f1"][2] is None


def test_a_thousand_resamples_of_five_thousand_rows_take_about_a_second():
    scores = ClassificationScores(*random_answers(5000, 2, seed=0))
    measure(scores, resamples=10)  # imports
    fastest = float("inf")
    for _ in range(2):
        start = time.process_time()
        measure(scores)
        fastest = min(fastest, time.process_time() - start)
    assert fastest < 1.5  # 0.5 s of processor time on the machine it was written on
