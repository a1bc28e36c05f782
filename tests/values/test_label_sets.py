"""Labels are names; numbers live only inside a model."""

import pytest

from enfold.errors import LabelError
from enfold.values import LabelSet


def test_the_order_of_rows_never_decides_a_number():
    assert LabelSet.of(["spam", "ham", "spam"]) == LabelSet.of(["ham", "spam"]) == LabelSet(("ham", "spam"))


def test_names_and_numbers_turn_into_each_other():
    labels = LabelSet(("ham", "spam"))
    assert labels.encode(["spam", "ham"]) == [1, 0]
    assert labels.decode([1, 0]) == ["spam", "ham"]
    assert LabelSet.from_id2label({str(number): name for number, name in labels.id2label.items()}) == labels
    assert labels.label2id == {"ham": 0, "spam": 1}


def test_an_unknown_label_names_those_there_are_and_the_nearest():
    with pytest.raises(LabelError, match="no label 'spma'; there are: ham, spam; did you mean 'spam'?"):
        LabelSet(("ham", "spam")).encode(["spma"])


def test_a_name_given_twice_is_refused():
    with pytest.raises(LabelError, match="given more than once: 'ham'"):
        LabelSet(("ham", "spam", "ham"))


def test_gaps_in_id2label_are_refused():
    with pytest.raises(LabelError, match=r"must number its labels 0 to 1; it has \[0, 2\]"):
        LabelSet.from_id2label({0: "ham", 2: "spam"})


def test_two_sets_that_differ_are_an_error_by_name():
    model = LabelSet(("ham", "spam"))
    model.require_same(LabelSet(("ham", "spam")), here="the model", there="reviews.csv")
    with pytest.raises(LabelError, match=r"only the model has 'spam'; only reviews.csv has 'junk'"):
        model.require_same(LabelSet(("ham", "junk")), here="the model", there="reviews.csv")
    with pytest.raises(LabelError, match="same labels in another order"):
        model.require_same(LabelSet(("spam", "ham")), here="the model", there="reviews.csv")
