"""Which rows make up which batch: the same on every run, all rows once, and findable in the middle."""

from __future__ import annotations

import pytest

from enfold.training.sampling import EpochBatches

LENGTHS = [3 + (7 * row) % 40 for row in range(101)]


@pytest.mark.parametrize(
    "settings",
    [
        {"strategy": "random"},
        {"strategy": "sequential"},
        {"strategy": "group_by_length"},
        {"strategy": "random", "max_tokens": 120},
    ],
    ids=["random", "sequential", "by length", "token budget"],
)
class TestEveryStrategy:
    def make(self, settings, **more):
        return EpochBatches(101, lengths=LENGTHS, **{"batch_size": 8, "seed": 1, **settings, **more})

    def test_every_row_comes_once(self, settings):
        rows = [row for batch in self.make(settings).batches(0) for row in batch]
        assert sorted(rows) == list(range(101))

    def test_the_seed_and_the_epoch_decide_the_order(self, settings):
        first, again, other = self.make(settings), self.make(settings), self.make(settings, seed=2)
        assert first.batches(0) == again.batches(0)
        if settings["strategy"] != "sequential":
            assert first.batches(0) != first.batches(1)
            assert first.batches(0) != other.batches(0)

    def test_it_goes_on_from_the_middle(self, settings):
        batches = self.make(settings)
        whole = list(batches.batches(3))
        batches.go_to(3, 4)
        assert list(batches) == whole[4:]
        assert len(batches) == len(whole) - 4

    def test_steps_are_counted_with_accumulation(self, settings):
        batches = self.make(settings)
        count = len(batches.batches(0))
        assert batches.steps(0) == count
        assert batches.steps(0, accumulation=3) == -(-count // 3)


def test_a_last_batch_that_is_not_full_can_be_left_out():
    batches = EpochBatches(10, batch_size=4, drop_last=True)
    assert [len(batch) for batch in batches.batches(0)] == [4, 4]
    assert batches.steps(0) == 2


def test_grouping_by_length_brings_like_lengths_together_and_the_longest_first():
    batches = EpochBatches(101, lengths=LENGTHS, batch_size=8, strategy="group_by_length").batches(0)
    assert max(LENGTHS) in [LENGTHS[row] for row in batches[0]]
    spread = [max(LENGTHS[row] for row in batch) - min(LENGTHS[row] for row in batch) for batch in batches[1:]]
    assert sorted(spread)[len(spread) // 2] < 20


def test_a_token_budget_is_kept():
    for batch in EpochBatches(101, lengths=LENGTHS, max_tokens=120).batches(0):
        assert sum(LENGTHS[row] for row in batch) <= 120
