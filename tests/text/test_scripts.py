"""Scripts, against Unicode's own tables as fontTools has them."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from enfold.text.scripts import SCRIPT_NAMES, main_script, script_of, script_runs, script_shares


def test_every_assigned_character_has_its_script():
    tables = pytest.importorskip("fontTools.unicodedata")
    wrong = []
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        if unicodedata.category(letter) in ("Cn", "Co", "Cs"):
            continue
        if script_of(letter) != tables.script(letter):
            wrong.append(letter)
    assert not wrong


def test_unassigned_private_and_shared_characters():
    assert [script_of(letter) for letter in "1 .\u0301\ue000\U000e0fff"] == [
        "Zyyy",
        "Zyyy",
        "Zyyy",
        "Zinh",
        "Zzzz",
        "Zzzz",
    ]


def test_every_code_has_a_name():
    assert SCRIPT_NAMES["Cyrl"] == "Cyrillic"
    assert SCRIPT_NAMES["Mtei"] == "Meetei Mayek"
    assert {script_of(chr(number)) for number in range(0x20000)} <= set(SCRIPT_NAMES)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Hello, world 123!", "Latn"),
        ("Привет, мир", "Cyrl"),
        ("مرحبا بالعالم", "Arab"),
        ("हिन्दी में", "Deva"),
        ("中文字符", "Hani"),
        ("日本語のテキスト", "Jpan"),
        ("カタカナ", "Kana"),
        ("한국어 텍스트", "Hang"),
        ("ภาษาไทย", "Thai"),
        ("Σίσυφος and one", "Grek"),
        ("123 !?", None),
        ("", None),
    ],
)
def test_the_script_of_a_text(text, script):
    assert main_script(text) == script


def test_shares_and_runs():
    assert script_shares("abcd где") == {"Latn": 4 / 7, "Cyrl": 3 / 7}
    assert script_shares("42") == {}
    text = "(Hello) мир, 123 中文!"
    runs = list(script_runs(text))
    assert [(text[start:end], script) for start, end, script in runs] == [
        ("(Hello) ", "Latn"),
        ("мир, 123 ", "Cyrl"),
        ("中文!", "Hani"),
    ]
    assert list(script_runs("12")) == [(0, 2, "Zyyy")]
    assert list(script_runs("")) == []
