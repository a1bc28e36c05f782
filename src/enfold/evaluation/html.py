"""The report as one HTML file: style sheet and plots inside, no script, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enfold.evaluation import wording
from enfold.evaluation.plots import IntervalRow, curve_plot, interval_plot, reliability_plot
from enfold.files import atomic_file
from enfold.values.reports import ClassScore, Decision, Report

__all__ = ["ReportPage", "render_report", "write_report"]

LARGEST_MATRIX = 24
"""Classes up to which the confusion matrix is shown whole; of more, the most frequent confusions are listed."""
MOST_PLOTTED = 40
"""Classes up to which their F1 scores are plotted."""
PLOTTED = ("accuracy", "macro_f1", "mcc", "auc")
"""Metrics of the headline plot: those for which 1 is perfect."""


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """What the HTML report shows. Parts that are not given are left out.

    ``profile`` and ``lineage`` are shown as they come: single values as a list of facts, mappings and lists of
    mappings as tables.
    """

    title: str
    report: Report
    verdict: str | None = None
    """A sentence above the scores, such as the outcome of a comparison."""
    profile: Mapping[str, Any] | None = None
    """What is known of the data, as JSON values; its ``notes`` stand out."""
    history: Sequence[Mapping[str, Any]] = ()
    """The trainer's log: mappings with ``step`` and ``loss``, or ``eval_loss`` and other ``eval_…`` scores."""
    decision: Decision | None = None
    """The compression decision."""
    lineage: Mapping[str, Any] | None = None
    """What the model was made of: fingerprints, settings, versions."""
    made: str | None = None
    """When it was made, as the reader should see it."""


def write_report(path: str | Path, page: ReportPage | Report) -> Path:
    """Write the report, whole or not at all.

    Args:
        path: the ``.html`` file.
        page: what it shows; a bare :class:`Report` is enough.

    Returns:
        The path.

    Raises:
        MissingExtra: matplotlib is not installed.
        EnfoldError: the disk is full.
    """
    html = render_report(page)
    with atomic_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return Path(path)


def render_report(page: ReportPage | Report) -> str:
    """The report as the text of an HTML file; see :func:`write_report`."""
    from markupsafe import Markup

    from enfold.web.pages import render

    if isinstance(page, Report):
        page = ReportPage(title="Evaluation", report=page)
    report = page.report
    lineage = {
        "model": report.model,
        "data": report.data,
        "measured_with": report.settings,
        "versions": report.versions,
    }
    lineage |= {key: value for key, value in (page.lineage or {}).items() if value}
    return render(
        "report.html.j2",
        page=page,
        report=report,
        wording=wording,
        plots={name: svg and Markup(svg) for name, svg in _plots(page).items()},  # drawn here, its text escaped
        classes=_weakest_first(report.classes) if len(report.classes) > LARGEST_MATRIX else report.classes,
        whole_matrix=len(report.labels) <= LARGEST_MATRIX,
        slices=_by(report),
        lineage=lineage,
    )


def _plots(page: ReportPage) -> dict[str, str | None]:
    """Every plot by name; ``None`` where there is nothing to draw."""
    report = page.report
    losses, scores = _curves(page.history)
    scored = [(item.label, item.f1) for item in report.classes if item.f1 is not None]
    f1 = [IntervalRow(label, metric.value, metric.low, metric.high) for label, metric in scored]
    return {
        "scores": interval_plot(_score_rows(report), title="Scores with their intervals", axis="1 is perfect"),
        "loss": curve_plot(losses, title="Loss during training", axis="loss") if losses else None,
        "validation": curve_plot(scores, title="Validation scores", axis="score") if scores else None,
        "calibration": reliability_plot(report.calibration, title="Calibration") if report.calibration else None,
        "classes": interval_plot(f1, title="F1 of each class", axis="F1") if 2 < len(f1) <= MOST_PLOTTED else None,
    }


def _score_rows(report: Report) -> list[IntervalRow]:
    rows = []
    for name in PLOTTED:
        for number, metrics in enumerate([report.metrics, *(other.metrics for other in report.comparisons)]):
            for metric in metrics:
                if metric.name == name:
                    shown = wording.metric_name(name) if number == 0 else report.comparisons[number - 1].name
                    rows.append(IntervalRow(shown, metric.value, metric.low, metric.high, main=number == 0))
    return rows


Curves = dict[str, list[tuple[float, float]]]


def _curves(history: Sequence[Mapping[str, Any]]) -> tuple[Curves, Curves]:
    """Losses and validation scores out of a trainer's log."""
    names = {"loss": "training", "eval_loss": "validation"}
    losses = {shown: _points(history, key) for key, shown in names.items()}
    wanted = [name for name in ("eval_accuracy", "eval_macro_f1", "eval_f1") if any(name in entry for entry in history)]
    scores = {wording.metric_name(name.removeprefix("eval_")): _points(history, name) for name in wanted[:2]}
    return (
        {name: points for name, points in losses.items() if points},
        {name: points for name, points in scores.items() if points},
    )


def _points(history: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(float(entry["step"]), float(entry[key])) for entry in history if "step" in entry and key in entry]


def _weakest_first(classes: Sequence[ClassScore]) -> list[ClassScore]:
    return sorted(classes, key=lambda item: item.f1.value if item.f1 is not None else 2.0)


def _by(report: Report) -> dict[str, list[Any]]:
    parts: dict[str, list[Any]] = {}
    for item in report.slices:
        parts.setdefault(item.by, []).append(item)
    return parts
