"""Real files: the starter data set, and the development sets where they are there."""

from pathlib import Path

import polars as pl
import pytest

from enfold.data import Columns, Prepared, find_columns, prepare, read_table
from enfold.errors import SourceError
from enfold.hub import locate

SETS = Path(__file__).parents[3] / "shared" / "data"


def prepared(path: Path, rows: int | None = None) -> tuple[Columns, Prepared]:
    table = read_table(path)
    table = table.gather_every(max(1, table.height // (rows or table.height)))
    columns = find_columns(table, source=path.name)
    return columns, prepare(table, columns, source=path.name, check_labels=False)


def development_set(name: str) -> Path:
    path = SETS / name
    if not path.exists():
        pytest.skip(f"the development data set {name} is not on this machine")
    return path


def test_the_starter():
    try:
        path = locate("sms-spam", kind="data").path
    except SourceError as error:
        pytest.skip(f"the starter data set cannot be had here: {error}")
    columns, data = prepared(path)
    profile = data.profile
    assert (columns.text, columns.label, columns.found) == ("text", "spam", "by content")
    assert list(data.labels) == ["0", "1"]
    assert (profile.rows, profile.kept, profile.exact_duplicates) == (4837, 4510, 327)
    assert (profile.repairs.encoding, profile.repairs.html) == (35, 277)
    # The file itself has messages that swallowed hundreds of others, after a quote that was not closed.
    assert any("perhaps several rows in one: row 283 (14,366 characters)" in note for note in profile.notes)
    assert not any(text for text in data.table["text"] if "&lt;" in text or "\x92" in text)


def test_long_reviews():
    columns, data = prepared(development_set("imdb-5k/train.jsonl.gz"), rows=1000)
    assert (columns.text, columns.label, columns.found) == ("text", "label", "by name")
    assert data.table.height == 1000
    assert data.profile.repairs.html > 500
    assert not data.table["text"].str.contains("<br", literal=True).any()


def test_chinese_reviews():
    columns, data = prepared(development_set("chnsenticorp-hotel-zh/ChnSentiCorp_htl_all.csv"), rows=1500)
    assert (columns.text, columns.label) == ("review", "label")
    assert list(data.labels) == ["0", "1"]
    assert data.table.filter(pl.col("text").str.contains("&#")).is_empty()
    assert data.profile.splits["test"] == pytest.approx(0.1 * data.table.height, rel=0.25)


def test_a_tsv_whose_texts_hold_quotes():
    table = read_table(development_set("rt-sentence-polarity/rt-polarity.tsv"))
    assert table.height == 10_662
    assert table["text"].str.contains('"', literal=True).any()
