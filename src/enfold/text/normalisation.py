"""Texts brought to one spelling, script by script, with the way back to every character of the original.

What is one letter to a reader is often several to a computer: composed and decomposed accents, full-width Latin letters
in Chinese and Japanese, Arabic letters by position, Arabic and Persian forms of the same letter, ten digits in each of
dozens of scripts. Each step here mends one of these and touches nothing else; which ones are taken is up to the user.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Self

from enfold.errors import InputError
from enfold.text.alignment import Aligned
from enfold.text.languages import plain_code

__all__ = ["Normalised", "Normaliser", "normalise"]

Form = Literal["NFC", "NFKC", "NFD", "NFKD"]

_FORMS = ("NFC", "NFKC", "NFD", "NFKD")

# Characters that are no accents (their combining class is 0), and yet join the one before them: Unicode's
# NFC_Quick_Check "maybe", and the vowels and finals of Korean syllables.
_JOINING = (
    "\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6\u0d3e\u0d57\u0dcf\u0ddf\u102e\u1161-\u1175"
    "\u11a8-\u11c2\u1b35\U00011127\U0001133e\U00011357\U000113b8\U000113bb\U000113c2\U000113c5\U000113c7-\U000113c9"
    "\U000114b0\U000114ba\U000114bd\U000115af\U00011930\U0001611e-\U00016129\U00016d67\U00016d68\uff9e\uff9f"
)
_JOINS = re.compile(f"[{_JOINING}]")

_WIDE = re.compile("[\uff01-\uff5e\u3000\uffe0-\uffe6]|[\uff61-\uff9d][\uff9e\uff9f]?|[\uff9e\uff9f]|[\uffa0-\uffdc]")
"""Full-width ASCII, the wide blank, half-width kana with their voicing marks, half-width Korean letters."""

_VOICING_ALONE = {"\u3099": "\u309b", "\u309a": "\u309c"}

_ARABIC_FORMS = re.compile("[\ufb50-\ufbb1\ufbd3-\ufd3d\ufd50-\ufdfb\ufe70-\ufefc]")
"""Arabic letters as they look at the beginning, in the middle or at the end of a word, and ligatures."""
_TATWEEL = re.compile("\u0640")
_HARAKAT = re.compile("[\u064b-\u0652\u0670]")
_TO_PERSIAN = {"\u064a": "\u06cc", "\u0649": "\u06cc", "\u0643": "\u06a9"}
_TO_ARABIC = {"\u06cc": "\u064a", "\u06a9": "\u0643", "\u06c1": "\u0647"}

_DIGIT = re.compile(r"[^\W\D0-9]")

_BLANKS = re.compile("[ \\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_LINES = re.compile(" *(?:\r\n|[\n\r\v\f\x85\u2028\u2029]) *")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad]")
"""Zero-width blank, word joiner, byte-order mark, soft hyphen; not the two joiners, which Persian, Indic scripts and
emoji are written with.
"""

_QUOTES = re.compile(
    "[\u00ab\u00bb\u201c-\u201f\u2033\u2036\u300c-\u300f\u301d-\u301f\uff02]|[\u2018-\u201b\u2032\u2035\u2039\u203a\uff07]"
)
_DOUBLE = set("\u00ab\u00bb\u201c\u201d\u201e\u201f\u2033\u2036\u300c\u300d\u300e\u300f\u301d\u301e\u301f\uff02")

_OF_LANGUAGES: dict[str, dict[str, object]] = {
    "ar": {"arabic": "ar", "digits": True},
    "ckb": {"arabic": "fa", "digits": True},
    "fa": {"arabic": "fa", "digits": True},
    "ja": {"width": True},
    "ko": {"width": True},
    "ps": {"arabic": "fa", "digits": True},
    "ur": {"arabic": "fa", "digits": True},
    "zh": {"width": True},
    **{code: {"digits": True} for code in ("as", "bn", "gu", "hi", "kn", "lo", "ml", "mr", "my", "ne", "or", "pa")},
    **{code: {"digits": True} for code in ("km", "si", "ta", "te", "th", "bo", "dz")},
}
"""What is usual beside NFC and blanks, by ISO 639-1 (or -3) code."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text after normalisation."""

    text: str
    original: str
    _aligned: Aligned

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """The range of the original that characters ``start`` to ``end`` (exclusive) of the text came from.

        Raises:
            InputError: the text has no such range.
        """
        if not 0 <= start <= end <= len(self.text):
            raise InputError(f"characters {start} to {end} are outside the normalised text of {len(self.text)}")
        return self._aligned.span(start, end)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """For each character of the text, the range of the original it came from."""
        return list(zip(self._aligned.starts, self._aligned.ends, strict=True))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Normaliser:
    """Which steps are taken, in this order. Call it with a text.

    Raises:
        InputError: a value that is not known.
    """

    form: Form | None = "NFC"
    """Unicode's normal form: NFC composes accents; NFKC also replaces ligatures, circled numbers and the like."""
    width: bool = False
    """Full-width Latin letters and punctuation become usual ones, half-width kana and Korean letters full ones."""
    arabic: Literal["ar", "fa"] | None = None
    """Arabic letters lose their positional forms and the stretching stroke (tatweel), and ye, kaf and he become those
    of Arabic (``"ar"``) or of Persian and its neighbours (``"fa"``).
    """
    diacritics: bool = False
    """Arabic vowel signs go. They are written in scripture and schoolbooks, hardly ever elsewhere."""
    digits: bool = False
    """Decimal digits of every script become 0 to 9."""
    whitespace: bool = True
    """Runs of blanks become one, blanks at line ends and at both ends of the text and invisible characters go."""
    quotes: bool = False
    """Quotation marks and apostrophes of every shape become ``"`` and ``'``."""

    def __post_init__(self) -> None:
        if self.form is not None and self.form not in _FORMS:
            raise InputError(f"no normal form {self.form!r}; there are: {', '.join(_FORMS)}")
        if self.arabic not in (None, "ar", "fa"):
            raise InputError(f"arabic must be 'ar', 'fa' or None; it is {self.arabic!r}")

    @classmethod
    def for_language(cls, language: str, **changes: object) -> Self:
        """The steps that are usual for a language; NFC and blanks where there is nothing more.

        Args:
            language: any of its codes, or its English name: ``fa``, ``pes_Arab``, ``Persian``.
            changes: fields that are to be otherwise.

        Raises:
            InputError: no such language.
        """
        return replace(cls(**_OF_LANGUAGES.get(plain_code(language), {})), **changes)  # type: ignore[arg-type]

    def __call__(self, text: str) -> Normalised:
        """Normalise a text."""
        aligned = Aligned.of(text)
        if self.width:
            aligned = aligned.sub(_WIDE, _of_usual_width)
        if self.form is not None:
            aligned = _in_form(aligned, self.form)
        if self.arabic is not None:
            aligned = _in_arabic(aligned, self.arabic)
        if self.diacritics:
            aligned = aligned.sub(_HARAKAT, "")
        if self.digits:
            aligned = aligned.sub(_DIGIT, lambda match: str(unicodedata.decimal(match.group())))
        if self.quotes:
            aligned = aligned.sub(_QUOTES, lambda match: '"' if match.group() in _DOUBLE else "'")
        if self.whitespace:
            aligned = _trimmed(aligned.sub(_INVISIBLE, "").sub(_BLANKS, " ").sub(_LINES, "\n"))
        return Normalised(aligned.text, text, aligned)


def normalise(text: str, language: str | None = None, **steps: object) -> Normalised:
    """Normalise a text, with the steps that are usual for a language, or with these.

    Args:
        text: the text.
        language: any code or name of a language.
        steps: fields of `Normaliser`.

    Raises:
        InputError: a value that is not known.
    """
    if language is not None:
        return Normaliser.for_language(language, **steps)(text)
    return Normaliser(**steps)(text)  # type: ignore[arg-type]


def _of_usual_width(match: re.Match[str]) -> str:
    letters = match.group()
    usual = "".join(chr(int(unicodedata.decomposition(letter).split()[1], 16)) for letter in letters)
    return unicodedata.normalize("NFC", usual) if len(letters) > 1 else _VOICING_ALONE.get(usual, usual)


def _nfkc(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match.group())


def _in_form(aligned: Aligned, form: Form) -> Aligned:
    """In a normal form, stretch by stretch: a character and whatever joins it."""
    text = aligned.text
    if unicodedata.is_normalized(form, text):
        return aligned
    parts = []
    start = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and (unicodedata.combining(text[end]) or _JOINS.match(text[end])):
            continue
        stretch = text[start:end]
        parts.append(aligned[start:end]._replaced(0, end - start, stretch, unicodedata.normalize(form, stretch)))
        start = end
    return Aligned.joined(parts)


def _in_arabic(aligned: Aligned, kind: str) -> Aligned:
    letters = _TO_PERSIAN if kind == "fa" else _TO_ARABIC
    one_of: Callable[[re.Match[str]], str] = lambda match: letters[match.group()]  # noqa: E731
    return aligned.sub(_ARABIC_FORMS, _nfkc).sub(_TATWEEL, "").sub(re.compile(f"[{''.join(letters)}]"), one_of)


def _trimmed(aligned: Aligned) -> Aligned:
    text = aligned.text
    start = len(text) - len(text.lstrip())
    return aligned[start : max(start, len(text.rstrip()))]
