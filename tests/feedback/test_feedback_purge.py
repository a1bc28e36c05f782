"""Removing texts from the files of a project, by the rules at the top of enfold.feedback.purge."""

from __future__ import annotations

import csv
import gzip
import html
import json
import stat
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest
from feedback_examples import LABELS, judged

from enfold.data.identity import content_id
from enfold.feedback import Found, plan, purge_files

LONG = 'My name is Mallory Quux and I live at 5 Zebra Street, with "quotes", commas & <tags>.'
SHORT = "call me"
TEXTS = [LONG, SHORT]
OTHERS = ["see you at noon", "the train is late again, as it was yesterday and the day before"]


def row(text: str, label: str = "ham") -> dict[str, str]:
    return {"id": content_id(text), "text": text, "label": label}


def mentions(path: Path) -> bool:
    return b"Zebra Street" in path.read_bytes() or b"call me" in path.read_bytes()


def test_rows_of_a_parquet_table_go_with_its_metadata_and_permissions_kept(tmp_path: Path) -> None:
    path = tmp_path / "prepared.parquet"
    table = pl.DataFrame([row(text) for text in [OTHERS[0], LONG, SHORT, OTHERS[1]]]).with_columns(tokens=pl.lit(3))
    table.write_parquet(path, metadata={"labels": "ham,spam"})
    path.chmod(0o600)
    assert purge_files(tmp_path, TEXTS) == [Found(path=path, action="rewritten", rows=2)]
    kept = pl.read_parquet(path)
    assert kept["text"].to_list() == OTHERS
    assert kept.schema == table.schema
    assert pl.read_parquet_metadata(path)["labels"] == "ham,spam"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not mentions(path)


def test_a_text_in_nested_values_of_parquet_is_found(tmp_path: Path) -> None:
    path = tmp_path / "windows.parquet"
    pl.DataFrame(
        {
            "number": [1, 2, 3],
            "windows": [["a"], [LONG, "b"], None],
            "row": [{"text": "x"}, {"text": "y"}, {"text": SHORT}],
        }
    ).write_parquet(path)
    purge_files(tmp_path, TEXTS)
    assert pl.read_parquet(path)["number"].to_list() == [1]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
def test_rows_of_a_delimited_table_go_and_the_others_stay_byte_for_byte(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"predictions{suffix}"
    opened = gzip.open if suffix.endswith(".gz") else open
    with opened(path, "wt", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, ["id", "text", "label"], delimiter="\t" if suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows([row('two\nlines, and "quotes"'), row(LONG), row(SHORT.upper()), row("x" * 200_000)])
    with opened(path, "rb") as source:
        before = source.read().splitlines(keepends=True)
    assert purge_files(tmp_path, TEXTS) == [Found(path=path, action="rewritten", rows=2)]
    with opened(path, "rb") as source:
        assert source.read().splitlines(keepends=True) == [*before[:3], before[-1]]


def test_lines_of_jsonl_go_at_any_depth(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    lines = [{"text": OTHERS[0]}, {"input": {"text": "Call  ME"}}, {"a": [{"b": LONG}]}, {"score": 1.0}]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    assert purge_files(tmp_path, TEXTS) == [Found(path=path, action="rewritten", rows=2)]
    assert path.read_text() == json.dumps(lines[0]) + "\n" + json.dumps(lines[3]) + "\n\n"


def test_from_json_the_innermost_object_in_a_list_goes(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report = {
        "accuracy": 0.9,
        "mistakes": [{"text": SHORT, "score": 0.1}, {"text": OTHERS[0]}],
        "by_id": {content_id(LONG): 1},
    }
    path.write_text(json.dumps(report))
    assert purge_files(tmp_path, TEXTS) == [Found(path=path, action="rewritten", rows=2)]
    assert json.loads(path.read_text()) == {"accuracy": 0.9, "mistakes": [{"text": OTHERS[0]}], "by_id": {}}


def test_json_with_the_text_outside_a_list_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "example.json"
    path.write_text(json.dumps({"example": {"text": SHORT}}))
    assert purge_files(tmp_path, TEXTS) == [Found(path=path, action="deleted")]
    assert not path.exists()


@pytest.mark.parametrize(
    "page",
    [
        f"<td>{html.escape(LONG)}</td>",
        f'<td title="{html.escape(LONG)}">…</td>',
        f"<p>{html.escape(LONG[:30])}<mark>{html.escape(LONG[30:40])}</mark>{html.escape(LONG[40:])}</p>",
        f"<p>{html.escape(LONG[:60])}…</p>",
        f"<p>{html.escape(LONG[:60])}...</p>",
        f"<script type='application/json'>{json.dumps([{'shown': LONG}])}</script>",
        f"<td> {SHORT}\n</td>",
        f"<!-- row --><a href='#{content_id(SHORT)}' id='{content_id(SHORT)}'>x</a>",
    ],
)
def test_a_report_that_shows_a_text_is_deleted_however_it_is_spelt(tmp_path: Path, page: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(f"<!doctype html><h1>Report</h1>{page}")
    assert purge_files(tmp_path, TEXTS) == [Found(path=path, action="deleted")]
    assert not path.exists()


def test_a_report_without_the_texts_stays(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(f"<p>{OTHERS[1]}</p><p>{OTHERS[1][:40]}…</p><p>please call me back</p><p>My name is…</p>")
    assert purge_files(tmp_path, TEXTS) == []
    assert path.exists()


def test_a_short_text_is_looked_for_in_text_columns_alone(tmp_path: Path) -> None:
    """Else a user who once sent "test" would take the test split along."""
    path = tmp_path / "prepared.csv"
    path.write_text("text,label,split\ntest,ham,train\nother,ham,test\n")
    assert purge_files(tmp_path, ["test"]) == [Found(path=path, action="rewritten", rows=1)]
    assert path.read_text() == "text,label,split\nother,ham,test\n"
    assert purge_files(tmp_path, ["other", "ham"], columns=["label"])[0].rows == 1


def test_a_users_name_goes_with_the_texts(tmp_path: Path) -> None:
    judgements = [judged(f"text {n}", "spam", user="mallory", minutes=10 * n) for n in range(60)]
    planned = plan(
        [*judgements, *[judged(f"other {n}", "ham", user="bob", minutes=5 * n) for n in range(20)]], labels=LABELS
    )
    record = {"sources": [asdict(source) for source in planned.sources], "feedback": planned.to_json()}
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    (tmp_path / "table.jsonl").write_text(json.dumps({"text": "hers", "user": "mallory"}) + "\n")
    assert "mallory" in path.read_text()
    found = purge_files(tmp_path, [one.text for one in judgements], users=["mallory"])
    assert [one.action for one in found] == ["rewritten", "rewritten"]
    assert "mallory" not in path.read_text() + (tmp_path / "table.jsonl").read_text()
    left = json.loads(path.read_text())
    assert [source["user"] for source in left["sources"]] == ["bob"]
    assert len(left["feedback"]["training"]) + len(left["feedback"]["held_back"]) == 20


def test_the_words_of_a_model_are_not_texts(tmp_path: Path) -> None:
    for name in ("tokenizer.json", "config.json", "vocab.txt", "lineage.json"):
        (tmp_path / name).write_text(json.dumps({"text": LONG}))
    assert purge_files(tmp_path, TEXTS) == []


def test_plain_text_that_holds_one_is_reported_and_left(tmp_path: Path) -> None:
    path = tmp_path / "models" / "README.md"
    path.parent.mkdir()
    path.write_text(f"An example:\n\n> {LONG}\n")
    assert purge_files(tmp_path, TEXTS) == [Found(path=path, action="left")]
    assert LONG in path.read_text()


def test_what_cannot_be_read_is_said_and_the_rest_is_done(tmp_path: Path) -> None:
    for name in ("a.json", "b.jsonl", "c.parquet", "d.csv.gz"):
        (tmp_path / name).write_text("{ not this")
    (tmp_path / "e.jsonl").write_text(json.dumps({"text": SHORT}) + "\n")
    found = purge_files(tmp_path, TEXTS)
    assert [(one.path.name, one.action) for one in found] == [
        ("a.json", "unreadable"),
        ("b.jsonl", "unreadable"),
        ("c.parquet", "unreadable"),
        ("d.csv.gz", "unreadable"),
        ("e.jsonl", "rewritten"),
    ]


def test_nothing_sought_nothing_done_and_one_file_will_do(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"text": SHORT}) + "\n")
    assert purge_files(tmp_path, []) == []
    assert purge_files(path, TEXTS) == [Found(path=path, action="rewritten", rows=1)]
    assert path.read_text() == ""


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir(), inside.mkdir()
    (outside / "own.jsonl").write_text(json.dumps({"text": SHORT}))
    (inside / "link.jsonl").symlink_to(outside / "own.jsonl")
    (inside / "folder").symlink_to(outside)
    assert purge_files(inside, TEXTS) == []
    assert mentions(outside / "own.jsonl")
