"""Batches of about the same number of tokens, of texts of similar length, in an order that a seed decides."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enfold.data import token_budget_batches

LENGTHS = np.random.default_rng(0).lognormal(4, 0.8, 3000).astype(int).clip(2, 512).tolist()


@given(
    st.lists(st.integers(0, 600), max_size=60),
    st.integers(1, 800),
    st.none() | st.integers(1, 9),
    st.booleans(),
    st.integers(0, 5),
)
def test_every_text_once_and_no_batch_above_its_budget(lengths, max_tokens, max_rows, shuffle, epoch):
    batches = token_budget_batches(lengths, max_tokens=max_tokens, max_rows=max_rows, shuffle=shuffle, epoch=epoch)
    assert sorted(chain.from_iterable(batches)) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or sum(lengths[place] for place in batch) <= max_tokens
        assert 1 <= len(batch) <= (max_rows or len(batch))


def test_for_evaluation_from_the_longest_to_the_shortest():
    batches = token_budget_batches([3, 9, 5, 9, 1], max_tokens=10)
    assert batches == [[1], [3], [2, 0, 4]]


def test_lengths_inside_a_batch_are_similar_and_budgets_are_used():
    batches = token_budget_batches(LENGTHS, max_tokens=2048, shuffle=True, seed=1)
    spread = np.mean(
        [max(LENGTHS[place] for place in batch) - min(LENGTHS[place] for place in batch) for batch in batches]
    )
    assert spread < 0.15 * (max(LENGTHS) - min(LENGTHS))
    assert np.mean([sum(LENGTHS[place] for place in batch) for batch in batches]) > 0.9 * 2048


def test_seed_and_epoch_decide():
    first = token_budget_batches(LENGTHS, max_tokens=2048, shuffle=True, seed=1, epoch=0)
    assert first == token_budget_batches(np.array(LENGTHS), max_tokens=2048, shuffle=True, seed=1, epoch=0)
    for seed, epoch in ((2, 0), (1, 1)):
        other = token_budget_batches(LENGTHS, max_tokens=2048, shuffle=True, seed=seed, epoch=epoch)
        assert len(set(map(frozenset, first)) & set(map(frozenset, other))) < len(first) / 10


def test_short_and_long_batches_alternate():
    batches = token_budget_batches(LENGTHS, max_tokens=2048, shuffle=True)
    rows = np.array([len(batch) for batch in batches])
    assert abs(np.corrcoef(rows[:-1], rows[1:])[0, 1]) < 0.4


def test_nothing_and_nonsense():
    assert token_budget_batches([], max_tokens=8, shuffle=True) == []
    with pytest.raises(ValueError, match="max_tokens and max_rows must be at least 1, not 0 and None"):
        token_budget_batches([1], max_tokens=0)
    with pytest.raises(ValueError, match="max_tokens and max_rows must be at least 1, not 8 and 0"):
        token_budget_batches([1], max_tokens=8, max_rows=0)
    with pytest.raises(ValueError, match="lengths must not be negative: -2 at 1"):
        token_budget_batches([1, -2], max_tokens=8)
