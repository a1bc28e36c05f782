"""``POST /feedback``: what a user says of a prediction, by its id."""

from __future__ import annotations

import pytest
from serving_examples import call

from enfold.feedback import FeedbackStore


@pytest.fixture()
def prediction(server: str) -> dict:
    return call(server, "/predict", {"text": "free prize"}).body["predictions"][0]


def judgements(store: FeedbackStore, prediction: dict) -> list[tuple]:
    return [
        (kept.kind, kept.label, kept.user)
        for kept in store.judgements(history=True)
        if kept.prediction_id == prediction["id"]
    ]


def test_right_wrong_and_the_right_label(server: str, store: FeedbackStore, prediction: dict):
    for body in ({"kind": "right"}, {"kind": "wrong", "user": "ada"}, {"label": "ham", "user": "bob"}):
        answer = call(server, "/feedback", {"prediction_id": prediction["id"], **body})
        assert (answer.status, answer.body) == (200, {"accepted": 1})
    assert judgements(store, prediction) == [
        ("right", prediction["label"], None),
        ("wrong", None, "ada"),
        ("label", "ham", "bob"),
    ]


def test_several_at_once_with_a_user_for_those_that_name_none(server: str, store: FeedbackStore, prediction: dict):
    several = [
        {"prediction_id": prediction["id"], "kind": "right"},
        {"prediction_id": prediction["id"], "label": "spam", "user": "bob"},
    ]
    assert call(server, "/feedback", {"feedback": several, "user": "ada"}).body == {"accepted": 2}
    assert [(kind, user) for kind, _, user in judgements(store, prediction)] == [("right", "ada"), ("label", "bob")]


def test_an_unknown_prediction(server: str):
    answer = call(server, "/feedback", {"prediction_id": "0" * 32, "kind": "right"})
    assert answer.status == 404
    assert answer.error["code"] == "unknown_prediction"
    assert answer.error["field"] == "prediction_id"
    assert "0" * 32 in answer.error["message"]


def test_a_label_that_is_not_one(server: str, store: FeedbackStore, prediction: dict):
    answer = call(server, "/feedback", {"prediction_id": prediction["id"], "label": "spma"})
    assert answer.status == 422
    assert answer.error == {
        "code": "unknown_label",
        "message": "no label 'spma'; there are: ham, spam; did you mean 'spam'?",
        "field": "label",
    }
    assert judgements(store, prediction) == []


def test_of_several_the_faulty_are_named_and_the_others_kept(server: str, store: FeedbackStore, prediction: dict):
    several = [
        {"prediction_id": "no-such", "kind": "right"},
        {"prediction_id": prediction["id"], "kind": "right"},
        {"prediction_id": prediction["id"], "label": "eggs"},
    ]
    answer = call(server, "/feedback", {"feedback": several})
    assert answer.status == 404
    assert answer.error["message"].endswith("; 1 of 3 judgements were kept")
    assert [(fault["code"], fault["field"]) for fault in answer.error["faults"]] == [
        ("unknown_prediction", "feedback.0.prediction_id"),
        ("unknown_label", "feedback.2.label"),
    ]
    assert len(judgements(store, prediction)) == 1


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        ({"kind": "right"}, "give prediction_id, or several judgements under feedback", None),
        ({"prediction_id": "x"}, "give either kind ('right' or 'wrong') or the right label", None),
        ({"prediction_id": "x", "kind": "right", "label": "ham"}, "give either kind", None),
        ({"prediction_id": "x", "kind": "maybe"}, "kind is wrong", "kind"),
        ({"prediction_id": "", "kind": "right"}, "prediction_id is empty", "prediction_id"),
        ({"prediction_id": "x", "kind": "right", "user": "a\0b"}, "user holds a NUL character", "user"),
        ({"prediction_id": "x", "label": "\ud800"}, "label holds half of a surrogate pair", "label"),
        ({"feedback": []}, "feedback is wrong", "feedback"),
        ({"feedback": [{"prediction_id": "x"}]}, "give either kind", "feedback.0"),
        (
            {"feedback": [{"prediction_id": "x", "kind": "right"}], "kind": "wrong"},
            "give either one judgement or",
            None,
        ),
        ({"feedback": [{"prediction_id": "x", "kind": "right"}] * 17}, "17 judgements in one request", "feedback"),
        ({"prediction_id": 5, "kind": "right"}, "prediction_id is wrong", "prediction_id"),
        ({"prediction_id": "x", "kind": "right", "usr": "ada"}, "usr is no field of this request", "usr"),
    ],
)
def test_a_body_that_is_no_feedback(server: str, body: dict, message: str, field: str | None):
    answer = call(server, "/feedback", body)
    assert answer.status == 422
    assert message in answer.error["message"]
    assert answer.error.get("field") == field
