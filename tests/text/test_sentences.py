"""Sentences of many languages, and nothing lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from text_samples import TEXTS

from enfold.errors import InputError
from enfold.text.sentences import split_sentences

UDHR = Path(os.environ.get("ENFOLD_DATA", "")) / "udhr"


def check(text: str, language: str | None = None) -> list[str]:
    """The sentences, after a look at whether their ranges are right and hold everything that is no blank."""
    found = split_sentences(text, language)
    position = 0
    for sentence in found:
        assert sentence.text == text[sentence.start : sentence.end]
        assert sentence.text == sentence.text.strip() != ""
        assert position <= sentence.start
        assert not text[position : sentence.start].strip()
        position = sentence.end
    assert not text[position:].strip()
    return [sentence.text for sentence in found]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Hello there.|How are you?|I am fine!"),
        ("en", "Mr. Smith met Dr. J. R. Jones at 3.30 p.m. on Jan. 5.|They spoke."),
        ("en", 'He said "Stop!" and left.|"Why?" she asked.|“Because.”|(He was tired.)|Then it ended…|Or did it?'),
        ("en", "See www.example.org or mail a.b@example.org, version 2.0.1 costs $3.50.|Really?!|Yes."),
        ("en", "It was I.|You saw it, e.g. yesterday, i.e. on Monday, etc. and so on.|Done"),
        ("en", "First line\nof a sentence.|\n\nA title without a stop|\n\nText."),
        ("en", "It holds for all x.|Then it holds for y.|Good."),
        (None, "Er kam z. B. um 5 Uhr, i. d. R. aber nicht.|Gut."),
        ("en", "He said no.|Then he went on.|So what?|I do.|And so it is."),
        (None, "He said no.|Then he went on.|So what?|I do.|And so it is."),
        ("en", "Wait... what?|No. 5 is alive.|Well."),
        ("en", "The U.S. Army and the U.K. parliament agree.|Fine."),
        (
            "de",
            "Am 3. Oktober kam Hr. Dr. Müller, z. B. um 5 Uhr.|Er blieb.|Der 2. Weltkrieg usw. endete 1945.|Ja.",
        ),
        ("fr", "M. Dupont est là.|« Vraiment ? »|Oui, p.ex. hier.|Fin."),
        ("es", "¿Qué tal?|¡Muy bien!|El Sr. Pérez llegó.|Adiós."),
        ("ru", "Это г. Москва, т.е. столица, и т.д.|Второе предложение.|А. С. Пушкин родился здесь.|Да!"),
        ("el", "Τι κάνεις;|Καλά είμαι.|Εσύ;"),
        ("zh", "你好。|你在哪里？|我在家！|“真的吗？”|他说（是的。）|完"),
        ("ja", "これはペンです。|本当ですか？|「はい。」|そうです！"),
        ("ar", "كيف حالك؟|أنا بخير.|شكرا!"),
        ("ur", "یہ پہلا جملہ ہے۔|یہ دوسرا ہے۔|کیا؟"),
        ("hi", "यह पहला वाक्य है।|यह दूसरा है॥|क्या?"),
        ("hy", "Առաջին նախադասություն։|Երկրորդ։"),
        ("am", "ሰላም ነው።|ደህና ነህ፧|አዎ።|ሰላም፡ነው፡፡|ደህና።"),
        ("my", "ပထမ ဝါကျ။|ဒုတိယ ဝါကျ။"),
        ("km", "ប្រយោគទីមួយ។|ប្រយោគទីពីរ។"),
        ("ko", "안녕하세요.|잘 지내요?|네!"),
        ("bo", "འགྲོ་བ།|མི་རིགས།"),
        (None, "Prof. Lee met Mrs. Kim.|Hr. Maier kam z.B. gestern.|Fin."),
        (None, "混合 text here. 中文句子。|Next one.|終わり。"),
    ],
)
def test_sentences_end_where_a_reader_sees_it(language, text):
    wanted = [part.strip() for part in text.split("|")]
    joined = text.replace("|", "" if language in ("zh", "ja") else " ")
    if language is None and "混合" in text:
        wanted = ["混合 text here.", "中文句子。", "Next one.", "終わり。"]
    assert check(joined, language) == wanted


def test_long_stretches_of_thai_and_lao_end_at_a_blank():
    word = "ภาษาไทยไม่มีจุด"
    text = " ".join([word * 3] * 6)
    found = check(text, "th")
    assert len(found) == 3
    assert all(len(sentence) >= 60 for sentence in found)
    assert check(word + " " + word) == [word + " " + word]
    # A blank beside other letters is none of Thai's.
    assert len(check(" ".join([word * 3, "English"] * 3), "th")) == 1


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_is_lost_of_odd_texts(text):
    check(text)


@settings(max_examples=300, deadline=None)
@given(
    some.text(some.sampled_from('aBc. !?。\n"”)(中ก 3…।;'), max_size=60),
    some.sampled_from([None, "en", "de", "el", "zh"]),
)
def test_nothing_is_lost_of_any_text(text, language):
    check(text, language)


def test_a_language_goes_by_any_of_its_codes():
    text = "Am 3. Oktober. Gut."
    assert check(text, "deu_Latn") == check(text, "German") == check(text, "de") == ["Am 3. Oktober.", "Gut."]
    with pytest.raises(InputError, match="no language 'germn'; did you mean 'German'"):
        split_sentences(text, "germn")


def test_a_text_without_anything():
    assert check("") == check(" \n ") == []
    assert check("...") == ["..."]


def test_time_grows_with_the_text_alone():
    check("word. " * 20_000)
    check("a" * 200_000 + ".")
    check("." * 100_000)
    check("x." * 50_000)
    check("a. » " * 50_000)
    check("1. " * 50_000)
    check("ก " * 50_000)


@pytest.mark.skipif(
    not UDHR.is_dir(),
    reason="no Universal Declaration of Human Rights: set ENFOLD_DATA to a folder that has udhr/*.txt",
)
def test_the_declaration_in_72_languages():
    for file in sorted(UDHR.glob("*.txt")):
        text = file.read_text(encoding="utf-8")
        flowing = " ".join(line.strip() for line in text.splitlines() if line.strip())
        for given_text in (text, flowing):
            found = check(given_text)
            # The declaration has about 90 sentences and 60 headings; of one language there is only a beginning.
            assert len(found) <= 400
            assert len(text) / len(found) < 500, (file.name, len(found))
