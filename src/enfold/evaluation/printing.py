"""Reports and decisions in the terminal, as rich tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enfold.evaluation.wording import changes_sentence, costs_of, headline, interval, metric_name, number
from enfold.values.reports import Decision, Metric, Report
from enfold.web.pages import points, share, shown

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["printable_decision", "printable_report"]

MOST_CLASSES = 12
"""Classes listed; of more, the weakest."""


def printable_report(report: Report, *, mistakes: int = 3) -> RenderableType:
    """A report for ``rich.print``: the result in words, all scores against the other models, classes, mistakes.

    Texts and labels come from the user's data: they are printed as they are, never read as markup.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [Text(sentence) for sentence in headline(report)]
    scores = Table(title=f"Scores on {report.rows:,} rows, with intervals (↓ lower is better)", title_justify="left")
    scores.add_column("")
    for name in ("this model", *(other.name for other in report.comparisons)):
        scores.add_column(Text(name), justify="right")
    for metric in report.metrics:
        others = [{item.name: item for item in other.metrics}.get(metric.name) for other in report.comparisons]
        name = metric_name(metric.name) + (" ↓" if metric.lower_is_better else "")
        scores.add_row(name, *(_cell(item) for item in (metric, *others)))
    parts.append(scores)

    classes = sorted(report.classes, key=lambda item: item.f1.value if item.f1 is not None else 2.0)[:MOST_CLASSES]
    by_class = Table(title="Classes, the weakest first", title_justify="left")
    for heading in ("label", "rows", "precision", "recall", "F1"):
        by_class.add_column(heading, justify="left" if heading == "label" else "right")
    for row in classes:
        by_class.add_row(_plain(row.label), f"{row.rows:,}", _value(row.precision), _value(row.recall), _cell(row.f1))
    parts.append(by_class)
    parts += [
        Text.assemble(
            "wrong: ", (shown(item.text, 100).replace("\n", " "), "italic"), f" is {shown(item.label)}, ",
            f"not {shown(item.predicted)} ({share(item.score)} sure)",
        )
        for item in report.mistakes[:mistakes]
    ]  # fmt: skip
    parts += [Text(f"note: {note}", style="yellow") for note in report.notes]
    return Group(*parts)


def printable_decision(decision: Decision) -> RenderableType:
    """A compression decision for ``rich.print``: the verdict, and what it rests on."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    verdict = Text.assemble(
        (f"{decision.format} {'kept' if decision.kept else 'not kept'}: ", "bold green" if decision.kept else "bold"),
        decision.reason,
    )
    table = Table(title="Before and after compression", title_justify="left")
    table.add_column("")
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right")
    for name, before, after, show, _ in costs_of(decision):
        table.add_row(name, show(before), show(after), f"{after / before:.2f} ×" if before else "")
    moved = f"{points(decision.difference.mean)} points"
    table.add_row("Accuracy", share(decision.before.accuracy), share(decision.after.accuracy), moved)
    return Group(verdict, table, Text(changes_sentence(decision)))


def _cell(metric: Metric | None) -> Text:
    from rich.text import Text

    if metric is None:
        return Text("–")
    return Text.assemble(number(metric), " ", (interval(metric), "dim"))


def _value(metric: Metric | None) -> str:
    return "–" if metric is None else number(metric)


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(shown(text, 40))
