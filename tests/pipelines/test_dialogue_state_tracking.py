"""The state of a dialogue over its turns: what was said last counts, what was not said stays."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from tiny_models import tiny, wordpiece

from enfold import pipeline
from enfold.errors import InputError, LabelError
from enfold.pipelines import DialogueStatePipeline
from enfold.values import DialogueState, LabelSet, Slot, Turn

SLOTS = {"city": "In which city?", "time": "At what time?"}


class Answers:
    """A runtime that knows some answers: of a question's word, the words of the context that answer it."""

    revision = "script"
    max_length = 64
    known: ClassVar = {"city": ("london", "berlin"), "time": ("six", "two")}

    def span_logits(self, encodings):
        rows = []
        for encoding in encodings:
            row = np.full((len(encoding), 2), -5.0, dtype=np.float32)
            row[0] = 0.0
            question = {word for word, of in zip(encoding.tokens, encoding.sequence_ids, strict=True) if of == 0}
            slot = "time" if "time" in question or "at" in question else "city"
            for place, (word, of) in enumerate(zip(encoding.tokens, encoding.sequence_ids, strict=True)):
                if of == 1 and word in self.known[slot]:
                    row[place] = 5.0
            rows.append(row)
        return rows


class Names:
    """A runtime that finds cities and hours."""

    revision = "script"
    max_length = 64
    labels = LabelSet(("O", "city", "hour"))

    def token_logits(self, encodings):
        rows = []
        for encoding in encodings:
            row = np.zeros((len(encoding), 3), dtype=np.float32)
            for place, token in enumerate(encoding.tokens):
                row[place, 1 if token in Answers.known["city"] else 2 if token in Answers.known["time"] else 0] = 9.0
            rows.append(row)
        return rows


def trackers(**settings) -> list[DialogueStatePipeline]:
    by_entity = [Slot("city"), Slot("time", label="hour")]
    return [
        DialogueStatePipeline(Answers(), wordpiece(64), slots=SLOTS, **settings),
        DialogueStatePipeline(Names(), wordpiece(64), slots=by_entity, **settings),
    ]


TURNS = [
    "call a table in London",
    Turn("London at two?", "system"),
    "no, at six",
    "and in Berlin",
    "thanks",
]


@pytest.mark.parametrize("track", trackers(), ids=["questions", "entities"])
def test_the_latest_word_counts_and_what_is_not_said_stays(track: DialogueStatePipeline):
    predictions = track(TURNS)
    assert [prediction.state.values_by_name for prediction in predictions] == [
        {"city": "London"},
        {"city": "London"},
        {"city": "London", "time": "six"},
        {"city": "Berlin", "time": "six"},
        {"city": "Berlin", "time": "six"},
    ]
    assert [prediction.changed for prediction in predictions] == [("city",), (), ("time",), ("city",), ()]
    last = predictions[-1].state
    assert (last.turns, last["city"].turn, last["time"].turn) == (5, 3, 2)
    said = TURNS[3]
    assert said[last["city"].start : last["city"].end] == "Berlin"
    assert predictions[1].tokens == 0 < predictions[0].tokens


@pytest.mark.parametrize("track", trackers(speakers=("user", "system")), ids=["questions", "entities"])
def test_the_system_may_be_listened_to_as_well(track: DialogueStatePipeline):
    assert track(TURNS)[1].state.values_by_name == {"city": "London", "time": "two"}


@pytest.mark.parametrize("track", trackers(), ids=["questions", "entities"])
def test_a_dialogue_goes_on_from_its_state(track: DialogueStatePipeline):
    whole = track(TURNS)[-1].state
    state = DialogueState()
    for turn in TURNS:
        state = track.update(state, turn).state
    assert state == whole
    half = track(TURNS[:3])[-1].state
    assert list(track.stream(TURNS[3:], state=half))[-1].state == whole
    (encoded,) = track.encode([(half, TURNS[3])])
    assert track.decide(encoded, track.logits(encoded.windows)).state["city"].value == "Berlin"


def test_a_slot_with_allowed_values_takes_one_of_them_or_stays():
    slots = [
        Slot("city", "In which city?", values=("LONDON", "San Jose")),
        Slot("time", "At what time?", values=("six",)),
    ]
    track = DialogueStatePipeline(Answers(), wordpiece(64), slots=slots)
    predictions = track(["in London", "in Berlin at two", "at six"])
    assert [prediction.state.values_by_name for prediction in predictions] == [
        {"city": "LONDON"},
        {"city": "LONDON"},
        {"city": "LONDON", "time": "six"},
    ]


def test_a_find_that_is_not_sure_enough_does_not_count():
    assert trackers(min_score=1.0)[0](["in London"])[0].state.values_by_name == {}
    assert trackers(min_score=0.5)[0](["in London"])[0].state.values_by_name == {"city": "London"}


def test_real_models_of_both_kinds_are_taken():
    asking = pipeline("dialogue-state-tracking", tiny("ForQuestionAnswering", wordpiece()), slots=SLOTS)
    assert asking(["in London"])[0].state.turns == 1
    names = {0: "O", 1: "B-city", 2: "I-city"}
    finding = pipeline(
        "dialogue-state-tracking", tiny("ForTokenClassification", wordpiece(), id2label=names), slots=[Slot("city")]
    )
    assert finding(["in London"])[0].state.turns == 1


def test_slots_that_do_not_fit_the_model_are_refused():
    asking, finding = tiny("ForQuestionAnswering", wordpiece()), Names()
    with pytest.raises(InputError, match="these slots have no question to ask the model: city"):
        pipeline("dialogue-state-tracking", asking, slots=[Slot("city"), Slot("time", "When?")])
    with pytest.raises(LabelError, match="slot 'town' asks for the entity type 'town'; the model has: city, hour"):
        DialogueStatePipeline(finding, wordpiece(), slots=[Slot("town")])
    with pytest.raises(InputError, match="DialogueStatePipeline needs slots: give it to pipeline"):
        pipeline("dialogue-state-tracking", asking)
    with pytest.raises(InputError, match="min_score=2 must be a probability, from 0 to 1"):
        DialogueStatePipeline(finding, wordpiece(), slots=[Slot("city")], min_score=2)
    with pytest.raises(InputError, match="turn 1 is empty, or of blanks alone: leave it out"):
        trackers()[0](["in London", " "])
    with pytest.raises(InputError, match="turn 0 is a int, not a str"):
        trackers()[0]([Turn(3)])  # type: ignore[arg-type]


def test_real_dialogues_keep_the_rule():
    """Every value is the exact slice of a turn of the user, and a slot that has one never loses it."""
    data = os.environ.get("ENFOLD_DATA")
    if not data or not (Path(data) / "sgd-dialogues").is_dir():
        pytest.skip("ENFOLD_DATA does not name a folder with sgd-dialogues")
    with gzip.open(Path(data) / "sgd-dialogues" / "dialogues.jsonl.gz", "rt", encoding="utf-8") as lines:
        dialogues = [json.loads(next(lines)) for _ in range(20)]
    model = tiny("ForQuestionAnswering", wordpiece(128), length=128)
    track = pipeline("dialogue-state-tracking", model, slots={**SLOTS, "people": "For how many people?"}, threshold=2.0)
    changes = 0
    for dialogue in dialogues:
        turns = [Turn(turn["utterance"], turn["speaker"]) for turn in dialogue["turns"]]
        known: set[str] = set()
        for number, prediction in enumerate(track(turns)):
            state = prediction.state
            assert state.turns == number + 1
            assert known <= set(state)
            known = set(state)
            for value in state.values():
                said = turns[value.turn]
                assert said.speaker == "USER"
                assert said.text[value.start : value.end] == value.value
            if turns[number].speaker != "USER":
                assert prediction.changed == ()
            changes += len(prediction.changed)
    assert changes > 20
