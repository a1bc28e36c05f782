"""One prediction, read by attribute or as a mapping."""

from datetime import UTC, datetime

import pytest

from enfold.values import ClassPrediction, Feedback, Span


def prediction():
    return ClassPrediction(model="abc", tokens=5, label="spam", score=0.9, scores={"ham": 0.1, "spam": 0.9})


def test_a_prediction_reads_as_a_mapping_too():
    one = prediction()
    assert one["label"] == one.label == "spam"
    assert dict(one).keys() == {"id", "model", "tokens", "windows", "cut", "label", "score", "scores"}
    with pytest.raises(KeyError):
        one["sentiment"]


def test_every_prediction_has_an_id_of_its_own():
    assert prediction().id != prediction().id


def test_only_the_right_label_carries_a_value():
    now = datetime.now(UTC)
    assert Feedback(prediction_id="x", kind="label", value="ham", at=now).value == "ham"
    for kind, value in (("right", "ham"), ("label", None)):
        with pytest.raises(ValueError, match="only 'label' carries a value"):
            Feedback(prediction_id="x", kind=kind, value=value, at=now)


def test_a_span_is_the_exact_slice():
    assert Span.of("Call Ada now", 5, 8, label="PER").text == "Ada"
    with pytest.raises(ValueError, match="span 5:80 lies outside a text of 12 characters"):
        Span.of("Call Ada now", 5, 80)
