"""Splits are drawn by content and kept for ever; near duplicates never lie on two sides."""

import random
import re
from collections import Counter, defaultdict

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enfold.data import NearDuplicates, Shares, SplitLedger, content_id
from enfold.data.splits import assign_splits
from enfold.errors import DataError, SettingsError

WORDS = [f"{letter * 3}{number}" for number in range(4) for letter in "abcdefgh"]


def assign(rows: dict[str, str], shares: Shares | None = None, ledger: SplitLedger | None = None):
    """Rows are texts with labels; the answer is the assignment and the split of each text."""
    texts = list(rows)
    near = NearDuplicates(texts)
    done = assign_splits(
        [content_id(text) for text in texts], list(rows.values()), near, shares=shares or Shares(), ledger=ledger
    )
    return done, dict(zip(texts, done.splits, strict=True))


def many(count: int, seed: int = 0) -> dict[str, str]:
    rng = random.Random(seed)
    return {" ".join(rng.choices(WORDS, k=10)): rng.choice("ab") for _ in range(count)}


def families(count: int, seed: int = 0) -> dict[str, str]:
    """Texts of which many are near duplicates of others."""
    rng = random.Random(seed)
    bases = [rng.choices(WORDS, k=14) for _ in range(count)]
    rows = {}
    for base in bases:
        for _ in range(rng.randint(1, 4)):
            words = list(base)
            words[rng.randrange(14)] = rng.choice(WORDS)
            rows[" ".join(words)] = rng.choice("ab")
    return rows


# Twelve words, of which a step changes one: neighbours are near (0.84), what is four steps away is not.
def step(number: int) -> str:
    return " ".join([f"new{place}xx" for place in range(number)] + [f"old{place}xx" for place in range(number, 12)])


def test_the_shares_are_about_right_within_each_label():
    done, splits = assign(many(3000), Shares(train=0.7, validation=0.1, test=0.2))
    rows = many(3000)
    for label in "ab":
        counts = Counter(split for text, split in splits.items() if rows[text] == label)
        for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
            assert counts[split] / counts.total() == pytest.approx(share, abs=0.03)
    assert done.notes == [] and done.left_out == {} and len(done.ledger) == len(rows)


def test_no_share_no_rows():
    _, splits = assign(many(300), Shares(train=0.9, validation=0.0, test=0.1))
    assert set(splits.values()) == {"train", "test"}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(seed, rng):
    rows = families(30, seed)
    shuffled = list(rows.items())
    rng.shuffle(shuffled)
    assert assign(dict(shuffled))[1] == assign(rows)[1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_what_was_decided_stays_and_no_group_crosses_splits_as_data_grows(seed, other):
    first = families(25, seed)
    done, before = assign(first)
    # New rows, among them near duplicates of old ones; some old rows are gone.
    grown = {text: label for number, (text, label) in enumerate(first.items()) if number % 5} | families(15, other)
    for text in list(first)[::3]:
        words = text.split()
        grown[" ".join([*words[:6], "changed", *words[7:]])] = "a"
    after, splits = assign(grown, ledger=done.ledger)
    for text, split in before.items():
        assert splits.get(text) in (split, None)
        assert after.ledger[content_id(text)] == split
    near = NearDuplicates([text for text, split in splits.items() if split])
    kept = [split for split in splits.values() if split]
    groups = defaultdict(set)
    for group, split in zip(near.groups(), kept, strict=True):
        groups[group].add(split)
    assert all(len(found) == 1 for found in groups.values())
    again, repeated = assign(grown, ledger=after.ledger)
    assert again.ledger.splits == after.ledger.splits
    assert all(repeated[text] == split for text, split in splits.items() if split)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_other_rows_do_not_decide(seed, other):
    rows = many(200, seed)
    _, alone = assign(rows)
    _, together = assign(rows | many(200, other + 20_000))
    assert all(together[text] == split for text, split in alone.items())


def test_rows_of_a_group_have_its_name_and_its_split():
    done, splits = assign({step(0): "a", step(1): "a", step(8): "b"} | many(50))
    assert done.groups[0] == done.groups[1] == min(content_id(step(0)), content_id(step(1)))
    assert splits[step(0)] == splits[step(1)]


class TestLedger:
    def test_a_new_row_near_a_test_row_goes_to_test(self):
        ledger = SplitLedger({content_id(step(0)): "test"})
        _, splits = assign({step(0): "a", step(1): "a"} | many(50), ledger=ledger)
        assert splits[step(1)] == "test"

    def test_a_new_row_between_two_splits_is_left_out(self):
        ledger = SplitLedger({content_id(step(0)): "test", content_id(step(2)): "train"})
        done, splits = assign({step(0): "a", step(1): "a", step(2): "a"} | many(50), ledger=ledger)
        assert [splits[step(number)] for number in range(3)] == ["test", None, "train"]
        assert done.left_out == {1: "near rows of test and train"}
        assert content_id(step(1)) not in done.ledger

    def test_rows_left_without_their_bridge_are_groups_of_their_own(self):
        ledger = SplitLedger({content_id(step(0)): "test", content_id(step(2)): "train"})
        done, _ = assign({step(0): "a", step(1): "a", step(2): "a"}, ledger=ledger)
        assert done.groups[0] == content_id(step(0)) and done.groups[2] == content_id(step(2))

    def test_a_row_that_comes_back_near_rows_of_another_split(self):
        ledger = SplitLedger({content_id(step(0)): "test", content_id(step(1)): "train"})
        done, splits = assign({step(0): "a", step(1): "a"} | many(50), ledger=ledger)
        assert (splits[step(0)], splits[step(1)]) == ("test", None)
        assert done.left_out == {1: "in train before, and near a test row"}
        assert done.ledger[content_id(step(1))] == "train"

    def test_it_is_never_changed(self):
        ledger = SplitLedger({"x": "test"})
        assert ledger.with_rows({"y": "train", "x": "test"}).splits == {"x": "test", "y": "train"}
        with pytest.raises(
            DataError, match=r"^row x is in test and cannot be put into train: splits are kept for ever$"
        ):
            ledger.with_rows({"x": "train"})
        with pytest.raises(TypeError):
            ledger.splits["x"] = "train"

    def test_it_is_kept_as_parquet(self, tmp_path):
        ledger = SplitLedger({"b": "test", "a": "train"})
        ledger.save(tmp_path / "splits.parquet")
        assert pl.read_parquet(tmp_path / "splits.parquet").rows() == [("a", "train"), ("b", "test")]
        assert SplitLedger.load(tmp_path / "splits.parquet") == ledger
        assert len(SplitLedger.load(tmp_path / "none.parquet")) == 0
        SplitLedger().save(tmp_path / "empty.parquet")
        assert len(SplitLedger.load(tmp_path / "empty.parquet")) == 0

    def test_a_damaged_one_is_not_drawn_anew(self, tmp_path):
        path = tmp_path / "splits.parquet"
        path.write_bytes(b"PAR1 not really")
        way_out = "restore it from a copy; deleting it draws new splits, after which old test scores mean nothing"
        with pytest.raises(
            DataError, match=re.escape(f"the split ledger {path} cannot be read (") + ".*" + re.escape(way_out)
        ):
            SplitLedger.load(path)
        pl.DataFrame({"id": ["a"], "split": ["elsewhere"]}).write_parquet(path)
        with pytest.raises(
            DataError, match=re.escape(f"{path} is not a split ledger (columns id and split); {way_out}")
        ):
            SplitLedger.load(path)


class TestSmallClasses:
    @pytest.mark.parametrize("seed", range(8))
    def test_three_texts_are_enough_for_three_splits(self, seed):
        rng = random.Random(seed)
        rows = {" ".join(rng.choices(WORDS, k=8)): "rare" for _ in range(3)} | many(100, seed + 100)
        done, splits = assign(rows)
        assert sorted(splits[text] for text, label in rows.items() if label == "rare") == [
            "test",
            "train",
            "validation",
        ]
        assert done.notes == []

    def test_two_texts_are_for_training_and_test_and_the_class_is_named(self):
        rows = {"one of them": "rare", "some other text": "rare"} | many(100)
        done, splits = assign(rows)
        assert {splits["one of them"], splits["some other text"]} == {"train", "test"}
        assert done.notes == ["class 'rare' is too small for every split: 2 different texts, none in validation"]

    def test_two_near_texts_are_for_training(self):
        done, splits = assign({step(0): "rare", step(1): "rare"} | many(100))
        assert splits[step(0)] == splits[step(1)] == "train"
        assert done.notes == [
            "class 'rare' is too small for every split: 2 different texts, none in validation or test"
        ]

    def test_rows_in_the_ledger_are_not_moved_for_it(self):
        ledger = SplitLedger({content_id(step(number)): "test" for number in (0, 4, 8)})
        done, splits = assign({step(0): "rare", step(4): "rare", step(8): "rare"} | many(100), ledger=ledger)
        assert {splits[step(number)] for number in (0, 4, 8)} == {"test"}
        assert done.notes == [
            "class 'rare' is too small for every split: 3 different texts, none in train or validation"
        ]


class TestShares:
    def test_they_add_up(self):
        with pytest.raises(
            SettingsError,
            match=r"^shares must add up to 1; they are: train 0.8, validation 0.1, test 0.2, together 1.1$",
        ):
            Shares(0.8, 0.1, 0.2)

    @pytest.mark.parametrize("given", [(1.1, -0.1, 0.0), (0.0, 0.5, 0.5)])
    def test_they_leave_something_to_train_on(self, given):
        with pytest.raises(
            SettingsError, match=r"^shares must lie between 0 and 1 and leave something to train on; they are: "
        ):
            Shares(*given)
