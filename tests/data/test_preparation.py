"""From a table as it came to rows, splits, labels and a profile; corrections go into training and nowhere else."""

import io
import json
import random
import re

import polars as pl
import pytest
from rich.console import Console

from enfold.data import Columns, Prepared, Profile, Shares, SplitLedger, as_table, content_id, jaccard, prepare
from enfold.errors import DataError
from enfold.values import LabelSet

COLUMNS = Columns("text", "label")
GOOD = ["lovely", "superb", "warm", "clever", "moving", "bright", "tender", "honest", "funny", "graceful"]
BAD = ["dull", "noisy", "cold", "stupid", "boring", "grey", "cruel", "fake", "tired", "clumsy"]
PLAIN = ["film", "scene", "actor", "story", "music", "light", "script", "camera", "ending", "cast", "hero", "house"]


def fails(message: str):
    return pytest.raises(DataError, match="^" + re.escape(message) + "$")


def review(rng: random.Random, label: str) -> str:
    words = rng.choices(GOOD if label == "good" else BAD, k=5) + rng.choices(PLAIN, k=7)
    rng.shuffle(words)
    return " ".join(words)


def reviews(count: int = 120, seed: int = 0) -> pl.DataFrame:
    rng = random.Random(seed)
    labels = [rng.choice(["good", "bad"]) for _ in range(count)]
    return pl.DataFrame({"text": [review(rng, label) for label in labels], "label": labels})


def made(table: pl.DataFrame, **options) -> Prepared:
    options.setdefault("check_labels", False)
    return prepare(table, COLUMNS, source="reviews.csv", **options)


def test_the_table_that_comes_out():
    prepared = made(
        reviews(),
        shares=Shares(0.6, 0.2, 0.2),
        count_tokens=lambda texts: [len(text.split()) + 2 for text in texts],
        context=13,
    )
    assert prepared.table.columns == ["id", "text", "label", "split", "group", "tokens", "source"]
    assert prepared.table["id"].to_list() == sorted(map(content_id, reviews()["text"].to_list()))
    assert prepared.labels == LabelSet(("bad", "good"))
    assert set(prepared.table["source"]) == {"data"}
    assert sum(prepared.split(name).height for name in ("train", "validation", "test")) == 120
    assert (
        dict(zip(prepared.table["id"].to_list(), prepared.table["split"].to_list(), strict=True))
        == prepared.ledger.splits
    )
    lengths = prepared.profile.lengths
    assert (lengths.unit, lengths.mean, lengths.beyond, lengths.quantiles["median"]) == ("tokens", 14, 1.0, 14)
    assert prepared.profile.splits == {name: prepared.split(name).height for name in ("train", "validation", "test")}


def test_the_order_of_rows_does_not_matter():
    table = pl.concat(
        [reviews(), reviews(20), pl.DataFrame({"text": ["One ", "one", "ONE"], "label": ["good", "Good", "bad"]})]
    )
    shuffled = table.sample(fraction=1, shuffle=True, seed=3)
    first, second = made(table, check_labels=True), made(shuffled, check_labels=True)
    assert first.table.equals(second.table)
    assert first.profile == second.profile


def test_a_row_stays_in_test_when_data_arrives():
    first = made(reviews(60))
    second = made(pl.concat([reviews(60), reviews(200, seed=1)]), ledger=first.ledger)
    known = dict(zip(second.table["id"].to_list(), second.table["split"].to_list(), strict=True))
    assert all(known[row] == split for row, split in first.ledger.splits.items())


def test_damage_is_mended_and_what_cannot_be_used_is_counted():
    rows = [
        ("A film.<br />Great", "good"),
        ("a film. great", "GOOD"),
        ("cafÃ© closed", "bad"),
        ("   ", "bad"),
        (None, "good"),
        ("no label here", None),
        ("twice said", "good"),
        ("Twice  said", "good"),
        ("Twice said", "bad"),
        ("nobody knows", "bad"),
        ("nobody knows ", "good"),
        ("fine", "good"),
        ("awful", "bad"),
    ]
    prepared = made(pl.DataFrame(rows, schema=["text", "label"], orient="row"))
    assert sorted(prepared.table.select("text", "label").rows()) == [
        ("A film.\nGreat", "good"),
        ("Twice  said".replace("  ", " "), "good"),
        ("awful", "bad"),
        ("café closed", "bad"),
        ("fine", "good"),
    ]
    profile = prepared.profile
    assert (profile.rows, profile.kept) == (13, 5)
    assert (profile.empty_texts, profile.unlabelled, profile.exact_duplicates, profile.contradictory) == (2, 1, 3, 2)
    assert (profile.repairs.html, profile.repairs.encoding) == (1, 1)
    assert profile.notes[:3] == [
        "label 'good' (6 rows) is also spelled 'GOOD' (1): merged",
        "the same text has several labels, bad (1), good (1): 'nobody knows', left out",
        "the same text has several labels, good (2), bad (1): 'Twice said', taken as good",
    ]
    assert prepared.left_out.select("text", "label", "source", "reason").rows() == [
        ("nobody knows", "bad / good", "data", "the same text has several labels")
    ]
    assert [(row.text, row.label, row.other) for row in profile.suspicious] == [
        ("nobody knows", "bad", ""),
        ("nobody knows", "good", ""),
        ("Twice said", "bad", "good"),
    ]


def test_near_duplicates_stay_together_and_disagreeing_ones_are_named():
    text = "win a prize now, call the number below and claim what is yours before the end of the week"
    rows = [(text, "bad"), (text + " ok", "bad"), (text + " yes", "good")]
    prepared = made(pl.concat([reviews(40), pl.DataFrame(rows, schema=["text", "label"], orient="row")]))
    near = prepared.table.filter(pl.col("text").str.starts_with("win a prize"))
    assert near["group"].n_unique() == near["split"].n_unique() == 1
    assert (prepared.profile.near_groups, prepared.profile.near_rows) == (1, 3)
    (row,) = prepared.profile.suspicious
    assert (row.label, row.other, row.reason, row.id) == (
        "good",
        "bad",
        "near texts disagree",
        content_id(text + " yes"),
    )


def test_wrong_labels_stand_out():
    table = reviews(400)
    wrong = [7, 77, 177]
    labels = table["label"].to_list()
    for row in wrong:
        labels[row] = "good" if labels[row] == "bad" else "bad"
    prepared = made(table.with_columns(label=pl.Series(labels)), check_labels=True)
    found = prepared.profile.suspicious
    assert {row.id for row in found} == {content_id(table["text"][row]) for row in wrong}
    assert all(row.reason == "a model disagrees" and row.score >= 0.9 for row in found)
    assert made(reviews(400), check_labels=True).profile.suspicious == []


def test_a_row_that_swallowed_others_is_pointed_at():
    table = pl.concat([reviews(60), pl.DataFrame({"text": ["word " * 400], "label": ["bad"]})])
    (note,) = made(table).profile.notes
    assert note.endswith("perhaps several rows in one: row 61 (1,999 characters)")


def test_rows_that_would_tie_splits_together_are_left_out_and_listed():
    words = [f"word{number}x" for number in range(20)]
    test, between, train = (" ".join(words[start : start + 16]) for start in (0, 2, 4))
    ledger = made(reviews()).ledger.with_rows({content_id(test): "test", content_id(train): "train"})
    table = pl.concat([reviews(), pl.DataFrame({"text": [test, between, train], "label": ["good", "bad", "bad"]})])
    prepared = made(table, ledger=ledger)
    assert prepared.left_out.select("text", "label", "reason").rows() == [
        (between, "bad", "near rows of test and train")
    ]
    assert prepared.profile.left_out == 1
    assert "rows left out to keep the splits apart, near rows of test and train: 1" in prepared.profile.notes


class TestCorrections:
    table = reviews(200)

    def corrected(self, rows, **options):
        base = made(self.table)
        corrections = pl.DataFrame(rows, schema=["text", "label", "user"], orient="row")
        return base, made(self.table, ledger=base.ledger, corrections=corrections, **options)

    def text(self, split: str, label: str = "good") -> str:
        return made(self.table).split(split).filter(pl.col("label") == label)["text"][0]

    def test_a_new_text_becomes_a_training_row(self):
        base, prepared = self.corrected([("Nothing like the <br/>others at all", "BAD", "ann")])
        (row,) = prepared.table.filter(pl.col("source") == "feedback").rows(named=True)
        assert (row["text"], row["label"], row["split"]) == ("Nothing like the\nothers at all", "bad", "train")
        assert row["id"] == row["group"] == content_id(row["text"])
        assert prepared.table.filter(pl.col("source") == "data").equals(base.table)
        # Were it in the ledger, it could never become a test row when the data brings it.
        assert prepared.ledger == base.ledger
        assert prepared.profile.notes == ["1 corrections became training rows"]
        assert (prepared.profile.kept, prepared.profile.corrections) == (200, 1)

    def test_another_label_for_a_training_row_replaces_it(self):
        text = self.text("train")
        base, prepared = self.corrected([(text.upper(), "bad", None)])
        (row,) = prepared.table.filter(pl.col("source") == "feedback").rows(named=True)
        assert (row["text"], row["label"], row["split"]) == (text, "bad", "train")
        assert prepared.table.height == base.table.height
        assert prepared.profile.notes == [
            f"corrections changed the label of 1 training rows: {content_id(text)[:8]} to 'bad'"
        ]

    def test_the_same_label_changes_nothing(self):
        base, prepared = self.corrected([(self.text("train"), "good", None)])
        assert prepared.table.equals(base.table)
        assert prepared.profile.notes == ["1 corrections say what a training row says already"]

    @pytest.mark.parametrize("split", ["test", "validation"])
    def test_texts_of_the_test_and_validation_set_never_get_into_training(self, split):
        text = self.text(split)
        near = text + " " + text.split()[0]
        assert jaccard(text, near) >= 0.8
        base, prepared = self.corrected([(text, "bad", None), (near, "bad", None)])
        assert prepared.table.equals(base.table)
        shown = ", ".join(sorted([content_id(text)[:8], content_id(near)[:8]]))
        assert prepared.profile.notes == [f"corrections left out, near a {split} row: 2 ({shown})"]
        assert set(prepared.left_out["reason"]) == {f"near a {split} row"} and set(prepared.left_out["source"]) == {
            "feedback"
        }

    def test_neither_through_another_correction(self):
        words = [f"word{number}x" for number in range(24)]
        chain = [" ".join(words[start : start + 16]) for start in range(0, 6, 2)]
        table = pl.concat([self.table, pl.DataFrame({"text": [chain[0]], "label": ["good"]})])
        ledger = made(self.table).ledger.with_rows({content_id(chain[0]): "test"})
        corrections = pl.DataFrame({"text": chain[1:], "label": ["bad", "bad"]})
        prepared = made(table, ledger=ledger, corrections=corrections)
        assert prepared.table.filter(pl.col("source") == "feedback").is_empty()

    def test_nor_when_the_test_row_is_away_for_a_while(self):
        ledger = made(self.table).ledger.with_rows({content_id("was here before"): "test"})
        corrections = pl.DataFrame({"text": ["Was here  before"], "label": ["bad"]})
        prepared = made(self.table, ledger=ledger, corrections=corrections)
        assert prepared.left_out["reason"].to_list() == ["near a test row"]

    def test_near_a_training_row_it_joins_its_group(self):
        text = self.text("train")
        _, prepared = self.corrected([(text + " " + text.split()[0], "bad", None)])
        (row,) = prepared.table.filter(pl.col("source") == "feedback").rows(named=True)
        assert row["group"] == content_id(text)

    def test_what_cannot_be_taken_is_listed(self):
        _, prepared = self.corrected(
            [
                ("said both", "good", "ann"),
                ("Said both", "bad", "bob"),
                ("unknown label here", "ugly", None),
                ("  ", "bad", None),
            ]
        )
        assert prepared.table.filter(pl.col("source") == "feedback").is_empty()
        assert sorted(prepared.left_out.select("text", "label", "reason").rows()) == [
            ("", "bad", "without text"),
            ("Said both", "bad", "contradicted by another correction of the same text"),
            ("said both", "good", "contradicted by another correction of the same text"),
            ("unknown label here", "ugly", "with a label the data does not have ('ugly')"),
        ]

    def test_none_is_nothing(self):
        base, prepared = self.corrected([])
        assert prepared.table.equals(base.table) and prepared.profile == base.profile

    def test_their_order_does_not_matter(self):
        rows = [
            (f"correction number {number} of many others", random.Random(number).choice(["good", "bad"]), None)
            for number in range(9)
        ]
        assert self.corrected(rows)[1].table.equals(self.corrected(rows[::-1])[1].table)

    def test_a_table_that_is_none(self):
        with fails("column 'label' not in the corrections; it has: text, labels; did you mean 'labels'?"):
            made(self.table, corrections=pl.DataFrame({"text": ["a"], "labels": ["b"]}))
        with fails("column 'label' of the corrections must hold texts in every row"):
            made(self.table, corrections=pl.DataFrame({"text": ["a"], "label": [None]}))


class TestRefused:
    def test_a_wrong_column(self):
        with fails("column 'txt' not in reviews.csv; it has: text, label; did you mean 'text'?"):
            prepare(reviews(), Columns("txt", "label"), source="reviews.csv")

    def test_all_texts_empty(self):
        with fails("all 3 texts in column 'text' of reviews.csv are empty; is it the right column? (--text)"):
            made(pl.DataFrame({"text": ["", " ", "<br />"], "label": ["a", "b", "a"]}))

    def test_a_text_far_too_long(self):
        table = pl.DataFrame({"text": ["a", "b", "é" * 2_500_000], "label": ["x", "y", "x"]})
        with fails(
            "row 3 of reviews.csv has a text of 5,000,000 bytes, the limit is 1,000,000; cut it into parts, "
            "leave it out, or raise the limit (max_text_bytes)"
        ):
            made(table)
        with pytest.raises(DataError, match="the limit is 6,000;"):
            made(table, max_text_bytes=6_000)

    def test_a_nul_character(self):
        with fails("row 2 of reviews.csv holds a NUL character in its text; remove it"):
            made(pl.DataFrame({"text": ["a", "b\0c"], "label": ["x", "y"]}))

    def test_one_class(self):
        with fails("reviews.csv has only one class, 'x' (2 texts); a classifier needs at least two"):
            made(pl.DataFrame({"text": ["a", "b", "b"], "label": ["x", "X ", "x"]}))

    def test_a_class_with_one_text(self):
        with fails(
            "reviews.csv has a class with 1 example: 'y' (row 3); training and testing need 2 different texts at "
            "least: add some, or remove or rename the class"
        ):
            made(pl.DataFrame({"text": ["a", "b", "c", "C"], "label": ["x", "x", "y", "y"]}))

    def test_mixed_types(self):
        with fails(
            "column 'label' of reviews.csv mixes types: whole number (1, row 1), text ('1', row 2); "
            "write all labels as texts"
        ):
            made(as_table([{"text": "a", "label": 1}, {"text": "b", "label": "1"}]))


def test_it_is_kept_as_ordinary_files(tmp_path):
    prepared = made(reviews(), check_labels=True)
    prepared.save(tmp_path / "data")
    assert sorted(file.name for file in (tmp_path / "data").iterdir()) == [
        "labels.json",
        "left_out.parquet",
        "profile.json",
        "splits.parquet",
        "table.parquet",
    ]
    again = Prepared.load(tmp_path / "data")
    assert again.table.equals(prepared.table) and again.left_out.equals(prepared.left_out)
    assert (again.labels, again.ledger, again.profile) == (prepared.labels, prepared.ledger, prepared.profile)
    assert SplitLedger.load(tmp_path / "data" / "splits.parquet") == prepared.ledger


class TestProfile:
    def profile(self) -> Profile:
        table = pl.concat(
            [
                reviews(300),
                pl.DataFrame({"text": ["[bold]odd[/bold]", None, "so [so]"], "label": ["[red]", "good", "[red]"]}),
            ]
        )
        labels = table["label"].to_list()
        labels[3] = "good" if labels[3] == "bad" else "bad"
        table = table.with_columns(label=pl.Series(labels))
        return made(
            table, count_tokens=lambda texts: [len(text.split()) for text in texts], context=8, check_labels=True
        ).profile

    def test_it_survives_json(self):
        profile = self.profile()
        assert Profile.from_json(json.loads(json.dumps(profile.to_json()))) == profile

    @pytest.mark.parametrize("width", [40, 80, 200])
    def test_it_is_printed(self, width):
        console = Console(file=io.StringIO(), width=width)
        console.print(self.profile())
        lines = console.file.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        if width == 200:
            text = "\n".join(lines)
            for expected in (
                "reviews.csv: 302 of 303 rows",
                "[red]",
                "lengths in tokens: median 12, 95 % under 12, longest 12, 3,603 in all; 99.3% beyond the model's 8",
                "rows without text, left out: 1",
                "note: class '[red]' is too small for every split: 2 different texts, none in validation",
                "labels to look at: 1",
                "(a model disagrees)",
            ):
                assert expected in text
