"""Mending texts that were damaged on the way: wrong decodings, HTML, control characters, blanks.

Only damage is undone. Case, quotes, punctuation and the width of characters are the writer's and stay.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from enfold.data.tables import mend_surrogates
from enfold.errors import require

__all__ = ["Repairs", "repair_text", "repair_texts"]

_TAGS = (
    *(
        "a",
        "abbr",
        "article",
        "b",
        "big",
        "blockquote",
        "body",
        "br",
        "center",
        "cite",
        "code",
        "dd",
        "del",
        "div",
        "dl",
    ),
    *(
        "dt",
        "em",
        "font",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "hr",
        "html",
        "i",
        "img",
        "ins",
    ),
    *("li", "main", "meta", "nav", "ol", "p", "pre", "q", "s", "section", "small", "span", "strike", "strong", "sub"),
    *("sup", "table", "tbody", "td", "tfoot", "th", "thead", "title", "tr", "tt", "u", "ul"),
)
# Only names HTML has: "<3", "a < b", "<unk>" and "<user>" are text.
_TAG = re.compile(rf"</?(?:{'|'.join(_TAGS)})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_INLINE = re.compile(
    r"</?(?:a|abbr|b|big|cite|code|del|em|font|i|ins|q|s|small|span|strike|strong|sub|sup|tt|u)\b", re.IGNORECASE
)
_HIDDEN = re.compile(r"<!--.*?-->|<(script|style)\b[^<>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
# With its semicolon: "?a=1&copy=2" is an address, not a copyright sign.
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# C0 without tab, line feed and carriage return; DEL; C1; noncharacters.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_LINE_END = re.compile("\r\n?|[\u0085\u2028\u2029]")
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n ?(?:\n ?)*")
_MOST_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Repairs:
    """How many texts were changed, by kind of damage; one text may count under several."""

    encoding: int = 0
    """Text decoded with the wrong encoding, as in ``cafÃ©``, or with lone surrogates."""
    html: int = 0
    """Tags, comments and entities."""
    control: int = 0
    """Control characters, terminal escapes, invisible characters."""
    blanks: int = 0
    """Runs of blanks, blanks at the ends, empty lines, uncomposed accents."""

    def to_json(self) -> dict[str, int]:
        """As a JSON object."""
        return asdict(self)


def repair_text(text: str) -> str:
    """Mend one text; a second time changes nothing.

    Raises:
        MissingExtra: ftfy is not installed.
    """
    return _repair(text)[0]


def repair_texts(texts: Sequence[str]) -> tuple[list[str], Repairs]:
    """Mend texts and count what was done.

    Raises:
        MissingExtra: ftfy is not installed.
    """
    counts = dict.fromkeys(Repairs.__dataclass_fields__, 0)
    mended = []
    for text in texts:
        new, kinds = _repair(text)
        mended.append(new)
        for kind in kinds:
            counts[kind] += 1
    return mended, Repairs(**counts)


def _repair(text: str) -> tuple[str, set[str]]:
    kinds: set[str] = set()
    # One step can uncover work for another (an escaped tag, an entity that spells a wrong decoding).
    for _ in range(_MOST_ROUNDS):
        before = text
        for kind, step in _STEPS:
            new = step(text)
            if new != text:
                kinds.add(kind)
                text = new
        if text == before:
            break
    return text, kinds


def _mend_encoding(text: str) -> str:
    if text.isascii():
        return text
    ftfy = require("ftfy", extra="data", purpose="mending text encodings")
    return str(ftfy.fix_encoding(mend_surrogates(text)))


def _mend_html(text: str) -> str:
    if "<" in text:
        text = _HIDDEN.sub(" ", text)
        # A tag inside a line joins what it stands between ("<b>w</b>ord"); any other parts it.
        text = _TAG.sub(lambda tag: "" if _INLINE.match(tag[0]) else "\n", text)
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    return text


def _mend_control(text: str) -> str:
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return _INVISIBLE.sub("", _CONTROL.sub("", _LINE_END.sub("\n", text)))


def _mend_blanks(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    text = _BLANKS.sub(" ", text)
    if "\n" in text:
        text = _LINES.sub("\n", text)
    return text.strip()


_STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("encoding", _mend_encoding),
    ("html", _mend_html),
    ("control", _mend_control),
    ("blanks", _mend_blanks),
)
