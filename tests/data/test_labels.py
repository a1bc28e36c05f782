"""Labels are names: one spelling a class, one type a column, enough examples."""

import re

import polars as pl
import pytest

from enfold.data import as_table
from enfold.data.labels import label_names, require_classes
from enfold.errors import DataError


def fails(message: str):
    return pytest.raises(DataError, match="^" + re.escape(message) + "$")


def names(values, dtype=None):
    return label_names(pl.Series("label", values, dtype=dtype), source="t.csv")


def test_spellings_that_differ_by_case_width_or_blanks_are_one_class():
    labels = names(["Spam", "spam", " spam ", "SPAM", "not  spam", "not spam", "Not Spam", "ｓｐａｍ", None, "  "])
    assert labels.names == ["spam"] * 4 + ["not spam"] * 3 + ["spam", None, None]
    assert labels.notes == [
        "label 'not spam' (2 rows) is also spelled 'Not Spam' (1): merged",
        "label 'spam' (2 rows) is also spelled 'SPAM' (1), 'Spam' (1), 'ｓｐａｍ' (1): merged",
    ]
    assert labels.name_of("  sPaM") == "spam" and labels.name_of("ham") is None


def test_equally_frequent_spellings_do_not_depend_on_order():
    assert names(["a", "A"]).names == names(["A", "a"]).names == ["A", "A"]
    assert names(["ab", "abc", "ABC"]).names == ["ab", "ABC", "ABC"]


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "notes"),
    [
        ([1, 0, None], None, ["1", "0", None], []),
        (
            [1.0, 0.0, float("nan"), None],
            None,
            ["1", "0", None, None],
            ["labels written as 1.0, 2.0, … are the names 1, 2, …"],
        ),
        (["1.0", "0", ""], None, ["1", "0", None], ["labels written as 1.0, 2.0, … are the names 1, 2, …"]),
        (["-1", "10"], None, ["-1", "10"], []),
        ([3.5, 4.0], None, ["3.5", "4.0"], []),
        ([True, False, None], None, ["true", "false", None], ["labels true/false are names"]),
        (["a", "b"], pl.Categorical, ["a", "b"], []),
    ],
)
def test_numbers_and_truth_values_become_names(values, dtype, expected, notes):
    labels = names(values, dtype)
    assert (labels.names, labels.notes) == (expected, notes)


class TestRefused:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (
                ["1", 1, 1],
                "column 'label' of t.csv mixes types: text ('1', row 1), whole number (1, row 2); "
                "write all labels as texts",
            ),
            (
                [None, True, 0, "no"],
                "column 'label' of t.csv mixes types: true/false (True, row 2), whole number (0, row 3), "
                "text ('no', row 4); write all labels as texts",
            ),
            ([["a"], ["b"]], "column 'label' of t.csv holds List(String), which cannot be label names"),
            ([None, ""], "column 'label' of t.csv has no labels: all 2 rows are empty there"),
            ([None, None], "column 'label' of t.csv has no labels: all 2 rows are empty there"),
            (
                [n / 7 for n in range(1, 30)],
                "column 'label' of t.csv holds numbers with fractions (0.14285714285714285, row 1), 29 different ones; "
                "classes need names: put the numbers into ranges first",
            ),
            (
                [f"id {n}" for n in range(30)],
                "column 'label' of t.csv has 30 different values in 30 rows; these are not labels: "
                "name another column (--label)",
            ),
        ],
    )
    def test_columns_that_are_no_labels(self, values, message):
        column = as_table({"label": values})["label"]
        with fails(message):
            label_names(column, source="t.csv")

    def test_one_class_only(self):
        with fails("t.csv has only one class, 'spam' (3 texts); a classifier needs at least two"):
            require_classes(["spam"] * 3, source="t.csv")

    def test_a_class_with_one_example(self):
        with fails(
            "t.csv has a class with 1 example: 'other' (row 7); training and testing need 2 different texts at least: "
            "add some, or remove or rename the class"
        ):
            require_classes(["a", "a", "other"], source="t.csv", rows=[2, 4, 7])
        with pytest.raises(DataError, match=r"1 example: 'a', 'b', 'c', 'd', 'e' and 2 more; "):
            require_classes([*"abcdefg", "z", "z"], source="t.csv")
