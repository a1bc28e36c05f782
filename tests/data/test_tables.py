"""Whatever holds the rows becomes the same Polars table."""

import re

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pytest

from enfold.data import as_table, read_table
from enfold.errors import DataError

ROWS = [{"text": "good film", "label": "pos"}, {"text": "bad film", "label": "neg"}, {"text": None, "label": None}]
EXPECTED = pl.DataFrame(ROWS)


def fails(message: str):
    return pytest.raises(DataError, match="^" + re.escape(message) + "$")


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        iter(ROWS),
        {"text": [row["text"] for row in ROWS], "label": np.array([row["label"] for row in ROWS], dtype=object)},
        EXPECTED,
        EXPECTED.lazy(),
        EXPECTED.to_arrow(),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS).astype({"label": "category"}),
        datasets.Dataset.from_list(ROWS),
        datasets.Dataset.from_list(ROWS).with_format("numpy"),
    ],
    ids=["rows", "iterator", "columns", "polars", "lazy", "arrow", "pandas", "categorical", "datasets", "formatted"],
)
def test_every_container(data):
    assert as_table(data).equals(EXPECTED)


def test_class_numbers_of_datasets_become_names():
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    assert as_table(data)["label"].to_list() == ["pos", "neg", None]


def test_missing_values_of_pandas():
    frame = pd.DataFrame({"text": ["a", np.nan], "label": [1, np.nan], "n": pd.array([1, None], dtype="Int64")})
    assert as_table(frame).rows() == [("a", 1.0, 1), (None, None, None)]


def test_a_path_or_a_reference(tmp_path):
    EXPECTED.write_csv(tmp_path / "a.csv")
    assert as_table(str(tmp_path / "a.csv")).equals(read_table(tmp_path / "a.csv"))
    assert as_table("the-starter", resolve=lambda reference: tmp_path / "a.csv").height == 3
    with pytest.raises(DataError, match="no such file: nothing-of-the-kind"):
        as_table("nothing-of-the-kind")


def test_rows_may_lack_columns():
    assert as_table([{"text": "a"}, {"text": "b", "label": 1}]).rows() == [("a", None), ("b", 1)]


def test_numpy_scalars_are_plain_values():
    assert as_table([{"label": np.int64(1)}, {"label": np.int64(0)}]).schema == {"label": pl.Int64}
    assert as_table([{"label": np.bool_(True)}, {"label": False}]).schema == {"label": pl.Boolean}
    assert as_table([{"label": np.str_("a")}]).schema == {"label": pl.String}


def test_large_integers_keep_their_value():
    assert as_table([{"n": 2**70}, {"n": 1}])["n"].to_list() == [2**70, 1]


def test_what_is_no_table():
    with fails("the data: cannot make a table of int; give a path, rows as dicts or a data frame"):
        as_table(3)
    with fails("mine: row 2 is a str; rows must be dicts: {'text': …, 'label': …}"):
        as_table([{"text": "a"}, "b"], source="mine")
    with fails("mine: the columns differ in length: text 2, label 1"):
        as_table({"text": ["a", "b"], "label": [1]}, source="mine")
    splits = datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS), "test": datasets.Dataset.from_list(ROWS)})
    with fails("mine holds several splits (train, test); give one of them"):
        as_table(splits, source="mine")
