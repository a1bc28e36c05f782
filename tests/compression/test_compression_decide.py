"""A compressed model is kept only if it is faster and as right; the reason says which rule decided."""

import copy
import time

import pytest
import torch

from enfold.compression import decide
from enfold.compression.decide import verdict
from enfold.errors import InputError, LabelError
from enfold.values.reports import Cost, Decision

COST = Cost(bytes=1000, latency_p50=0.004, latency_p99=0.008, throughput=100, accuracy=0.95)


def changed(**values):
    return Cost(**{**COST.to_json(), **values})


@pytest.mark.parametrize(
    ("after", "kept", "reason"),
    [
        (
            changed(throughput=180, accuracy=0.947, bytes=370),
            True,
            "int8 is 1.8 times as fast on this machine, takes 37.0 % of the space and loses 0.30 points of accuracy "
            "(0.5 points are allowed).",
        ),
        (
            changed(throughput=180, accuracy=0.951),
            True,
            "int8 is 1.8 times as fast on this machine, takes 100.0 % of the space and loses no accuracy "
            "(0.5 points are allowed).",
        ),
        (changed(throughput=180, accuracy=0.945), True, None),
        (
            changed(throughput=180, accuracy=0.94),
            False,
            "int8 loses 1.00 points of accuracy on 557 rows; 0.5 are allowed.",
        ),
        (
            changed(throughput=104),
            False,
            "int8 is not faster on this machine: 104 texts a second against 100 before.",
        ),
        (
            changed(throughput=180, latency_p50=0.005),
            False,
            "int8 answers a single text more slowly on this machine: 5.0 ms against 4.0 ms before.",
        ),
    ],
)
def test_the_rules(after, kept, reason):
    decision = verdict(COST, after, bound=0.005, format="int8", rows=557)
    assert decision[0] is kept
    if reason is not None:
        assert decision[1] == reason


def _slower(model):
    """The same model, which waits a while for each token."""
    slow = copy.deepcopy(model)
    slow.register_forward_pre_hook(
        lambda _, args, kwargs: time.sleep(0.0003 * kwargs["input_ids"].numel()), with_kwargs=True
    )
    return slow


def test_a_faster_model_with_the_same_answers_is_kept(trained):
    slow = _slower(trained.model)
    decision = decide(
        slow, trained.tokenizer, trained.texts, trained.labels, bound=0.005, candidate=trained.model, budget=0.6
    )
    assert decision.kept, decision.reason
    assert decision.after is not None
    assert decision.before.accuracy == decision.after.accuracy >= 0.9
    assert (decision.flips, decision.rows) == (0, 100)
    assert decision.largest_change < 1e-5
    assert decision.difference.mean == 0
    assert decision.before.bytes == decision.after.bytes > 0
    assert decision.machine["threads"] == torch.get_num_threads()
    assert Decision.from_json(decision.to_json()) == decision


def test_a_slower_model_is_not_kept(trained):
    slow = _slower(trained.model)
    decision = decide(
        trained.model, trained.tokenizer, trained.texts, trained.labels, bound=0.005, candidate=slow, budget=0.6
    )
    assert not decision.kept
    assert decision.reason.startswith("int8 is not faster on this machine")


def test_a_model_that_lost_what_it_knew_is_not_kept(trained):
    worse = copy.deepcopy(trained.model)
    with torch.no_grad():
        worse.classifier.weight.neg_()
    decision = decide(
        trained.model, trained.tokenizer, trained.texts, trained.labels, bound=0.005, candidate=worse, budget=0.2
    )
    assert not decision.kept
    assert "points of accuracy on 100 rows; 0.5 are allowed" in decision.reason
    assert decision.flips > 50
    assert decision.difference.high < 0


@pytest.mark.parametrize(
    ("settings", "labels", "error", "message"),
    [
        ({"bound": -0.1}, ["ham"], InputError, "bound=-0.1 must be 0 or more"),
        ({"bound": 0.1}, ["ham", "ham"], InputError, "1 texts and 2 labels"),
        ({"bound": 0.1}, ["eggs"], LabelError, "'eggs' in the validation rows is not a label of the model"),
    ],
)
def test_faults_are_named(trained, settings, labels, error, message):
    with pytest.raises(error, match=message):
        decide(trained.model, trained.tokenizer, ["free"], labels, **settings)
