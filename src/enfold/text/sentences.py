"""Texts to sentences, in any script: where one ends, by its punctuation and what stands around it.

Rules, no model: they need no data, do the same everywhere, and give ranges of the original, so that nothing is lost.
The idea of asking what follows a full stop, and of lists of abbreviations, is old (Grefenstette and Tapanainen, 1994).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from enfold.text.languages import plain_code

__all__ = ["Sentence", "split_sentences"]


class Sentence(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) of the original text, which read ``text``."""

    start: int
    end: int
    text: str


# What ends a sentence wherever it stands, because these scripts put no blank after it.
_WIDE = "。！？｡｡︒"
# What ends one where a blank, a closing mark or the end follows: Latin, Greek, Cyrillic and others; Arabic and Urdu;
# danda and double danda of the Indic scripts; Armenian; Ethiopic; Burmese; Khmer; Tibetan; Mongolian; Ol Chiki; Meetei;
# Thai and Lao signs for the end of a verse or chapter.
_NARROW = ".!?…‼⁇⁈⁉؟۔।॥։።፧፨။។៕།༎᠃᠉᱾᱿꫰꫱꯫๚๛"
_GREEK_QUESTION = ";\u037e"
_CLOSING = "\"'”’»›）)］]｝}」』】〉》〕｣\u0f3d"
_OPENING = "\"'“‘«‹（([｛{「『【〈《〔¿¡-–—*•"
# Ethiopic's full stop is often typed as two of its word marks.
_TWICE = "\u1361{2,}"
_END = re.compile(f"(?:[{_WIDE}{_NARROW}]+|{_TWICE})[{re.escape(_CLOSING)}]*|\\n[ \\t]*\\n\\s*")
_END_IN_GREEK = re.compile(_END.pattern.replace("[", f"[{_GREEK_QUESTION}", 1))
_BLANK_GUILLEMET = re.compile("[ \u00a0\u202f]»")
_LETTER_AND_STOP = re.compile(r"\s[^\W\d_]\.")
"""What goes on in ``z. B.`` and ``i. d. R.`` behind the first letter."""
_WORD_BEFORE = re.compile(r"[\w.\-’']+\Z")

# Words that keep their full stop within a sentence. Lower case.
_ABBREVIATIONS: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": "mr mrs ms dr prof rev hon st sr jr vs etc e.g i.e cf al inc ltd co corp no vol pp p fig figs eq sec ch "
        "ed eds approx dept est gen gov sen rep col capt lt sgt cmdr jan feb mar apr jun jul aug sep sept oct nov dec "
        "u.s u.k a.m p.m ph.d m.d b.a m.a d.c mt ave blvd rd",
        "de": "z.b d.h u.a u.ä bzw ca dr prof hr fr frl st nr str tel usw vgl evtl ggf inkl exkl abs art bd jh jhd jg "
        "kap s vol hrsg u.s.w i.d.r o.ä z.t u.u v.a mio mrd tsd geb gest verh dipl ing med phil mag jan feb mär apr "
        "jun jul aug sep sept okt nov dez mo di mi do fr sa so",
        "fr": "m mm mme mmes mlle mlles dr pr st ste p.ex c.-à-d cf etc av apr env vol chap art fig no éd réf tél janv "
        "févr avr juil sept oct nov déc",
        "es": "sr sra sres srta dr dra prof d dña ud uds vd p.ej etc pág págs art núm vol cap fig aprox av avda tel "
        "ee.uu a.c d.c s.a",
        "it": "sig sig.ra sigg dott dott.ssa prof avv ing geom on s ss ecc es p.es pag pagg art n vol cap fig a.c d.c",
        "pt": "sr sra srs dr dra prof profa eng d ex.mo etc p.ex pág págs art n.º vol cap fig av tel a.c d.c",
        "nl": "dhr mevr mw dr prof ir ing mr drs bijv bv enz o.a m.a.w d.w.z i.p.v t.o.v n.a.v blz p.m ca nr art vgl",
        "pl": "np itd itp tzn tzw m.in dr prof mgr inż ul nr str r w tys mln mld godz por św pl al gen",
        "ru": "т.е т.д т.п т.к и.о г гг в вв руб коп тыс млн млрд стр рис табл см ул д кв обл р проф акад им напр др "
        "пр н.э",
        "cs": "např tzv tj atd apod mj čl str č ing dr mgr prof kč tis mil mld sv ul",
        "sv": "t.ex bl.a d.v.s m.m o.s.v s.k ca kl nr s st dr prof fr.o.m t.o.m",
        "da": "f.eks bl.a d.v.s m.m o.s.v ca kl nr s st dr prof fr hr",
        "fi": "esim mm ym jne ks ns n s v klo nro tri prof",
        "tr": "dr prof doç av sn vb vs örn bkz s no cad sok mah",
    }.items()
}
_ANYWHERE = _ABBREVIATIONS["en"] | {
    word
    for words in _ABBREVIATIONS.values()
    for word in words
    if (len(word) > 1 and ("." in word or not word.isascii()))
    or word
    in ("bijv", "bzw", "dhr", "dott", "evtl", "ggf", "hr", "mevr", "mgr", "mlle", "mme", "sra", "srta", "usw", "vgl")
}
"""What counts where the language is not known: no word that is an ordinary one in another language."""
_BEFORE_NUMBERS = frozenset(
    "no vol p pp fig figs eq sec ch art nr abs bd kap jg s pag pagg pág págs núm стр рис табл гл str čl blz n.º".split()
)
"""Abbreviations only before a number: ``No. 5``, but ``He said no.``"""
_MAY_END = frozenset(
    "etc ecc usw enz itd itp atd apod osv o.s.v m.m vb vs jne ym т.д т.п т д п a.m p.m inc ltd corp co ph.d".split()
)
"""Abbreviations that often stand at the end; they end a sentence where a capital letter follows."""
_ORDINALS = frozenset(
    {"de", "da", "no", "nb", "nn", "fi", "cs", "sk", "hu", "pl", "hr", "sl", "sr", "et", "lv", "tr", "is"}
)
"""Languages that write the third as ``3.``"""
_CONTINUOUS = re.compile("[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ecd\u0edc-\u0edf]")
_FAR = 2000
"""Characters that a quotation may have."""
_INDENTED = 40
"""Blanks that may stand before the number of an item."""
_LONG_STRETCH = 60
"""Characters of Thai or Lao after which a blank ends a sentence."""


def split_sentences(text: str, language: str | None = None) -> list[Sentence]:
    """The sentences of a text, in order.

    What lies between them, before the first and after the last, is blank: nothing is lost. A blank line always ends a
    sentence. Thai and Lao have no mark for the end of one; there, a blank ends it once it has become long.

    Args:
        text: in any script, or in several.
        language: any code or name of a language, for its abbreviations and ordinal numbers; without one, those that are
            no words of another language count.

    Raises:
        InputError: no such language.
    """
    language = None if language is None else plain_code(language)
    found = []
    start = 0
    for end in [*_ends(text, language), len(text)]:
        for first, last in _short_enough(text, start, end):
            sentence = _without_blanks(text, first, last)
            if sentence is not None:
                found.append(sentence)
        start = end
    return found


def _ends(text: str, language: str | None) -> Iterator[int]:
    """Where sentences end: behind the mark and what closes."""
    for match in (_END if language != "el" else _END_IN_GREEK).finditer(text):
        if match.group()[0] == "\n" or _is_end(text, match, language):
            yield _behind_guillemet(text, match.end())


def _behind_guillemet(text: str, end: int) -> int:
    """French has a blank before a closing guillemet; one that closes nothing opens."""
    closing = _BLANK_GUILLEMET.match(text, end)
    if closing is None:
        return end
    near = max(0, end - _FAR)
    return closing.end() if text.rfind("«", near, end) > text.rfind("»", near, end) else end


def _is_end(text: str, match: re.Match[str], language: str | None) -> bool:
    mark = match.group().rstrip(_CLOSING)
    following = text[match.end() : match.end() + 1]
    if any(letter in _WIDE for letter in mark):
        return True
    if following and not following.isspace():
        # No blank: a number, an address, a file's name; but the scripts that have danda may leave the blank out.
        return mark[-1] not in ".!?…" and mark[-1] not in _GREEK_QUESTION and not following.isalnum()
    after = _next_letter(text, match.end())
    if mark == ".":
        return _full_stop_ends(text, match.start(), after, language)
    # "Really?" he asked. And so on… he went.
    return not (_is_small(after) and mark[-1] in "….?!")


def _full_stop_ends(text: str, place: int, after: str, language: str | None) -> bool:
    if _is_small(after) or after in (",", ";", ":"):
        return False
    before = _WORD_BEFORE.search(text, max(0, place - 40), place)
    word = before.group() if before else ""
    if not word:
        return True
    if word.isdigit():
        # "Am 3. Oktober", "1. Item" at the beginning of a line
        begin = place - len(word)
        near = max(0, begin - _INDENTED)
        _, newline, lead = text[near:begin].rpartition("\n")
        starts_line = not lead.strip() and bool(newline or not near)
        return not (starts_line or (language in _ORDINALS and len(word) <= 2 and bool(after)))
    if not after:
        return True
    if _is_initial(word) or (len(word) == 1 and _LETTER_AND_STOP.match(text, place + 1)):
        return False
    known = _ABBREVIATIONS.get(language or "")
    lowered = word.lower()
    if lowered in _MAY_END:
        return after.isupper()
    if lowered in _BEFORE_NUMBERS:
        return not after.isdigit()
    return lowered not in (_ANYWHERE if known is None else known)


def _is_initial(word: str) -> bool:
    """``J`` and ``J.R`` in ``J. R. Smith``: single capital letters.

    ``I`` is a word, and letters that may end a sentence are left to it.
    """
    if word == "I" or word.lower() in _MAY_END:
        return False
    return all(len(part) == 1 and part.isupper() for part in word.split("."))


def _is_small(letter: str) -> bool:
    """A lower-case letter; Georgian ones count as such in Unicode, but sentences begin with them."""
    return letter.islower() and not "\u10d0" <= letter <= "\u10ff"


def _next_letter(text: str, place: int) -> str:
    """The first character behind blanks and opening marks; nothing where the line or the text ends."""
    while place < len(text) and (text[place].isspace() or text[place] in _OPENING):
        place += 1
    return text[place : place + 1]


def _short_enough(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A stretch cut at blanks between Thai or Lao letters, once it is long."""
    begin = start
    if end - start > _LONG_STRETCH and _CONTINUOUS.search(text, start, end):
        for match in re.finditer(r"\s+", text[start:end]):
            left, right = start + match.start(), start + match.end()
            around = text[left - 1 : left] + text[right : right + 1]
            if left - begin >= _LONG_STRETCH and left > start and right < end and _all_continuous(around):
                yield begin, left
                begin = right
    yield begin, end


def _all_continuous(letters: str) -> bool:
    return all(_CONTINUOUS.match(letter) for letter in letters)


def _without_blanks(text: str, start: int, end: int) -> Sentence | None:
    while start < end and _is_blank(text[start]):
        start += 1
    while start < end and _is_blank(text[end - 1]):
        end -= 1
    return Sentence(start, end, text[start:end]) if start < end else None


def _is_blank(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) == "Zs"
