"""int8 models answer as the trained ones do, whatever else is in the batch, and come back from disk."""

import logging
import random
import re

import numpy as np
import pytest
import torch

from enfold import AutoModelForSequenceClassification, TextClassificationPipeline
from enfold.compression import decide, quantise
from enfold.errors import InputError
from enfold.layers import int8


def _scores(model, tokenizer, texts):
    return np.array([list(p.scores.values()) for p in TextClassificationPipeline(model, tokenizer)(texts)])


@pytest.fixture(params=["a scale a token", "fixed ranges"])
def texts(request, trained):
    """Those the model is quantised with: none, or some that are not answered here."""
    trained.model.tokenizer = trained.tokenizer
    return [] if request.param == "a scale a token" else [f"{text} lunch" for text in trained.texts[:32]]


def test_answers_stay_close_and_the_model_itself_unchanged(trained, texts):
    before = {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}
    quantised = quantise(trained.model, texts=texts)
    assert all(torch.equal(before[name], tensor) for name, tensor in trained.model.state_dict().items())
    exact = _scores(trained.model, trained.tokenizer, trained.texts)
    rounded = _scores(quantised, trained.tokenizer, trained.texts)
    assert 0 < np.abs(exact - rounded).max() < 0.1
    assert (exact.argmax(axis=1) == rounded.argmax(axis=1)).mean() >= 0.98


def test_an_answer_does_not_depend_on_its_neighbours(trained, texts):
    quantised = quantise(trained.model, texts=texts)
    alone = np.concatenate([_scores(quantised, trained.tokenizer, [text]) for text in trained.texts])
    shuffled = list(range(len(trained.texts)))
    random.Random(1).shuffle(shuffled)
    together = _scores(quantised, trained.tokenizer, [trained.texts[row] for row in shuffled])
    np.testing.assert_allclose(together, alone[shuffled], atol=1e-3)


def test_a_saved_int8_model_answers_the_same(trained, texts, tmp_path):
    quantised = quantise(trained.model, texts=texts)
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
    with pytest.raises(
        InputError, match=r"no weight format 'int9'; there are: int8, int4, auto; did you mean 'int8'\?"
    ):
        quantise(trained.model, format="int9")
    with pytest.raises(InputError, match="the model is quantised already"):
        quantise(quantise(trained.model))


def test_auto_says_what_it_took(trained, caplog):
    trained.model.tokenizer = trained.tokenizer
    with caplog.at_level(logging.INFO, "enfold.compression"):
        taken = quantise(trained.model, "auto", texts=trained.texts[:32])
    assert re.fullmatch(r"int8: 12 int8 maps, \d+ of them with fixed ranges; in float32: none", caplog.messages[-1])
    exact = _scores(trained.model, trained.tokenizer, trained.texts)
    assert np.abs(exact - _scores(taken, trained.tokenizer, trained.texts)).max() < 0.1


def test_auto_without_a_product_of_bytes_stays_in_floating_point(trained, caplog, monkeypatch):
    monkeypatch.setattr(int8, "PRODUCTS", int8.PRODUCTS[-1:])
    int8.int8_product.cache_clear()
    try:
        with caplog.at_level(logging.INFO, "enfold.compression"):
            taken = quantise(trained.model, "auto", texts=trained.texts[:32])
    finally:
        monkeypatch.undo()
        int8.int8_product.cache_clear()
    kind = str(taken.dtype).removeprefix("torch.")
    assert kind in ("bfloat16", "float32")
    assert caplog.messages[-1] == f"auto: {kind}, as this processor has no product of bytes"


def test_auto_needs_texts(trained):
    with pytest.raises(InputError, match="format='auto' needs texts="):
        quantise(trained.model, "auto")
