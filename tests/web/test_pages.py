"""Rendering of the pages: everything escaped, nothing missing in silence, numbers as people write them."""

import re

import jinja2
import pytest

from enfold.web.pages import count, duration, points, render, share, shown, size, style_sheet


def test_a_value_that_a_template_needs_is_an_error_when_missing():
    with pytest.raises(jinja2.UndefinedError, match="'page' is undefined"):
        render("report.html.j2")


def test_the_style_sheet_asks_for_nothing_and_knows_every_colour_in_light_and_dark():
    sheet = style_sheet()
    assert len(sheet.splitlines()) < 300
    assert "url(" not in sheet
    assert "@import" not in sheet
    light, dark = re.findall(r":root \{(.*?)\}", sheet, flags=re.DOTALL)
    colours = re.compile(r"(--[\w-]+): #")
    assert set(colours.findall(light)) == set(colours.findall(dark))
    assert set(re.findall(r"var\((--[\w-]+)\)", sheet)) <= set(re.findall(r"(--[\w-]+):", sheet))


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(scheme):
    block = re.findall(r":root \{(.*?)\}", style_sheet(), flags=re.DOTALL)[scheme]
    colour = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    pairs = [(text, ground) for text in ("ink", "muted", "accent") for ground in ("paper", "surface", "sunken")]
    pairs += [(kind, f"{kind}-soft") for kind in ("good", "bad", "warn")]
    for text, ground in pairs:
        assert _contrast(colour[text], colour[ground]) >= 4.5, (text, ground)


def test_numbers_are_shown_as_people_write_them():
    assert [size(value) for value in (0, 999, 22_900_000, 5.1e12)] == ["0 B", "999 B", "22.9 MB", "5100.0 GB"]
    seconds = {2e-5: "20 µs", 0.0032: "3.2 ms", 1.5: "1.5 s", 150: "2 min 30 s", 7322: "2 h 2 min"}
    assert [duration(value) for value in seconds] == list(seconds.values())
    assert [share(value) for value in (0, 0.9874, 1)] == ["0.0 %", "98.7 %", "100.0 %"]
    assert [points(value) for value in (0.016, -0.004, 0, -0.0001)] == ["+1.6", "−0.4", "0.0", "0.0"]
    assert count(1837) == "1,837"


def test_texts_are_shown_without_controls_and_cut_with_a_mark():
    assert shown("a\x00b\x1bc\td\n") == "a\ufffdb\ufffdc\td\n"
    assert shown("\ud800") == "\ufffd"
    assert shown("abcdef", 4) == "abc…"
    assert shown("abcd", 4) == "abcd"
