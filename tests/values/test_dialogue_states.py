"""The state of a dialogue is a value: every turn makes another."""

import pytest

from enfold.errors import InputError
from enfold.values import DialogueState, Slot, SlotValue
from enfold.values.dialogue import check_slots

ORDER = ["city", "people", "time"]


def value(text: str, turn: int) -> SlotValue:
    return SlotValue(text, turn, 0, len(text), 0.9)


def test_what_is_said_later_takes_the_place_and_all_else_stays():
    empty = DialogueState()
    first = empty.updated({"time": value("six", 0), "city": value("San Jose", 0)}, order=ORDER)
    second = first.updated({"time": value("seven", 1)}, order=ORDER)
    assert (len(empty), empty.turns) == (0, 0)
    assert first.values_by_name == {"city": "San Jose", "time": "six"}
    assert second.values_by_name == {"city": "San Jose", "time": "seven"}
    assert (second.turns, second["city"].turn, second["time"].turn) == (2, 0, 1)
    assert list(second) == ["city", "time"]
    assert "people" not in second


def test_a_change_is_another_value_not_the_same_said_again():
    first = DialogueState().updated({"city": value("Paris", 0)}, order=ORDER)
    again = first.updated({"city": value("Paris", 1), "people": value("two", 1)}, order=ORDER)
    assert first.changed_by(again) == ("people",)
    assert DialogueState().changed_by(first) == ("city",)


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        ([], "there are no slots to fill; give at least one Slot"),
        ([Slot("city"), Slot("city")], "given more than once: 'city'"),
        ([Slot(" ")], "a slot needs a name"),
        ([Slot("size", values=())], "slot 'size' allows no value: leave values out to allow any"),
    ],
)
def test_slots_that_cannot_be_told_apart_are_refused(slots: list[Slot], message: str):
    with pytest.raises(InputError, match=message):
        check_slots(slots)
