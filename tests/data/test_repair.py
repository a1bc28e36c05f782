"""Damage is undone, and only damage; a second time changes nothing."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from enfold.data import Repairs, repair_text, repair_texts


@pytest.mark.parametrize(
    ("damaged", "mended"),
    [
        ("The cafÃ© wasnâ€™t open", "The café wasn’t open"),
        ("if that\x92s the way", "if that’s the way"),
        ("A film.<br /><br />Bad.", "A film.\nBad."),
        ("a <b>bo</b>ld <a href='x'>link</a><!-- hidden --><script>x()</script>", "a bold link"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("I&#39;m back &amp; we&apos;re", "I'm back & we're"),
        ("call &lt;#&gt; now", "call <#> now"),
        ("&#35828;&#23454;&#35805;", "说实话"),
        ("&amp;lt;br /&amp;gt;twice escaped", "twice escaped"),
        ("\x1b[31mred\x1b[0m \x00\x07bell", "red bell"),
        ("  two   blanks\t and\u00a0one ", "two blanks and one"),
        ("lines \r\n\r\n\r\n of\u2028text", "lines\nof\ntext"),
        ("zero\u200bwidth \ufeffmark soft\u00adhyphen", "zerowidth mark softhyphen"),
        ("e\u0301te\u0301", "été"),
        ("pair \ud83d\ude00 alone \ud83d", "pair 😀 alone \ufffd"),
    ],
)
def test_damage_is_undone(damaged, mended):
    assert repair_text(damaged) == mended


@pytest.mark.parametrize(
    "text",
    [
        "I <3 this, 2 < 3 and 5 > 4",
        "<unk> said <user> to [CLS]",
        "www.shop.com/?a=1&copy=2&not=3",
        "AT&T; R&B",
        "“Curly” quotes – and dashes…",
        "１７８的价位，还可以！",
        "Ünïcödé naïve café",
        "நன்றி धन्यवाद ขอบคุณ",
        "👨‍👩‍👧 می‌خواهم",
        "a\nb",
    ],
)
def test_what_the_writer_meant_stays(text):
    assert repair_text(text) == text


def test_what_was_done_is_counted():
    texts = ["fine", "cafÃ© <br /> x", "a  b", "", "bell\x07", "&amp;"]
    mended, repairs = repair_texts(texts)
    assert mended == ["fine", "café\nx", "a b", "", "bell", "&"]
    assert repairs == Repairs(encoding=1, html=2, control=1, blanks=2)


PIECES = st.sampled_from(
    [
        "&amp;",
        "&lt;",
        "&gt;",
        "br",
        "<",
        ">",
        "/",
        "Ã©",
        "â€™",
        " ",
        "\n",
        "\u00a0",
        "\x1b[1m",
        "\u0301",
        "é",
        "a",
        ";",
        "#39",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map("".join)))
@example("&amp;amp;amp;lt;b&gt;")
def test_twice_is_once(text):
    once = repair_text(text)
    assert repair_text(once) == once
    once.encode()
