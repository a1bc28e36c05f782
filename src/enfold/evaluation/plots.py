"""Plots as inline SVG, drawn by matplotlib and coloured by the page that holds them.

Colours are drawn as placeholders and turned into the style sheet's variables, so that one drawing suits a light
and a dark page. Text stays text: it is found by search, read aloud, and set in the reader's own fonts, so that
labels in any script appear.
"""

from __future__ import annotations

import io
import logging
import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from enfold.errors import require
from enfold.values.reports import CalibrationBin
from enfold.web.pages import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["IntervalRow", "curve_plot", "interval_plot", "reliability_plot"]

_INK, _MUTED, _LINE, _ACCENT, _BAD = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {_INK: "--ink", _MUTED: "--muted", _LINE: "--line", _ACCENT: "--accent", _BAD: "--bad"}
_WIDTH = 4.6
_FONT = 9.0
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "enfold",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": _FONT,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "text.color": _INK,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One line of an interval plot; ``main`` lines are drawn in the accent colour."""

    name: str
    value: float
    low: float
    high: float
    main: bool = True


def interval_plot(rows: Sequence[IntervalRow], *, title: str, axis: str) -> str:
    """Points with their intervals, one line each, from top to bottom.

    Args:
        rows: what to draw.
        title: what the plot shows, for those who cannot see it and as its tooltip.
        axis: what the values are.
    """
    names = [_short(row.name) for row in rows]
    # A line in the accent colour starts a group where others follow it.
    grouped = any(not row.main for row in rows)
    places: list[float] = []
    for row in rows:
        places.append(places[-1] + (1.6 if grouped and row.main else 1.0) if places else 0.0)
    with _drawing(height=0.6 + 0.24 * (places[-1] + 1)) as (figure, axes):
        for place, row in zip(places, rows, strict=True):
            colour = _ACCENT if row.main else _MUTED
            axes.plot([row.low, row.high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot([row.value], [place], "o", color=colour, markersize=5)
        axes.set_yticks(places, names)
        for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_color(_INK if row.main else _MUTED)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(places[-1] + 0.6, -0.6)
        axes.set_xlim(*_limits([row.low for row in rows], [row.high for row in rows]))
        axes.set_xlabel(axis)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        _margins(figure, left=0.14 + max(map(_width, names)))
        described = "; ".join(f"{row.name} {row.value:.3f} ({row.low:.3f} to {row.high:.3f})" for row in rows)
        return _svg(figure, title, described)


def curve_plot(curves: Mapping[str, Sequence[tuple[float, float]]], *, title: str, axis: str) -> str:
    """Lines over training steps.

    Args:
        curves: points (step, value) of each line, by name; at most three.
        title: as in :func:`interval_plot`.
        axis: what the values are.
    """
    with _drawing(height=2.7) as (figure, axes):
        looks = [(_MUTED, None), (_ACCENT, "o"), (_BAD, "s")]
        for (name, points), (colour, marker) in zip(curves.items(), looks[len(curves) == 1 :], strict=False):
            steps, values = zip(*points, strict=True)
            axes.plot(steps, values, label=name, linewidth=1.6, color=colour, marker=marker, markersize=4)
        axes.set_xlabel("optimiser steps")
        axes.set_ylabel(axis)
        axes.grid(axis="y")
        if len(curves) > 1:
            axes.legend(loc="best", labelcolor=_INK)
        _margins(figure, left=0.62)
        described = "; ".join(f"{name}: {_ends(points)}" for name, points in curves.items())
        return _svg(figure, title, described)


def reliability_plot(bins: Sequence[CalibrationBin], *, title: str) -> str:
    """How often the model was right against how sure it was; the diagonal is perfect calibration."""
    with _drawing(height=3.1) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=_MUTED, linewidth=1, linestyle=(0, (3, 3)))
        total = sum(item.rows for item in bins)
        for item in bins:
            axes.bar(
                (item.low + item.high) / 2,
                item.accuracy,
                width=(item.high - item.low) * 0.92,
                color=_ACCENT,
                alpha=0.28,
            )
            area = 12 + 160 * item.rows / total
            axes.scatter([item.confidence], [item.accuracy], s=area, color=_ACCENT, linewidths=0, zorder=3)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.04)
        axes.set_xlabel("score of the predicted label")
        axes.set_ylabel("share that is right")
        _margins(figure, left=0.62)
        described = "; ".join(
            f"{item.rows} rows scored about {item.confidence:.2f}, {item.accuracy:.2f} of them right" for item in bins
        )
        return _svg(figure, title, described)


class _drawing:  # noqa: N801 - used as `with _drawing(...)`
    """A figure of one plot, in the shared style and without the global state of pyplot."""

    def __init__(self, *, height: float) -> None:
        self._height = height

    def __enter__(self) -> tuple[Figure, Axes]:
        matplotlib = require("matplotlib", extra="report", purpose="a plot in the report")
        require("matplotlib.figure", extra="report", purpose="a plot in the report")
        # Fonts are the reader's: that matplotlib's own lacks a script does not matter.
        logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
        self._style = matplotlib.rc_context(_STYLE)
        self._style.__enter__()
        figure = matplotlib.figure.Figure(figsize=(_WIDTH, self._height))
        return figure, figure.add_subplot()

    def __exit__(self, *error: Any) -> None:
        self._style.__exit__(*error)


def _svg(figure: Figure, title: str, description: str) -> str:
    """The figure as an ``<svg>`` element that scales with its container and says what it shows."""
    target = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = target.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", drawn, flags=re.DOTALL)
    # Ids are only for references inside; a page with several plots must not hold one twice.
    own = re.sub(r"\W+", "-", title.lower()).strip("-")
    drawn = re.sub(r"<[^>]+>", lambda tag: _mended(tag[0], own), drawn)
    view = re.search(r'viewBox="([\d. ]+)"', drawn)
    assert view is not None
    return (
        f'<svg viewBox="{view[1]}" role="img" aria-labelledby="{own}-title {own}-desc">'
        f'<title id="{own}-title">{escape(title)}</title><desc id="{own}-desc">{escape(shown(description))}</desc>'
        f"{drawn[drawn.index('>') + 1 :].strip()}"
    )


def _mended(tag: str, own: str) -> str:
    """A tag, never the text between two, with ids of this plot alone and colours of the page."""
    tag = re.sub(r'\bid="', f'id="{own}-', tag)
    tag = re.sub(r'(url\(#|href="#)', rf"\g<1>{own}-", tag)
    for placeholder, variable in _VARIABLES.items():
        tag = tag.replace(placeholder, f"var({variable})")
    return tag


def _margins(figure: Figure, *, left: float) -> None:
    """Set margins in inches: matplotlib cannot measure the fonts that a reader has."""
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=min(left, 0.55 * _WIDTH) / _WIDTH, right=1 - 0.16 / _WIDTH, bottom=0.44 / height, top=1 - 0.1 / height
    )


def _width(text: str) -> float:
    """Estimated width in inches at the plots' font size."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return (wide + 0.58 * (len(text) - wide)) * _FONT / 72


def _short(name: str, longest: int = 26) -> str:
    name = " ".join(shown(name).split())
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _limits(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    low, high = min(lows), max(highs)
    space = max(0.06 * (high - low), 0.005)
    return low - space, high + space


def _ends(points: Sequence[tuple[float, float]]) -> str:
    (first, start), (last, end) = points[0], points[-1]
    return f"{start:.3g} at step {first:.0f}, {end:.3g} at step {last:.0f}"
