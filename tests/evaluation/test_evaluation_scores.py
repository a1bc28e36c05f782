"""Every score equals scikit-learn's, with and without row weights, and the ones computed by hand."""

import numpy as np
import pytest
from known_answers import random_answers
from sklearn import metrics as reference

from enfold.errors import InputError
from enfold.evaluation.metrics import ClassificationScores, calibration_bins, confusion_matrix


def _reference(right, scores, weights):
    labels = scores.shape[1]
    predicted = scores.argmax(axis=1)
    every = range(labels)
    return {
        "accuracy": reference.accuracy_score(right, predicted, sample_weight=weights),
        "macro_f1": reference.f1_score(right, predicted, average="macro", sample_weight=weights),
        "mcc": reference.matthews_corrcoef(right, predicted, sample_weight=weights),
        "auc": reference.roc_auc_score(right, scores[:, 1], sample_weight=weights)
        if labels == 2
        else reference.roc_auc_score(right, scores, multi_class="ovr", average="macro", sample_weight=weights),
        "log_loss": reference.log_loss(right, scores, sample_weight=weights, labels=every),
        "brier": reference.brier_score_loss(
            right, scores[:, 1] if labels == 2 else scores, sample_weight=weights, labels=None if labels == 2 else every
        ),
    }


@pytest.mark.parametrize("labels", [2, 3, 7])
@pytest.mark.parametrize("ties", [False, True])
def test_scores_equal_scikit_learn_with_any_whole_row_weights(labels, ties):
    right, scores = random_answers(300, labels, seed=labels)
    if ties:  # scores that occur often, so that the AUC has ties to count by half
        scores = np.round(scores, 1) + 0.01
        scores /= scores.sum(axis=1, keepdims=True)
    weights = np.random.default_rng(1).integers(0, 4, size=(5, 300)).astype(float)
    measured = ClassificationScores(right, scores)(weights)
    for draw in range(5):
        for name, value in _reference(right, scores, weights[draw]).items():
            assert measured.overall[name][draw] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("labels", [2, 5])
def test_scores_of_each_class_equal_scikit_learn(labels):
    right, scores = random_answers(200, labels, seed=3)
    weights = np.random.default_rng(2).integers(0, 3, size=(1, 200)).astype(float)
    classes = ClassificationScores(right, scores)(weights).classes
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        right, scores.argmax(axis=1), labels=range(labels), sample_weight=weights[0]
    )
    np.testing.assert_allclose(classes["precision"][0], precision)
    np.testing.assert_allclose(classes["recall"][0], recall)
    np.testing.assert_allclose(classes["f1"][0], f1)


def test_macro_f1_counts_the_classes_that_occur_and_no_others():
    # Four classes, of which only 0 and 1 occur among the right labels and 2 among the answers.
    right = np.array([0, 0, 1, 1])
    scores = np.eye(4)[[0, 0, 1, 2]] * 0.9 + 0.025
    value = ClassificationScores(right, scores)().overall["macro_f1"][0]
    assert value == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert value == pytest.approx(reference.f1_score(right, [0, 0, 1, 2], average="macro"))


def test_auc_skips_a_class_that_no_row_has():
    right, scores = random_answers(100, 3, seed=4)
    right = np.where(right == 2, 0, right)
    expected = np.mean([reference.roc_auc_score(right == label, scores[:, label]) for label in (0, 1)])
    assert ClassificationScores(right, scores)().overall["auc"][0] == pytest.approx(expected)


def test_one_class_alone_has_no_auc_and_mcc_is_zero():
    scores = ClassificationScores([0, 0, 0], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])().overall
    assert np.isnan(scores["auc"][0])
    assert scores["mcc"][0] == 0


def test_calibration_error_by_hand():
    # Two rows score 0.9, one of them right: a gap of 0.4. Two score 0.6, both right: a gap of 0.4.
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    right = [0, 1, 0, 0]
    assert ClassificationScores(right, scores)().overall["calibration_error"][0] == pytest.approx(0.4)
    # Over- and underconfidence in different bins do not cancel; within one bin they do.
    right = [0, 1, 0, 1]
    assert ClassificationScores(right, scores)().overall["calibration_error"][0] == pytest.approx(0.25)


def test_a_calibrated_model_has_little_calibration_error():
    generator = np.random.default_rng(5)
    high = generator.uniform(0.5, 1, 20_000)
    right = (generator.uniform(size=20_000) > high).astype(int)
    scores = ClassificationScores(right, np.stack([high, 1 - high], axis=1))().overall
    assert scores["calibration_error"][0] < 0.02


def test_calibration_bins_hold_their_upper_edge_and_count_every_row():
    bins = calibration_bins([True, False, True, True], [1.0, 1.0, 14 / 15, 0.5])
    assert [(item.rows, item.accuracy) for item in bins] == [(1, 1.0), (1, 1.0), (2, 0.5)]
    assert bins[-1].high == 1.0
    assert all(item.low < item.confidence <= item.high for item in bins)


def test_confusion_matrix_equals_scikit_learn():
    right, scores = random_answers(150, 4, seed=6)
    predicted = scores.argmax(axis=1)
    np.testing.assert_array_equal(confusion_matrix(right, predicted, 4), reference.confusion_matrix(right, predicted))


@pytest.mark.parametrize(
    ("right", "scores", "message"),
    [
        (
            [0, 1],
            [[0.5, 0.5]],
            r"shape \(2,\) and scores of shape \(1, 2\) do not fit: give \(rows,\) and \(rows, labels\)",
        ),
        ([], np.zeros((0, 2)), "there are no rows to score"),
        ([0, 0], [[0.5, 0.5], [float("nan"), 1]], r"scores of row 1 are not all finite numbers: \[nan, 1.0\]"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "right labels must lie in 0 to 1; they reach 2"),
    ],
)
def test_faults_are_named(right, scores, message):
    with pytest.raises(InputError, match=message):
        ClassificationScores(right, scores)
