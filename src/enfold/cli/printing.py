"""Strangers' texts on a terminal."""

from __future__ import annotations


def one_line(text: str, width: int) -> str:
    """A text on one line, cut at ``width``, without the control characters that a terminal would obey."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    shown = " ".join(plain.split())
    return shown if len(shown) <= width else shown[: width - 1] + "…"
