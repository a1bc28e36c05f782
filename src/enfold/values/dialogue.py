"""What is known in the course of a dialogue: turns, the slots that are asked for, and their values so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from enfold.errors import InputError

__all__ = ["DialogueState", "Slot", "SlotValue", "Turn", "check_slots"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says."""

    text: str
    speaker: str = "user"


@dataclass(frozen=True, slots=True)
class Slot:
    """Something a dialogue is to find out.

    Attributes:
        name: such as ``city``.
        question: how to ask for it, for a model that answers questions: ``In which city?``
        label: the entity type that fills it, for a model that finds entities; the name where None.
        values: the values that are allowed; any text where None.
    """

    name: str
    question: str = ""
    label: str | None = None
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SlotValue:
    """A value with where it was said: characters ``start`` to ``end`` of turn ``turn``.

    ``value`` is the exact slice, or for a slot with allowed values the one of them that was meant.
    """

    value: str
    turn: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class DialogueState(Mapping[str, SlotValue]):
    """The slots that have a value, and after how many turns. Immutable; `updated` gives the next one.

    It reads as a mapping from a slot's name to its `SlotValue`; slots nothing was said of are not in it.
    """

    turns: int = 0
    slots: tuple[tuple[str, SlotValue], ...] = ()

    def __getitem__(self, name: str) -> SlotValue:
        for known, value in self.slots:
            if known == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.slots)

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def values_by_name(self) -> dict[str, str]:
        """Plain text by slot, as a program that books a table wants it."""
        return {name: value.value for name, value in self.slots}

    def updated(self, said: Mapping[str, SlotValue], *, order: Sequence[str]) -> DialogueState:
        """The state after one more turn: what was said takes the place of what stood there, all else stays.

        Args:
            said: the values of this turn, by slot.
            order: the names of all slots, which is the order the state keeps.
        """
        values = {**dict(self.slots), **said}
        return replace(
            self, turns=self.turns + 1, slots=tuple((name, values[name]) for name in order if name in values)
        )

    def changed_by(self, later: DialogueState) -> tuple[str, ...]:
        """The slots whose value in ``later`` is another than here, in the order of ``later``."""
        return tuple(name for name, value in later.slots if name not in self or self[name].value != value.value)


def check_slots(slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """The slots, once it is sure that they can be told apart.

    Raises:
        InputError: there are none, two have one name, or one allows no value.
    """
    if not slots:
        raise InputError("there are no slots to fill; give at least one Slot(name, question)")
    names = [slot.name for slot in slots]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"slots must have different names; given more than once: {', '.join(map(repr, twice))}")
    for slot in slots:
        if not slot.name.strip():
            raise InputError("a slot needs a name")
        if slot.values is not None and not slot.values:
            raise InputError(f"slot {slot.name!r} allows no value: leave values out to allow any")
    return tuple(slots)
