"""Normalisation, step by step, and the way back to the original."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from text_samples import TEXTS

from enfold.errors import InputError
from enfold.text.normalisation import Normaliser, normalise

NOTHING = {"form": None, "whitespace": False}
EVERYTHING = {
    "form": "NFKC",
    "width": True,
    "arabic": "fa",
    "diacritics": True,
    "digits": True,
    "whitespace": True,
    "quotes": True,
}


# ---- normal forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["NFC", "NFKC", "NFD", "NFKD"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_form_is_the_one_of_unicode(form, text):
    assert normalise(text, form=form, whitespace=False).text == unicodedata.normalize(form, text)


def test_every_character_that_joins_the_one_before_it_is_known():
    # In every pair that Unicode composes, and in Korean syllables, the second must not begin a stretch of its own.
    wrong = []
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        parts = unicodedata.decomposition(letter).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            pair = "".join(chr(int(part, 16)) for part in parts)
            if unicodedata.normalize("NFC", pair) == letter and normalise(pair, whitespace=False).text != letter:
                wrong.append(letter)
    for syllable in range(0xAC00, 0xD7A4, 13):
        apart = unicodedata.normalize("NFD", chr(syllable))
        if normalise(apart, whitespace=False).text != chr(syllable):
            wrong.append(chr(syllable))
    assert not wrong


@settings(max_examples=300, deadline=None)
@given(some.text(some.characters(codec="utf-8"), max_size=30), some.sampled_from(["NFC", "NFKC", "NFD", "NFKD"]))
def test_any_text_in_any_form(text, form):
    assert normalise(text, form=form, whitespace=False).text == unicodedata.normalize(form, text)


# ---- the other steps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "text", "wanted"),
    [
        ({"width": True}, "ＡＢＣ１２３！　ｶﾞｷﾞ ﾊﾟﾝ ﾡ ￥ ﾞ", "ABC123! ガギ パン ㄱ ¥ ゛"),
        ({"width": True, "form": "NFC"}, "Ａ\u0301", "Á"),
        ({"width": True}, "plain ABC ガ ①ﬁ", "plain ABC ガ ①ﬁ"),
        ({"arabic": "ar"}, "\ufef3\ufedc\ufe98\ufe90 كـــتاب \u06a9\u06cc \ufefb", "يكتب كتاب كي لا"),
        ({"arabic": "fa"}, "كتاب علي", "کتاب علی"),
        ({"diacritics": True}, "كَتَبَ", "كتب"),
        ({"digits": True}, "٠١٢٣ ۴۵۶ १२३ ১২৩ ๑๒๓ １２ 7 ² ½ Ⅷ", "0123 456 123 123 123 12 7 ² ½ Ⅷ"),
        ({"whitespace": True}, " \u00a0a\u2003\tb \r\n\n  c\u200b\ufeff\u00ad \u2028d\u3000 ", "a b\n\nc\nd"),
        ({"whitespace": True}, "می\u200cخواهم 👩\u200d👧", "می\u200cخواهم 👩\u200d👧"),
        ({"quotes": True}, "«a» “b” „c‟ ‘d’ ‹e› 「f」 it’s 5′ 6″", '"a" "b" "c" \'d\' \'e\' "f" it\'s 5\' 6"'),
        ({"form": "NFKC"}, "ﬁne ① ㎏ e\u0301", "fine 1 kg é"),
        ({"form": "NFC"}, "ﬁne ① e\u0301", "ﬁne ① é"),
    ],
)
def test_a_step_does_its_own_and_nothing_else(step, text, wanted):
    assert normalise(text, **{**NOTHING, **step}).text == wanted


def test_no_step_changes_nothing():
    for text in TEXTS:
        assert normalise(text, **NOTHING).text == text


def test_languages_have_their_usual_steps():
    assert normalise("ＡＢＣ　１２３", "ja").text == "ABC 123"
    assert normalise("علي ۱۲۳", "fa").text == "علی 123"
    assert normalise("१२३", "hi-IN").text == "123"
    assert normalise("ＡＢＣ", "en").text == "ＡＢＣ"
    assert normalise("ＡＢＣ", "zh", width=False).text == "ＡＢＣ"
    assert Normaliser.for_language("ur").arabic == Normaliser.for_language("pes_Arab").arabic == "fa"
    with pytest.raises(InputError, match="no language 'xx'"):
        normalise("a", "xx")


# ---- the way back ----------------------------------------------------------------------------------------------------


def test_ranges_of_the_result_lead_to_the_original():
    text = "  Cafe\u0301 «ﬁn»  ｶﾞ ٣  "
    made = Normaliser(**EVERYTHING)(text)
    assert made.text == str(made) == 'Café "fin" ガ 3'
    assert made.original == text
    for part, wanted in [("Café", "Cafe\u0301"), ('"fin"', "«ﬁn»"), ("f", None), ("fi", "ﬁ"), ("ガ", "ｶﾞ"), ("3", "٣")]:
        start = made.text.index(part, 5 if part in ("f", "fi") else 0)
        first, last = made.to_original(start, start + len(part))
        assert text[first:last] == (wanted or "ﬁ")
    assert made.offsets[0] == (2, 3)
    with pytest.raises(InputError, match="characters 3 to 99 are outside the normalised text of 14"):
        made.to_original(3, 99)


@settings(max_examples=200, deadline=None)
@given(some.text(max_size=40))
def test_the_way_back_is_in_order_and_inside(text):
    made = Normaliser(**EVERYTHING)(text)
    position = 0
    for start, end in made.offsets:
        assert position <= start <= end <= len(text)
        position = start
    assert len(made.offsets) == len(made.text)
    again = Normaliser(**EVERYTHING)(made.text)
    assert Normaliser(**EVERYTHING)(again.text).text == again.text


def test_values_that_are_not_known():
    with pytest.raises(InputError, match="no normal form 'NFX'; there are: NFC, NFKC, NFD, NFKD"):
        Normaliser(form="NFX")
    with pytest.raises(InputError, match="arabic must be 'ar', 'fa' or None; it is 'he'"):
        Normaliser(arabic="he")
