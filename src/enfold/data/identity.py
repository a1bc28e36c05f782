"""What makes two texts the same text: the normal form behind ids, exact duplicates and splits."""

from __future__ import annotations

import hashlib
import unicodedata

__all__ = ["content_id", "normal_form"]


def normal_form(text: str) -> str:
    """The text without what a reader would not call a difference: case, width of letters, runs of blanks.

    Unicode NFKC, then full case folding, then every run of white space as one blank.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def content_id(text: str) -> str:
    """The id of a text: 32 hex digits (128 bits) of the sha256 of its normal form.

    It depends on nothing but the text, so that a row keeps its split, and a judged prediction its place
    among the held-back ones, whatever else arrives.
    """
    return hashlib.sha256(normal_form(text).encode("utf-8", "surrogatepass")).hexdigest()[:32]
