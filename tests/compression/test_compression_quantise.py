"""int8 models answer as the trained ones do, whatever else is in the batch, and come back from disk."""

import random

import numpy as np
import pytest
import torch

from enfold import AutoModelForSequenceClassification, TextClassificationPipeline
from enfold.compression import decide, quantise
from enfold.errors import InputError


def _scores(model, tokenizer, texts):
    return np.array([list(p.scores.values()) for p in TextClassificationPipeline(model, tokenizer)(texts)])


def test_answers_stay_close_and_the_model_itself_unchanged(trained):
    before = {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}
    quantised = quantise(trained.model)
    assert all(torch.equal(before[name], tensor) for name, tensor in trained.model.state_dict().items())
    exact = _scores(trained.model, trained.tokenizer, trained.texts)
    rounded = _scores(quantised, trained.tokenizer, trained.texts)
    assert 0 < np.abs(exact - rounded).max() < 0.1
    assert (exact.argmax(axis=1) == rounded.argmax(axis=1)).mean() >= 0.98


def test_an_answer_does_not_depend_on_its_neighbours(trained):
    quantised = quantise(trained.model)
    alone = np.concatenate([_scores(quantised, trained.tokenizer, [text]) for text in trained.texts])
    shuffled = list(range(len(trained.texts)))
    random.Random(1).shuffle(shuffled)
    together = _scores(quantised, trained.tokenizer, [trained.texts[row] for row in shuffled])
    np.testing.assert_allclose(together, alone[shuffled], atol=1e-3)


def test_a_saved_int8_model_answers_the_same(trained, tmp_path):
    quantised = quantise(trained.model)
    quantised.save_pretrained(tmp_path)
    reopened = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    np.testing.assert_array_equal(
        _scores(reopened, trained.tokenizer, trained.texts), _scores(quantised, trained.tokenizer, trained.texts)
    )


def test_the_decision_on_int8_states_what_it_costs(trained):
    decision = decide(trained.model, trained.tokenizer, trained.texts, trained.labels, bound=0.02, budget=0.2)
    assert decision.after.bytes < 0.6 * decision.before.bytes
    assert decision.after.throughput > 0
    assert abs(decision.difference.mean) <= 0.02
    assert 0 < decision.largest_change < 0.1
    assert decision.machine["int8_product"] in ("onednn", "int_mm", "float")


def test_faults_are_named(trained):
    with pytest.raises(InputError, match=r"no weight format 'int9'; there are: int8, int4; did you mean 'int8'\?"):
        quantise(trained.model, format="int9")
    with pytest.raises(InputError, match="the model is quantised already"):
        quantise(quantise(trained.model))
