"""The texts of a file of any size, in order, a batch at a time."""

import re
import subprocess
import sys

import polars as pl
import pytest

from enfold.data import iter_texts
from enfold.errors import DataError


def fails(message: str):
    return pytest.raises(DataError, match="^" + re.escape(message) + "$")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_texts_in_order(tmp_path, name):
    table = pl.DataFrame({"id": range(7), "text": [f"text {number}" if number != 3 else None for number in range(7)]})
    getattr(table, {"a.csv": "write_csv", "a.jsonl": "write_ndjson", "a.parquet": "write_parquet"}[name])(
        tmp_path / name
    )
    expected = [["text 0", "text 1", "text 2"], ["", "text 4", "text 5"], ["text 6"]]
    assert list(iter_texts(tmp_path / name, "text", 3)) == expected
    assert list(iter_texts(tmp_path / name, batch=3)) == expected


def test_one_text_a_line(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n\nfour", "utf-8")
    assert list(iter_texts(tmp_path / "a.txt", batch=3)) == [["one", "two", ""], ["four"]]


def test_faults_name_the_row_of_the_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n' * 4 + '{"text": 7}\n')
    texts = iter_texts(path, batch=2)
    assert next(texts) == ["a", "a"]
    with fails("row 5 of column 'text' in a.jsonl is a whole number (7), not a text"):
        list(texts)
    with fails("column 'txt' not in a.jsonl; it has: text; did you mean 'text'?"):
        next(iter_texts(path, "txt"))
    path.write_text('{"text": "a"}\n' * 4 + '{"text": "long"}\n{"text": "x\\u0000"}\n')
    with fails(
        "row 5 of a.jsonl has a text of 4 bytes, the limit is 3; cut it into parts, leave it out, "
        "or raise the limit (max_text_bytes)"
    ):
        list(iter_texts(path, batch=3, max_text_bytes=3))
    with fails("row 6 of a.jsonl holds a NUL character in its text; remove it"):
        list(iter_texts(path, batch=3))


def test_a_column_that_a_batch_lacks_is_empty_there(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"other": "b"}\n{"text": "c"}\n')
    assert list(iter_texts(tmp_path / "a.jsonl", batch=1)) == [["a"], [""], ["c"]]


def test_memory_does_not_grow_with_the_file(tmp_path):
    code = """
import resource, sys
from enfold.data import iter_texts
next(iter_texts(sys.argv[1], batch=1000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(map(len, iter_texts(sys.argv[1], batch=1000)))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    pytest.importorskip("resource", reason="memory is measured where the resource module is")
    with (tmp_path / "a.csv").open("w") as file:
        file.write("text,label\n")
        for number in range(60_000):
            file.write(f"{number} {'some words ' * 45},x\n")
    count, grown = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.csv"], capture_output=True, text=True, check=True
    ).stdout.split()
    # 30 MB of text; kilobytes on Linux, bytes on macOS.
    assert int(count) == 60_000
    assert int(grown) / (1 if sys.platform != "darwin" else 1024) < 10_000
