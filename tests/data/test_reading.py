"""Files of every kind become the same table, and each fault of a file is named where it is."""

import bz2
import gzip
import json
import re

import polars as pl
import pytest

from enfold.data import iter_tables, read_table
from enfold.errors import DataError

ROWS = [("Great, really!", "good"), ('It "broke"\nafter a day', "bad"), ("质量很好", "good")]
CSV = "text,label\n" + "".join(f'"{text.replace(chr(34), chr(34) * 2)}",{label}\n' for text, label in ROWS)
JSONL = "".join(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n" for text, label in ROWS)


def fails(message: str):
    return pytest.raises(DataError, match="^" + re.escape(message) + "$")


def write(path, content: str | bytes):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.csv", CSV.encode()),
            ("a.CSV", CSV.encode("utf-8-sig")),
            ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
            ("a.csv.bz2", bz2.compress(CSV.encode())),
            ("a.csv", CSV.replace("\n", "\r\n").encode()),
            ("a.tsv", CSV.replace(",", "\t").replace("Great\t", "Great,").encode()),
            ("a.jsonl", JSONL.encode()),
            ("a.ndjson", (JSONL + "\n\n").encode()),
            ("a.jsonl.gz", gzip.compress(JSONL.encode(), mtime=0)),
        ],
    )
    def test_each_kind_reads_the_same(self, tmp_path, name, content):
        table = read_table(write(tmp_path / name, content))
        assert [(text.replace("\r\n", "\n"), label) for text, label in table.rows()] == ROWS
        assert table.columns == ["text", "label"]

    def test_parquet_keeps_its_types(self, tmp_path):
        table = pl.DataFrame({"text": ["a b", "c d"], "stars": [1, 5]})
        table.write_parquet(tmp_path / "a.parquet")
        assert read_table(tmp_path / "a.parquet").equals(table)

    def test_a_folder_of_texts_by_class(self, tmp_path):
        for name, text in [
            ("pos/1.txt", "fine\r\nfilm"),
            ("pos/2.txt", "nice"),
            ("neg/1.txt", "dull"),
            ("neg/empty.txt", ""),
        ]:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            write(tmp_path / name, text)
        write(tmp_path / "README", "beside the classes")
        write(tmp_path / "neg" / ".DS_Store", b"\0\0")
        write(tmp_path / "pos" / "3.txt.gz", gzip.compress(b"packed"))
        assert sorted(read_table(tmp_path).rows()) == [
            ("", "neg", "neg/empty.txt"),
            ("dull", "neg", "neg/1.txt"),
            ("fine\nfilm", "pos", "pos/1.txt"),
            ("nice", "pos", "pos/2.txt"),
            ("packed", "pos", "pos/3.txt.gz"),
        ]

    def test_another_encoding_is_named(self, tmp_path):
        path = write(tmp_path / "a.csv", "text,label\n很好,1\n".encode("gb18030"))
        assert read_table(path, encoding="gb18030").rows() == [("很好", "1")]
        path = write(tmp_path / "b.csv", "text,label\nÜber,1\n".encode("utf-16"))
        assert read_table(path, encoding="utf-16").rows() == [("Über", "1")]

    def test_a_semicolon_file_of_a_european_spreadsheet(self, tmp_path):
        assert read_table(write(tmp_path / "a.csv", "text;label\nau revoir, dit-il;1\n")).rows() == [
            ("au revoir, dit-il", "1")
        ]

    def test_a_column_without_name_gets_one(self, tmp_path):
        assert read_table(write(tmp_path / "a.csv", ",spam,text\n0,1,win a prize\n")).columns == [
            "column_1",
            "spam",
            "text",
        ]

    def test_json_values_keep_their_types_and_mixed_ones_stay_apart(self, tmp_path):
        path = write(
            tmp_path / "a.jsonl", '{"text": "a", "n": 1, "y": 1}\n{"text": "b", "y": "1", "z": [1]}\n{"n": 2.5}\n'
        )
        table = read_table(path)
        assert table.schema == {"text": pl.String, "n": pl.Float64, "y": pl.Object, "z": pl.List(pl.Int64)}
        assert table["y"].to_list() == [1, "1", None]

    def test_half_a_surrogate_pair_in_json_is_no_crash(self, tmp_path):
        table = read_table(write(tmp_path / "a.jsonl", '{"text": "\\ud83d\\ude00 ok \\ud83d"}\n'))
        assert table["text"].to_list() == ["😀 ok \ufffd"]


class TestQuotesOfTabs:
    """Most TSV files do not quote: a quote is a character of the text."""

    def test_quotes_that_are_text_stay(self, tmp_path):
        lines = ["label\ttext", '1\t"conan" is back', '0\t"he said', '1\tso"', '0\t"all of it"']
        table = read_table(write(tmp_path / "a.tsv", "\n".join(lines) + "\n"))
        assert table["text"].to_list() == ['"conan" is back', '"he said', 'so"', '"all of it"']

    def test_proper_quotes_are_taken_off(self, tmp_path):
        content = 'label\ttext\n1\t"he said ""hi"""\n0\tplain\n'
        assert read_table(write(tmp_path / "a.tsv", content))["text"].to_list() == ['he said "hi"', "plain"]

    def test_a_quoted_tab_and_line_end(self, tmp_path):
        content = 'label\ttext\n1\t"a\tb\nc"\n0\tplain\n'
        assert read_table(write(tmp_path / "a.tsv", content))["text"].to_list() == ["a\tb\nc", "plain"]


class TestHeader:
    """A missing header is never guessed in silence: it costs a row, or trains on one."""

    @pytest.mark.parametrize(
        ("first", "shown"),
        [
            ("one long string of cliches,0", "one long string of cliches"),
            ("cliches,0", "0"),
            ("dull,neg", "neg"),
            ("Dull!,negative", "Dull!"),
            ("x" * 70 + ",negative", "x" * 39 + "…"),
        ],
    )
    def test_a_first_line_that_looks_like_data_is_refused(self, tmp_path, first, shown):
        path = write(tmp_path / "sst.csv", f"{first}\n" + "fine film,pos\nbad film,neg\n" * 5)
        with fails(
            f"the first line of sst.csv looks like data, not like column names ({shown!r}); add a line of names, "
            f"or say header=False (columns are then column_1, column_2, …) or header=True"
        ):
            read_table(path)

    def test_the_word_of_the_user_is_final(self, tmp_path):
        path = write(tmp_path / "sst.csv", "dull,0\nfine,1\n")
        assert read_table(path, header=False).rows() == [("dull", "0"), ("fine", "1")]
        assert read_table(path, header=True).columns == ["dull", "0"]

    def test_known_names_are_names_even_where_they_come_back(self, tmp_path):
        path = write(tmp_path / "a.csv", "text,label\nlabel,label\nother,label\n")
        assert read_table(path).height == 2

    def test_names_given_twice(self, tmp_path):
        with fails("a.csv has more than one column named 'text'; rename one in its first line"):
            read_table(write(tmp_path / "a.csv", "text,text\na,b\n"))


class TestFaults:
    def test_missing(self, tmp_path):
        write(tmp_path / "reviews.csv", CSV)
        with fails(f"no such file: {tmp_path}/review.csv; did you mean 'reviews.csv'?"):
            read_table(tmp_path / "review.csv")
        with fails(f"no such file: {tmp_path}/nowhere/a.csv"):
            read_table(tmp_path / "nowhere" / "a.csv")

    def test_empty(self, tmp_path):
        with fails("a.csv is empty (0 bytes)"):
            read_table(write(tmp_path / "a.csv", ""))
        with fails("a.csv holds no rows, only blank lines"):
            read_table(write(tmp_path / "a.csv", "\n\n"))
        with fails("a.csv has no rows, only a header (text, label)"):
            read_table(write(tmp_path / "a.csv", "text,label\n"))
        with fails("a.jsonl has no rows"):
            read_table(write(tmp_path / "a.jsonl", "\n"))
        with fails("a.csv.gz holds no rows, only blank lines"):
            read_table(write(tmp_path / "a.csv.gz", gzip.compress(b"")))

    def test_unknown_kinds(self, tmp_path):
        known = "Enfold reads .csv, .tsv, .jsonl (also .gz, .bz2), .parquet and folders of .txt files by class"
        with fails(f"a.xlsx is of no known kind (.xlsx); {known}; export the sheet as CSV"):
            read_table(write(tmp_path / "a.xlsx", "x"))
        with fails(f"a.json is of no known kind (.json); {known}; write one object a line and call it .jsonl"):
            read_table(write(tmp_path / "a.json", "[]"))
        with fails(f"data is of no known kind (no suffix); {known}"):
            read_table(write(tmp_path / "data", "x"))

    @pytest.mark.parametrize("ahead", [0, 100_000, 3_000_000])
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_an_invalid_byte_is_found(self, tmp_path, ahead, pack):
        good = "text,label\n" + "é" * (ahead // 2) + ",1\n"
        path = write(tmp_path / ("a.csv" if pack is bytes else "a.csv.gz"), pack(good.encode() + b"caf\xe9,1\n"))
        byte = len(good.encode()) + 3
        with fails(
            f"invalid UTF-8 at byte {byte} of {path.name} (line 3); name the encoding it has (encoding='cp1252', "
            f"'gb18030', …) or convert it to UTF-8"
        ):
            read_table(path)

    def test_invalid_after_a_byte_order_mark_and_in_the_middle_of_a_character(self, tmp_path):
        path = write(tmp_path / "a.csv", "text,label\n".encode("utf-8-sig") + "很".encode()[:2] + b",1\n")
        with pytest.raises(DataError, match=r"^invalid UTF-8 at byte 14 of a.csv \(line 2\)"):
            read_table(path)

    def test_utf16_is_recognised(self, tmp_path):
        path = write(tmp_path / "a.csv", "text,label\na,1\n".encode("utf-16"))
        with fails("invalid UTF-8 at byte 0 of a.csv (line 1); it looks like UTF-16: encoding='utf-16'"):
            read_table(path)
        with fails("a.csv is not UTF-16: UTF-16 stream does not start with BOM"):
            read_table(write(tmp_path / "a.csv", b"text,label\n"), encoding="utf-16")

    def test_invalid_in_another_encoding(self, tmp_path):
        path = write(tmp_path / "a.csv", "text,label\n很好,1\n".encode("gb18030") + b"\xff\xff,1\n")
        with pytest.raises(DataError, match=r"^invalid gb18030 at byte 18 of a.csv \(line 3\)"):
            read_table(path, encoding="gb18030")
        with fails("unknown encoding 'utf-88'; known ones are utf-8, utf-16, cp1252, latin-1, gb18030, …"):
            read_table(path, encoding="utf-88")

    @pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
    def test_a_nul_byte(self, tmp_path, name):
        with fails(
            f"line 2 of {name} holds a NUL byte: it is not a text file, is damaged, or is UTF-16 "
            f"(then: encoding='utf-16')"
        ):
            read_table(
                write(tmp_path / name, b'{"text": "a"}\n{"text": "b\0"}\n' if "json" in name else b"text\nb\0c\n")
            )

    def test_a_ragged_row(self, tmp_path):
        path = write(tmp_path / "a.csv", 'text,label\n"over\ntwo lines",1\n\nGreat, really,1\n')
        way_out = 'put a field that holds a comma in quotes ("…"), or mend the line'
        with fails(f"line 5 of a.csv has 3 fields, the header has 2 (text, label); {way_out}"):
            read_table(path)
        with fails(f"line 3 of a.csv has 1 field, the header has 2 (text, label); {way_out}"):
            read_table(write(tmp_path / "a.csv", "text,label\na,1\nb\n"))
        with fails(f"line 2 of a.csv has 1 field, the first line has 2; {way_out}"):
            read_table(write(tmp_path / "a.csv", "a,1\nb\n"), header=False)
        with fails(
            "line 3 of a.tsv has 3 fields, the header has 2 (text, label); "
            'put a field that holds a tab in quotes ("…"), or mend the line'
        ):
            read_table(write(tmp_path / "a.tsv", "text\tlabel\na\t1\nb\tc\t1\n"))

    def test_a_quote_that_is_never_closed(self, tmp_path):
        content = "text,label\nfine,1\n" + '"opened,1\n' + "more,0\n" * 3
        with fails(
            "a quote opened in the row at line 3 of a.csv is never closed; "
            'close it, or double a quote that belongs to the text ("")'
        ):
            read_table(write(tmp_path / "a.csv", content))
        with fails('line 2 of a.csv has a quote inside a quoted field; double it ("")'):
            read_table(write(tmp_path / "a.csv", 'text,label\n"a "b" c",1\n'))

    def test_broken_json(self, tmp_path):
        with fails("line 2 of a.jsonl is not JSON: Expecting ',' delimiter (column 14)"):
            read_table(write(tmp_path / "a.jsonl", '{"text": "a"}\n{"text": "b" "label": 1}\n'))
        with fails('line 2 of a.jsonl is a list; each line must be an object such as {"text": …}'):
            read_table(write(tmp_path / "a.jsonl", '{"text": "a"}\n["b"]\n'))
        with pytest.raises(
            DataError, match=r"^line 1 of a.jsonl is not JSON: .*; it looks like one JSON array over several lines"
        ):
            read_table(write(tmp_path / "a.jsonl", '[\n{"text": "a"}\n]\n'))
        with fails("line 1 of a.jsonl is nested too deeply to be read"):
            read_table(write(tmp_path / "a.jsonl", '{"text": ' + "[" * 200_000))

    def test_damaged_files(self, tmp_path):
        packed = gzip.compress(CSV.encode() * 50)
        with pytest.raises(DataError, match=r"^a.csv.gz is not a whole gzip file: "):
            read_table(write(tmp_path / "a.csv.gz", packed[:-20]))
        with pytest.raises(DataError, match=r"^b.csv.gz is not a whole gzip file: "):
            read_table(write(tmp_path / "b.csv.gz", CSV))
        with pytest.raises(DataError, match=r"^a.csv.bz2 is not a whole bzip2 file: "):
            read_table(write(tmp_path / "a.csv.bz2", CSV))
        pl.DataFrame({"text": ["a"] * 100}).write_parquet(tmp_path / "a.parquet")
        whole = (tmp_path / "a.parquet").read_bytes()
        with pytest.raises(DataError, match=r"^a.parquet is not a whole Parquet file: "):
            read_table(write(tmp_path / "a.parquet", whole[: len(whole) // 2]))
        with fails("a.parquet.gz: Parquet is compressed inside; unpack the file first"):
            read_table(write(tmp_path / "a.parquet.gz", gzip.compress(whole)))

    def test_folders_that_are_not_classes(self, tmp_path):
        folder = tmp_path / "movies"
        folder.mkdir()
        with fails(
            "movies is a folder without subfolders; a folder of texts needs one subfolder a class, of .txt files"
        ):
            read_table(folder)
        write(folder / "train.csv", CSV)
        with fails("movies is a folder that holds train.csv; give one of these files"):
            read_table(folder)
        (folder / "train" / "pos").mkdir(parents=True)
        with fails(
            "movies has folders inside its folders (train/pos); give the one whose subfolders are the classes, "
            "such as movies/train"
        ):
            read_table(folder)
        (folder / "train" / "pos").rmdir()
        write(folder / "train" / "a.pdf", "x")
        with fails("movies holds a file that is not a text: train/a.pdf; move it away, or rename it to .txt"):
            read_table(folder)
        (folder / "train" / "a.pdf").unlink()
        write(folder / "train" / "a.txt", b"caf\xe9")
        with pytest.raises(DataError, match=r"^invalid UTF-8 at byte 3 of movies/train/a.txt \(line 1\)"):
            read_table(folder)

    def test_the_separator_is_one_character(self, tmp_path):
        with fails("the separator must be one character, not '||'"):
            read_table(write(tmp_path / "a.csv", CSV), separator="||")


class TestStreaming:
    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.txt"])
    def test_batches_are_the_table(self, tmp_path, name):
        texts = [f"text number {number}" for number in range(25)]
        table = pl.DataFrame({"text": texts})
        path = tmp_path / name
        if name.endswith("csv"):
            table.write_csv(path)
        elif name.endswith("jsonl"):
            table.write_ndjson(path)
        elif name.endswith("parquet"):
            table.write_parquet(path, row_group_size=7)
        else:
            write(path, "\n".join(texts))
        blocks = list(iter_tables(path, batch=10))
        assert [block.height for block in blocks] == [10, 10, 5]
        assert pl.concat(blocks).equals(table)

    def test_a_fault_appears_when_it_is_reached(self, tmp_path):
        blocks = iter_tables(write(tmp_path / "a.csv", "text\n" + "a\n" * 10 + "b,c\n"), batch=10)
        assert next(blocks).height == 10
        with pytest.raises(DataError, match=r"^line 12 of a.csv has 2 fields"):
            next(blocks)
