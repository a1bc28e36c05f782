"""What one rendering of a chat template may take, and what is asked before something big is built.

Every turn of a loop, call, filter and test of a template is a step, and a step looks at the clock. What could build
something big (an operator, a width, a replacement) says its size first. Lists of lists are weighed when they are made,
so that one which holds itself many times over, and is small in memory, cannot become endless where it is written.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain
from typing import Any

__all__ = ["METER", "ChatLimits", "Meter", "TooMuch", "check_arguments", "check_format", "check_operation", "limited"]

_LONGEST_NUMBER = 20_000
"""Bits of the longest whole number that a template may compute."""
_LARGEST_ARGUMENT = 1_000_000
"""The largest number that may be given to a filter or to a method of a text: most of them are widths."""
_WIDE_FIELD = re.compile(r"\d{5,}|\*|:[^{}]*\{")
"""In a format: a field wider than anybody needs, or one whose width is computed."""


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """What one rendering of a chat template may take."""

    seconds: float = 5.0
    steps: int = 1_000_000
    """Turns of loops, calls, filters and tests."""
    characters: int = 50_000_000
    """Characters and list items that are built on the way, all together."""


class TooMuch(Exception):
    """A template went over a limit; the message says over which."""


class Meter:
    """What is left of the limits of one rendering.

    Args:
        limits: the limits.
        marks: two characters to put around what stands in ``{% generation %}``; nothing is put there without them.
    """

    def __init__(self, limits: ChatLimits, marks: tuple[str, str] | None = None) -> None:
        self.limits = limits
        self.marks = marks
        self._steps = limits.steps
        self._room = limits.characters
        self._deadline = time.monotonic() + limits.seconds
        self._weights: dict[int, tuple[Any, int]] = {}

    def step(self, built: int = 0) -> None:
        """Count one step that is about to build so many characters or items.

        Raises:
            TooMuch: a limit is reached.
        """
        self._steps -= 1
        self._room -= built
        if self._steps < 0:
            raise TooMuch(f"it takes more than {self.limits.steps:,} steps")
        if self._room < 0:
            raise TooMuch(f"it builds more than {self.limits.characters:,} characters")
        if time.monotonic() > self._deadline:
            raise TooMuch(f"it takes longer than {self.limits.seconds:g} seconds")

    def made(self, value: Any) -> Any:
        """Count a step that made this value, and give it back.

        Raises:
            TooMuch: a limit is reached, or the value would be too long if it were written out.
        """
        self.step(size(value))
        if self._weight(value) > self.limits.characters:
            raise TooMuch(f"it builds more than {self.limits.characters:,} characters")
        return value

    def _weight(self, value: Any) -> int:
        """Characters and items of a value with all that is in it. Templates cannot change lists, so it stays what it
        is."""
        if not isinstance(value, (list, tuple, dict)):
            return size(value) or 1
        known = self._weights.get(id(value))
        if known is not None:
            return known[1]
        inside = chain(value, value.values()) if isinstance(value, dict) else value
        weight = 1 + sum(map(self._weight, inside))
        self._weights[id(value)] = (value, weight)  # the value is kept, so that its number is not given to another
        return weight


METER: ContextVar[Meter] = ContextVar("meter")
"""The meter of the rendering that is under way."""


@contextmanager
def limited(limits: ChatLimits, marks: tuple[str, str] | None = None) -> Iterator[None]:
    """Render under these limits; for the arguments see `Meter`."""
    token = METER.set(Meter(limits, marks))
    try:
        yield
    finally:
        METER.reset(token)


def size(value: Any) -> int:
    """Characters of a text, items of a list."""
    return len(value) if isinstance(value, (str, bytes, list, tuple, dict)) else 0


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Ask an operator how much it is about to build.

    Raises:
        TooMuch: too much.
    """
    numbers = isinstance(left, int) and isinstance(right, int)
    built = size(left) + size(right)
    if operator == "*" and numbers:
        _check_bits(left.bit_length() + right.bit_length())
    elif operator == "*":
        texts, times = (right, left) if isinstance(left, int) else (left, right)
        built = size(texts) * max(times, 0) if isinstance(times, int) else 0
    elif operator == "**":
        if not isinstance(right, (int, float)) or abs(right) > _LONGEST_NUMBER:
            raise TooMuch("it raises to a power that is too large")
        if numbers:
            _check_bits(left.bit_length() * abs(right))
    elif operator == "%":
        check_format(left)
    METER.get().step(built)


def _check_bits(bits: int) -> None:
    if bits > _LONGEST_NUMBER:
        raise TooMuch(f"it computes a number of more than {_LONGEST_NUMBER:,} bits")


def check_format(form: Any) -> None:
    """Look at the widths in a format; anything but a text passes.

    Raises:
        TooMuch: one is too large, or computed.
    """
    text = form.decode("latin-1") if isinstance(form, bytes) else form
    if isinstance(text, str) and _WIDE_FIELD.search(text):
        raise TooMuch("it formats with a field that is too wide, or whose width it computes")


def check_arguments(name: str, value: Any, arguments: Iterable[Any]) -> None:
    """Ask a filter, or a method of a text, how much it is about to build.

    Raises:
        TooMuch: too much.
    """
    arguments = list(arguments)
    built = 0
    for argument in arguments:
        if isinstance(argument, int):
            if abs(argument) > _LARGEST_ARGUMENT:
                raise TooMuch(f"it gives {name} the number {argument}")
            lines = value.count("\n") + value.count("\t") + 1 if isinstance(value, str) else 1
            built += abs(argument) * lines
    texts: list[Any] = [argument for argument in arguments if isinstance(argument, (str, bytes))]
    if name == "replace" and len(texts) >= 2 and isinstance(value, type(texts[0])):
        built += value.count(texts[0]) * len(texts[1])
    elif name == "join" and isinstance(value, (str, bytes)):
        parts = arguments[0] if arguments and isinstance(arguments[0], (list, tuple, str, dict)) else ()
        built += sum(len(value) + size(part) for part in parts)
    elif name == "join":
        built += size(value) * sum(map(len, texts))
    elif name == "format":
        check_format(value)
    elif name == "sum" and any(isinstance(argument, (list, tuple)) for argument in arguments):
        raise TooMuch("it adds lists up with the filter sum")
    METER.get().step(built)
