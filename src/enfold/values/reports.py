"""How good a model is, and what a smaller one would cost: plain values for JSON, the terminal and the HTML report."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Self

from enfold.errors import InputError, near

__all__ = [
    "CalibrationBin",
    "ClassScore",
    "Comparison",
    "Cost",
    "Decision",
    "Metric",
    "Mistake",
    "PairedDifference",
    "Report",
    "Slice",
]

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "calibration_error"})
"""Metrics of which a smaller value is the better one."""


class _Json:
    """To plain values and back; ``from_json(to_json(x)) == x``."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """The value as dictionaries, lists, numbers and strings."""
        plain: dict[str, Any] = _plain(asdict(self))  # type: ignore[call-overload]
        return plain

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            InputError: a key is missing or has the wrong type; the message lists all of them.
        """
        from pydantic import ValidationError

        try:
            read: Self = _reader(cls).validate_python(dict(value))  # type: ignore[arg-type]
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise InputError(f"this JSON is not a {cls.__name__}: {faults}") from None
        return read


@cache
def _reader(kind: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Metric(_Json):
    """A number with its bootstrap interval (95 % unless the report says otherwise) and the rows behind it."""

    name: str
    value: float
    low: float
    high: float
    rows: int

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller value is the better one."""
        return self.name in LOWER_IS_BETTER


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore(_Json):
    """One class of the confusion matrix. A score that cannot be computed is ``None``: recall without rows,
    precision without predictions."""

    label: str
    rows: int
    predicted: int
    precision: Metric | None
    recall: Metric | None
    f1: Metric | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin(_Json):
    """Rows whose highest score lies in ``(low, high]``: how sure the model was, and how often it was right."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(_Json):
    """A part of the rows, such as the shortest quarter, and how the model does there.

    Macro F1 is ``None`` where all rows are right, or none is: nothing would say how sure it is.
    """

    by: str
    name: str
    rows: int
    accuracy: Metric
    macro_f1: Metric | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake(_Json):
    """A row that the model got wrong, with its score for its own answer and for the right one."""

    row: int
    text: str
    label: str
    predicted: str
    score: float
    score_of_label: float


@dataclass(frozen=True, slots=True)
class PairedDifference(_Json):
    """By how much the first of two models is right more often than the second, on the same rows.

    ``low`` and ``high`` bound the difference (two-sided, 95 % unless asked otherwise). ``p`` is one-sided:
    small when the first model is better.
    """

    mean: float
    low: float
    high: float
    p: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(_Json):
    """The model of the report against another one on the same rows."""

    name: str
    """What the other one is to the reader, such as ``"previous model"``."""
    model: str
    """Revision of the other one."""
    metrics: tuple[Metric, ...]
    """How the other one does."""
    difference: PairedDifference
    """Of accuracy; positive where the report's model is better."""
    classes: dict[str, PairedDifference]
    """The same over the rows of each class: the difference of recall."""
    gained: int
    """Rows that are right now and were wrong."""
    lost: int
    """Rows that are wrong now and were right."""
    mcnemar_p: float
    """Two-sided exact McNemar test of ``gained`` against ``lost``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(_Json):
    """How good one model is on one set of labelled rows."""

    task: str = "text-classification"
    model: str
    """Revision of the model."""
    data: str
    """What it was measured on: a name, a path or a fingerprint."""
    rows: int
    labels: tuple[str, ...]
    metrics: tuple[Metric, ...]
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    """``confusion[i][j]``: rows of label ``i`` that were answered with label ``j``."""
    calibration: tuple[CalibrationBin, ...] = ()
    slices: tuple[Slice, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know before trusting the numbers."""
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Metric:
        for metric in self.metrics:
            if metric.name == name:
                return metric
        known = [metric.name for metric in self.metrics]
        raise KeyError(f"no metric {name!r} in this report; it has: {', '.join(known)}{near(name, known)}")

    def __contains__(self, name: object) -> bool:
        return any(metric.name == name for metric in self.metrics)

    def __str__(self) -> str:
        lines = [f"{self.model} on {self.rows} rows of {self.data}"]
        lines += [f"  {metric.name:<18} {metric}" for metric in self.metrics]
        for other in self.comparisons:
            gap = other.difference
            lines.append(f"  against {other.name}: {gap.mean:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}) accuracy")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    @property
    def scores(self) -> dict[str, float]:
        """The metrics without their intervals."""
        return {metric.name: metric.value for metric in self.metrics}

    def without_texts(self, texts: Collection[str]) -> Report:
        """The same report without the mistakes that quote one of ``texts``."""
        unwanted = set(texts)
        return replace(self, mistakes=tuple(item for item in self.mistakes if item.text not in unwanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost(_Json):
    """What running a model takes on this machine, and how often it is right."""

    bytes: int
    """Size of its weight files."""
    latency_p50: float
    """Seconds for one text alone, median."""
    latency_p99: float
    """Seconds for one text alone, 99th percentile."""
    throughput: float
    """Texts per second when many are given at once."""
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(_Json):
    """Whether the compressed model takes the place of the trained one, and why."""

    kept: bool
    reason: str
    format: str
    before: Cost
    after: Cost
    difference: PairedDifference
    """Accuracy of the compressed model less that of the trained one."""
    flips: int
    """Rows whose label changed."""
    largest_change: float
    """The most that any label's score moved on any row."""
    bound: float
    """Largest loss of accuracy that was allowed, as a share: 0.005 is half a point."""
    rows: int
    """Validation rows that it was decided on."""
    machine: dict[str, Any] = field(default_factory=dict)
