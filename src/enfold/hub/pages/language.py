"""The language of a page: English, or Chinese from the table ``chinese.tsv``."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any, Literal

__all__ = ["CHINESE", "LANGUAGES", "Language", "chosen_language", "translated"]

Language = Literal["en", "zh"]
LANGUAGES: dict[Language, str] = {"en": "English", "zh": "中文"}
CHINESE: dict[str, str] = dict(
    line.split("\t") for line in files("enfold.hub.pages").joinpath("chinese.tsv").read_text("utf-8").splitlines()
)
"""The texts of the pages in Chinese, by the English ones."""
_RANGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


def chosen_language(asked: str, kept: str, accepted: str) -> Language:
    """The language that was asked for, or was chosen before, or that the browser likes best of those there are."""
    for text in (asked, kept):
        if text in LANGUAGES:
            return text  # type: ignore[return-value]
    best: tuple[float, Language] = (0.0, "en")
    for part in accepted[:500].split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        name, quality = match.group(1).lower(), float(match.group(2) or 1)
        if name in LANGUAGES and quality > best[0]:
            best = (quality, name)  # type: ignore[assignment]
    return best[1]


def translated(language: Language, text: str, **values: Any) -> str:
    """A text of the pages in a language; ``{name}`` in it is replaced by a value."""
    found = CHINESE.get(text, text) if language == "zh" else text
    return found.format(**values) if values else found
