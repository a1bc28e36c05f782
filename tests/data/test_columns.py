"""The text and the label column are found by name, then by content; where that is unsure, nothing is guessed."""

import re

import polars as pl
import pytest

from enfold.data import Columns, as_table, find_columns, find_text_column
from enfold.errors import DataError

TEXTS = [
    "a rather long text about films",
    "another one about shops",
    "and a third of some words",
    "the last of them all",
]


def fails(message: str):
    return pytest.raises(DataError, match="^" + re.escape(message) + "$")


def test_as_named():
    table = pl.DataFrame({"a": TEXTS, "b": ["x", "y"] * 2, "text": TEXTS, "label": ["x", "y"] * 2})
    assert find_columns(table, text="a", label="b", source="t") == Columns("a", "b", "as given")
    assert find_columns(table, text="a", source="t") == Columns("a", "label", "by name")


@pytest.mark.parametrize(
    ("text", "label"),
    [("text", "label"), ("Review", "Sentiment"), (" sentence", "CLASS"), ("内容", "标签"), ("message", "y")],
)
def test_by_usual_name(text, label):
    table = pl.DataFrame({"id": TEXTS, label: [0, 1, 1, 0], "rating": [1, 9, 8, 2], text: TEXTS})
    assert find_columns(table, source="t") == Columns(text, label, "by name")


def test_by_content():
    table = pl.DataFrame({"": ["0", "1", "2", "3"], "spam": ["0", "1", "0", "0"], "body of it": TEXTS})
    assert find_columns(table, source="t") == Columns("body of it", "spam", "by content")


def test_chinese_texts_have_no_blanks():
    table = pl.DataFrame({"a": ["酒店很好", "房间太小了", "早餐不错", "服务态度差"], "b": ["1", "0", "1", "0"]})
    assert find_columns(table, source="t") == Columns("a", "b", "by content")


def test_text_alone():
    assert find_text_column(pl.DataFrame({"review": TEXTS, "n": [1, 2, 3, 4]}), source="t") == "review"
    assert find_text_column(pl.DataFrame({"x": ["ok", "no"]}), source="t") == "x"


class TestRefused:
    table = pl.DataFrame({"text": TEXTS, "label": ["a", "b"] * 2, "stars": [1, 2, 1, 2], "when": [None, [1], [2], []]})

    def test_no_such_column(self):
        with fails("column 'txt' not in reviews.csv; it has: text, label, stars, when; did you mean 'text'?"):
            find_columns(self.table, text="txt", source="reviews.csv")
        with fails("column 'kind' not in reviews.csv; it has: text, label, stars, when"):
            find_columns(self.table, label="kind", source="reviews.csv")

    def test_one_column_for_both(self):
        with fails("column 'text' of t cannot be both text and label"):
            find_columns(self.table, text="text", label="text", source="t")

    def test_texts_that_are_none(self):
        described = "text (texts), label (texts), stars (whole numbers), when (lists or objects)"
        with fails(f"column 'stars' of t holds whole numbers, not texts; it has: {described}"):
            find_columns(self.table, text="stars", source="t")
        with fails("no column of t looks like texts; it has: stars (whole numbers); name it: text='…' (--text)"):
            find_columns(self.table.select("stars"), source="t")
        with fails("row 2 of column 'text' in t is a whole number (7), not a text"):
            find_columns(as_table([{"text": "a"}, {"text": 7}]), source="t")

    def test_several_could_be_meant(self):
        table = pl.DataFrame({"one": TEXTS, "two": TEXTS[::-1], "a": ["x", "y"] * 2, "b": ["x", "y"] * 2})
        with fails("more than one column of t could hold the texts: one, two; name it: text='one' (--text)"):
            find_columns(table, source="t")
        with fails("more than one column of t could hold the labels: a, b; name it: label='a' (--label)"):
            find_columns(table, text="one", source="t")

    def test_no_labels(self):
        with fails(
            "no column of t looks like labels; it has: text (texts), id (whole numbers); name it: label='…' (--label)"
        ):
            find_columns(pl.DataFrame({"text": TEXTS, "id": [1, 2, 3, 4]}), source="t")
