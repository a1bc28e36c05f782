"""HTML pages from the templates beside this file. Everything that is put into one is escaped."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["count", "duration", "environment", "points", "render", "share", "shown", "size", "style_sheet"]

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def render(template: str, **values: Any) -> str:
    """Render a template of ``web/templates``.

    Values are escaped and rid of control characters, whatever they are; a template that asks for a value it was
    not given is an error. The style sheet is there as ``style``.

    Args:
        template: file name, such as ``"report.html.j2"``.
        **values: what the template uses.
    """
    return environment().get_template(template).render(**values)


@cache
def style_sheet() -> str:
    """The one style sheet."""
    return files("enfold.web").joinpath("style.css").read_text(encoding="utf-8")


@cache
def environment(*packages: str) -> Environment:
    """Where templates come from and how they are filled: those of ``packages``, then those of ``web``."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in (*packages, "enfold.web")]),
        autoescape=True,
        finalize=lambda value: shown(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["style"] = Markup(style_sheet())
    made.filters.update(count=count, duration=duration, points=points, share=share, shown=shown, size=size)
    return made


def shown(value: object, longest: int | None = None) -> str:
    """A text as a page can hold it: control characters become U+FFFD; a longer text is cut, with a mark."""
    text = _CONTROLS.sub("\ufffd", str(value))
    return text if longest is None or len(text) <= longest else text[: longest - 1].rstrip() + "…"


def count(value: float) -> str:
    """A whole number with its thousands set apart."""
    return f"{round(value):,}"


def share(value: float) -> str:
    """A share of one as per cent: ``0.987`` is ``98.7 %``."""
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of shares as points with its sign: ``-0.004`` is ``−0.4``."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def size(value: float) -> str:
    """Bytes in the unit that suits them, decimal as on disks: ``22_900_000`` is ``22.9 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def duration(value: float) -> str:
    """Seconds in the unit that suits them: ``0.0032`` is ``3.2 ms``."""
    if value < 1e-3:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.1f} ms"
    if value < 120:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
