"""Entity scores against counts done by hand."""

import pytest

from enfold.errors import InputError, LabelError
from enfold.evaluation import entity_scores
from enfold.values import Span

TEXT = "Ada Lovelace met Mary in London"


def span(part: str, label: str | None) -> Span:
    start = TEXT.index(part)
    return Span.of(TEXT, start, start + len(part), label=label)


def test_two_texts_by_hand():
    right = [
        [span("Ada Lovelace", "PER"), span("Mary", "PER"), span("London", "LOC")],
        [span("London", "LOC")],
    ]
    predicted = [
        [span("Ada", "PER"), span("Mary", "PER"), span("London", "ORG")],  # a part; right; another type
        [span("London", "LOC"), span("Mary", "PER")],  # right; too much
    ]
    scores = entity_scores(right, predicted)
    # Right: 2 PER, 2 LOC. Predicted: 3 PER, 1 LOC, 1 ORG. Both: 1 PER, 1 LOC.
    assert (scores.micro.right, scores.micro.predicted, scores.micro.both) == (4, 5, 2)
    assert scores.micro.precision == pytest.approx(2 / 5)
    assert scores.micro.recall == pytest.approx(2 / 4)
    assert scores.micro.f1 == pytest.approx(4 / 9)
    assert list(scores.types) == ["LOC", "ORG", "PER"]
    assert scores.types["LOC"].f1 == pytest.approx(2 / 3)
    assert scores.types["ORG"].f1 == 0.0
    assert scores.types["PER"].f1 == pytest.approx(2 / 5)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0 + 2 / 5) / 3)
    assert scores.metrics["f1_PER"] == scores.types["PER"].f1


def test_everything_right_is_one_and_everything_missed_is_nothing():
    right = [[span("Ada", "PER")], [span("London", "LOC")]]
    assert set(entity_scores(right, right).metrics.values()) == {1.0}
    assert set(entity_scores(right, [[], []]).metrics.values()) == {0.0}
    assert entity_scores([[]], [[]]).metrics == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_f1": 0.0}


def test_an_entity_that_is_listed_twice_counts_once():
    scores = entity_scores([[span("Ada", "PER")]], [[span("Ada", "PER")] * 2])
    assert (scores.micro.predicted, scores.micro.both) == (1, 1)


def test_the_same_characters_in_another_text_do_not_count():
    assert entity_scores([[span("Ada", "PER")], []], [[], [span("Ada", "PER")]]).micro.both == 0


def test_the_score_of_a_span_does_not_matter():
    sure = Span.of(TEXT, 0, 3, label="PER", score=0.9)
    assert entity_scores([[span("Ada", "PER")]], [[sure]]).micro.f1 == 1.0


def test_what_cannot_be_scored_is_named():
    with pytest.raises(InputError, match="1 texts with right entities but 2 with predicted ones"):
        entity_scores([[]], [[], []])
    with pytest.raises(InputError, match="there are no texts to score"):
        entity_scores([], [])
    with pytest.raises(LabelError, match="the entity 'Ada' at 0-3 of text 1 has no label"):
        entity_scores([[], [span("Ada", None)]], [[], []])
