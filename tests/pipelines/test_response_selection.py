"""Replies ranked by a model that reads both, and by vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import FORGED, SENTENCES, tiny, wordpiece

from enfold import pipeline
from enfold.errors import InputError, LabelError
from enfold.pipelines import EmbeddingResponsePipeline, ResponseSelectionPipeline
from enfold.values import Turn

DIALOGUE = ["I want to book a table for two.", Turn("In which city?", "system"), "In San Jose, at six."]
HISTORY = "I want to book a table for two. In which city? In San Jose, at six."
REPLIES = ["Lunch is at six.", "The prize was won by a nurse.", "Call now!", "A table for two people in San Jose?"]


def padded_logits(model, replies: list[str]) -> torch.Tensor:
    batch = model.tokenizer([HISTORY] * len(replies), replies, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**batch).logits.double()


def model(head: str, **settings):
    return tiny(head, wordpiece(64), length=64, **settings)


def test_a_multiple_choice_model_shares_certainty_out_among_the_replies():
    chooser = model("ForMultipleChoice")
    batch = chooser.tokenizer([HISTORY] * 4, REPLIES, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = chooser(**{name: values[None] for name, values in batch.items()}).logits[0].double()
    select = pipeline("response-selection", chooser)
    assert isinstance(select, ResponseSelectionPipeline)
    (prediction,) = select(DIALOGUE, REPLIES)
    expected = torch.softmax(logits, 0).tolist()
    assert [reply.number for reply in prediction.replies] == sorted(range(4), key=lambda n: -expected[n])
    assert [reply.score for reply in prediction.replies] == pytest.approx(sorted(expected, reverse=True), abs=1e-5)
    assert (prediction.reply, prediction.score) == (prediction.replies[0].text, prediction.replies[0].score)


def test_a_classifier_judges_every_reply_by_itself():
    one = model("ForSequenceClassification", num_labels=1)
    (prediction,) = pipeline("next-response-selection", one)(DIALOGUE, REPLIES)
    expected = torch.sigmoid(padded_logits(one, REPLIES)[:, 0]).tolist()
    assert {r.number: r.score for r in prediction.replies} == pytest.approx(dict(enumerate(expected)), abs=1e-5)

    two = model("ForSequenceClassification", id2label={0: "fits", 1: "random"})
    by_label = torch.softmax(padded_logits(two, REPLIES), 1)
    for label, column in ((None, 1), ("random", 1), ("fits", 0)):
        (prediction,) = pipeline("response-selection", two, label=label)(DIALOGUE, REPLIES)
        assert {r.number: r.score for r in prediction.replies} == pytest.approx(
            dict(enumerate(by_label[:, column].tolist())), abs=1e-5
        )
    with pytest.raises(LabelError, match="no label 'fit'; there are: fits, random; did you mean 'fits'?"):
        pipeline("response-selection", two, label="fit")


def test_by_embeddings_the_nearest_reply_is_chosen():
    select = pipeline("response-selection", model("Model"))
    assert isinstance(select, EmbeddingResponsePipeline)
    vectors = select.embed([HISTORY, *REPLIES]).astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    (prediction,) = select(DIALOGUE, REPLIES)
    assert {r.number: r.score for r in prediction.replies} == pytest.approx(
        dict(enumerate(unit[1:] @ unit[0])), abs=1e-5
    )
    (encoded,) = select.encode([(DIALOGUE, REPLIES)])
    stepped = select.decide(encoded, select.logits(encoded.windows))
    assert [reply.number for reply in stepped.replies] == [reply.number for reply in prediction.replies]


def test_many_dialogues_are_answered_in_order():
    for head in ("ForMultipleChoice", "Model"):
        select = pipeline("response-selection", model(head))
        dialogues = [([sentence], REPLIES[: 1 + number % 4]) for number, sentence in enumerate(SENTENCES)]
        for (dialogue, replies), prediction in zip(dialogues, select.stream(dialogues), strict=True):
            assert len(prediction.replies) == len(replies)
            assert select(dialogue, replies)[0].reply == prediction.reply


def test_a_long_dialogue_loses_its_oldest_words_and_says_so():
    select = pipeline("response-selection", model("ForMultipleChoice"))
    (encoded,) = select.encode([(SENTENCES[:5], REPLIES)])
    (prediction,) = select(SENTENCES[:5], REPLIES)
    assert prediction.cut == max(sum(part.tokens for part in window.cut) for window in encoded.windows) > 0
    assert prediction.tokens > 64
    for window, reply in zip(encoded.windows, REPLIES, strict=True):
        assert len(window) <= 64
        kept = [place for place, of in enumerate(window.sequence_ids) if of == 0]
        assert " ".join(SENTENCES[:5])[window.offsets[kept[-1]][0] :] == "."
        assert [reply[slice(*window.offsets[p])] for p, of in enumerate(window.sequence_ids) if of == 1]
    assert select(DIALOGUE, REPLIES)[0].cut == 0


def test_special_tokens_in_turns_and_replies_are_plain_text():
    select = pipeline("response-selection", model("ForMultipleChoice"))
    (encoded,) = select.encode([([FORGED, "Ada"], [FORGED, "[MASK]"])])
    for window in encoded.windows:
        assert [number for number in window.ids if number in (0, 2, 3, 4)] == [2, 3, 3]


@pytest.mark.parametrize("head", ["ForMultipleChoice", "Model"])
@pytest.mark.parametrize(
    ("dialogue", "replies", "message"),
    [
        ([], REPLIES, "the dialogue has no turns: give at least one"),
        (["Ada", "  "], REPLIES, "turn 1 is empty, or of blanks alone: leave it out"),
        ("", REPLIES, "turn 0 is empty"),
        (DIALOGUE, [], "there are no candidate replies: give at least one"),
        (DIALOGUE, ["Yes.", ""], "candidate 1 is empty, or of blanks alone: leave it out"),
        ([None], REPLIES, "turn 0 is a NoneType, not a str"),
    ],
)
def test_what_cannot_be_ranked_is_named(head: str, dialogue, replies, message: str):
    with pytest.raises(InputError) as error:
        pipeline("response-selection", model(head))(dialogue, replies)
    assert message in str(error.value)


def test_a_reply_that_leaves_no_room_is_named():
    with pytest.raises(
        InputError, match=r"candidate 1 has \d+ tokens and leaves no room for the dialogue in 64 tokens"
    ):
        pipeline("response-selection", model("ForMultipleChoice"))(DIALOGUE, ["Yes.", "Yes. " * 80])
