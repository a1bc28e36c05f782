"""How good a model is, as plain values that go to JSON, to the terminal and to the HTML report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """A number with its bootstrap interval (95 % unless the report says otherwise) and the rows behind it."""

    name: str
    value: float
    low: float
    high: float
    rows: int
