"""A report's numbers in words: what the terminal and the HTML page both say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from enfold.values.reports import Comparison, Decision, Metric, Report
from enfold.web.pages import count, duration, points, share, size

__all__ = [
    "METRIC_NAMES",
    "changes_sentence",
    "confused_pairs",
    "costs_of",
    "facts_of",
    "gap_sentence",
    "headline",
    "interval",
    "metric_name",
    "number",
    "tables_of",
]

METRIC_NAMES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "mcc": "Matthews correlation",
    "auc": "AUC",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
}
_SHARES = {"accuracy", "macro_f1", "precision", "recall", "f1", "calibration_error"}


def metric_name(name: str) -> str:
    """What a reader calls a metric."""
    return METRIC_NAMES.get(name, name.replace("_", " ").capitalize())


def number(metric: Metric) -> str:
    """The value as its kind is usually given: shares in per cent, the rest with three decimals."""
    return share(metric.value) if metric.name in _SHARES else f"{metric.value:.3f}"


def interval(metric: Metric) -> str:
    """The interval in the same way: ``98.2 to 99.2``."""
    if metric.name in _SHARES:
        return f"{100 * metric.low:.1f} to {100 * metric.high:.1f}"
    return f"{metric.low:.3f} to {metric.high:.3f}"


def headline(report: Report) -> list[str]:
    """The result in sentences: how good, and against what."""
    accuracy = report["accuracy"]
    first = f"Right on {share(accuracy.value)} of {count(report.rows)} rows ({interval(accuracy)})."
    return [first, *(gap_sentence(other) for other in report.comparisons)]


def gap_sentence(other: Comparison) -> str:
    """How the report's model stands to another one, as far as the rows can say."""
    gap = other.difference
    bounds = f"{points(gap.low)} to {points(gap.high)}"
    changed = f"{count(other.gained)} rows gained, {count(other.lost)} lost"
    if gap.low > 0:
        said = f"Better than {other.name} by {points(gap.mean).lstrip('+')} points"
    elif gap.high < 0:
        said = f"Worse than {other.name} by {points(-gap.mean).lstrip('+')} points"
    elif not other.gained and not other.lost:
        return f"Right on exactly the same rows as {other.name}."
    else:
        said = f"Not clearly different from {other.name}: {points(gap.mean)} points"
    return f"{said} ({bounds}; {changed})."


def costs_of(decision: Decision) -> list[tuple[str, float, float, Callable[[float], str], bool]]:
    """What the models cost: (name, before, after, how to show it, whether more is better)."""
    kinds: list[tuple[str, str, Callable[[float], str], bool]] = [
        ("Size of the weights", "bytes", size, False),
        ("Latency of one text, median", "latency_p50", duration, False),
        ("Latency of one text, 99th percentile", "latency_p99", duration, False),
        ("Throughput, texts per second", "throughput", count, True),
    ]
    return [
        (name, getattr(decision.before, key), getattr(decision.after, key), show, more)
        for name, key, show, more in kinds
    ]


def changes_sentence(decision: Decision) -> str:
    """What compression did to the answers, and how much it was allowed to."""
    return (
        f"{count(decision.flips)} of {count(decision.rows)} labels changed; the largest change of a score is "
        f"{decision.largest_change:.3f}. Up to {100 * decision.bound:.3g} points of accuracy may be lost."
    )


def confused_pairs(report: Report, *, most: int = 20) -> list[tuple[str, str, int, int]]:
    """Pairs (right label, predicted label, rows, rows of the right label), the most frequent confusions first."""
    pairs = [
        (report.labels[right], report.labels[predicted], rows, sum(line))
        for right, line in enumerate(report.confusion)
        for predicted, rows in enumerate(line)
        if rows and right != predicted
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:most]


def facts_of(value: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The single values of a JSON object as (name, text); notes and what is empty or nested is left out."""
    facts = []
    for key, item in (value or {}).items():
        if key == "notes" or _is_empty(item):
            continue
        if _is_list_of_plain(item):
            facts.append((_title(key), ", ".join(map(_text, item))))
        elif not isinstance(item, (Mapping, list, tuple)):
            facts.append((_title(key), _text(item)))
    return facts


def tables_of(value: Mapping[str, Any] | None) -> list[tuple[str, list[str], list[list[str]]]]:
    """The nested values of a JSON object as (caption, column names, lines)."""
    return [table for key, item in (value or {}).items() for table in _tables(_title(key), item)]


def _tables(title: str, item: Any) -> list[tuple[str, list[str], list[list[str]]]]:
    if isinstance(item, (list, tuple)) and item and all(isinstance(part, Mapping) for part in item):
        return [(title, *_grid(item))]
    if not isinstance(item, Mapping) or not item:
        return []
    inner = {name: part for name, part in item.items() if isinstance(part, Mapping)}
    if len(inner) == len(item):
        return [(title, *_grid([{"": name, **part} for name, part in inner.items()]))]
    plain = [[_title(name), _flat(part)] for name, part in item.items() if name not in inner and not _is_empty(part)]
    return [(title, [], plain), *(table for name, part in inner.items() for table in _tables(f"{title}: {name}", part))]


def _grid(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [_title(name) for name in names], [[_flat(row.get(name, "")) for name in names] for row in rows]


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_flat(part)}" for name, part in value.items())
    return ", ".join(map(_flat, value)) if isinstance(value, (list, tuple)) else _text(value)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == ()


def _is_list_of_plain(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and not any(isinstance(part, (Mapping, list, tuple)) for part in value)


def _title(key: object) -> str:
    text = str(key).replace("_", " ")
    return text[:1].upper() + text[1:]


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
