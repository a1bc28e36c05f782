"""Rows go out as they come; the file is there when all of it is, and reads back as it was."""

import errno
import gzip
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enfold.data import TableWriter, read_table
from enfold.data.parquet import plain_disk_errors
from enfold.errors import DataError

ROWS = [
    {"text": 'a "quoted", text\nof two lines', "label": "good", "score": 0.5, "scores": {"good": 0.5, "bad": 0.5}},
    {"text": '=HYPERLINK("x")', "label": None, "score": 1.0, "scores": {"good": 1.0, "bad": 0.0}},
]


def write(path, rows=ROWS, **options):
    with TableWriter(path, **options) as writer:
        writer.write(rows[:1])
        writer.write(iter(rows[1:]))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.bz2", "a.parquet"])
def test_typed_files_read_back_as_they_were(tmp_path, name):
    assert read_table(write(tmp_path / name)).rows(named=True) == ROWS


def test_csv(tmp_path):
    path = write(tmp_path / "a.csv")
    assert path.read_text("utf-8") == (
        'text,label,score,scores\n"a ""quoted"", text\nof two lines",good,0.5,"{""good"": 0.5, ""bad"": 0.5}"\n'
        '"=HYPERLINK(""x"")",,1.0,"{""good"": 1.0, ""bad"": 0.0}"\n'
    )
    assert read_table(path)["text"].to_list() == [row["text"] for row in ROWS]
    assert write(tmp_path / "a.csv", [{"a": True}, {"a": [1, "é"]}]).read_text("utf-8") == 'a\ntrue\n"[1, ""é""]"\n'


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), min_size=1, max_size=5
    )
)
def test_texts_survive_csv_and_tsv(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("csv")
    rows = [{"text": text, "label": "x"} for text in texts]
    for name in ("a.csv", "a.tsv"):
        with TableWriter(folder / name) as writer:
            writer.write(rows)
        assert read_table(folder / name, header=True)["text"].to_list() == texts


def test_formulas_are_disarmed_on_request(tmp_path):
    rows = [{"text": text, "n": -1} for text in ("=1+1", "+1", "-1", "@x", "\tx", "plain = text")]
    path = write(tmp_path / "a.csv", rows, for_spreadsheets=True)
    assert read_table(path)["text"].to_list() == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "plain = text"]
    assert read_table(path)["n"].to_list() == ["-1"] * 6


def test_data_frames_and_many_rows(tmp_path):
    table = pl.DataFrame({"n": range(45_000), "empty_at_first": [None] * 30_000 + ["x"] * 15_000})
    for name in ("a.parquet", "a.csv", "a.jsonl"):
        with TableWriter(tmp_path / name) as writer:
            for block in table.iter_slices(7_000):
                writer.write(block)
        back = read_table(tmp_path / name)
        assert writer.rows == back.height == 45_000
        assert back["n"].cast(pl.Int64).equals(table["n"])
    assert read_table(tmp_path / "a.parquet").equals(table)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    for name in ("a.jsonl.gz", "x.parquet"):
        assert write(tmp_path / "b" / name).read_bytes() == write(tmp_path / "c" / name).read_bytes()
        (tmp_path / "b" / name).unlink()
        (tmp_path / "c" / name).unlink()


def test_no_rows(tmp_path):
    assert write(tmp_path / "a.csv", [], columns=["text", "label"]).read_text() == "text,label\n"
    (tmp_path / "a.csv").unlink()
    assert write(tmp_path / "a.jsonl", []).read_text() == ""
    (tmp_path / "a.jsonl").unlink()
    assert pl.read_parquet(write(tmp_path / "a.parquet", [], columns=["text"])).schema == {"text": pl.String}


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl.gz", "a.parquet"])
def test_an_interrupted_one_leaves_what_was_there(tmp_path, name):
    path = tmp_path / name
    path.write_text("before")
    with pytest.raises(RuntimeError), TableWriter(path) as writer:
        writer.write([{"text": "a"}] * 30_000)
        raise RuntimeError("stopped")
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_one_that_fails_at_the_end_too(tmp_path, name):
    with pytest.raises((TypeError, pl.exceptions.PolarsError)), TableWriter(tmp_path / name) as writer:
        writer.write([{"text": object()}])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written(tmp_path):
    for name in ("a.xlsx", "a", "a.parquet.gz"):
        message = f"{name}: tables are written as .csv, .tsv, .jsonl, .parquet; choose one of these suffixes"
        with pytest.raises(DataError, match="^" + re.escape(message) + "$"):
            TableWriter(tmp_path / name)
    with (
        pytest.raises(DataError, match=r"^row 2 for a.csv has a column 'y' that the first row lacks; it has: x$"),
        TableWriter(tmp_path / "a.csv") as writer,
    ):
        writer.write([{"x": 1}, {"x": 1, "y": 2}])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_ordinary_error_for_parquet_too():
    with pytest.raises(OSError) as caught, plain_disk_errors():
        pl.DataFrame({"text": ["a"] * 1000}).write_parquet("/dev/full")
    assert caught.value.errno == errno.ENOSPC


def test_gzip_is_gzip(tmp_path):
    assert gzip.decompress(write(tmp_path / "a.csv.gz", [{"a": 1}]).read_bytes()) == b"a\n1\n"
