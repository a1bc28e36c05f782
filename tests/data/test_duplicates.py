"""Near duplicates: the groups are those of comparing every pair exactly."""

import random
import time
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enfold.data import NearDuplicates, content_id, jaccard, normal_form
from enfold.data.duplicates import _hashed, _levelled, _points

WORDS = ["the", "a", "film", "was", "good", "bad", "very", "story", "of", "and", "no", "in", "it", "plot", "actor"]
WORDS += ["scene", "long", "slow", "great", "dull"]


def shingles(text: str) -> set[str]:
    form = _levelled(text)
    return {form[start : start + 5] for start in range(len(form) - 4)}


def by_brute_force(texts: list[str], threshold: float) -> set[frozenset[int]]:
    """Connected components of all pairs at or above the threshold, on sets of strings, without hashing."""
    sets = [shingles(text) for text in texts]
    parent = list(range(len(texts)))

    def root(item: int) -> int:
        while parent[item] != item:
            item = parent[item]
        return item

    for first in range(len(texts)):
        for second in range(first):
            shared = len(sets[first] & sets[second])
            if shared / (len(sets[first]) + len(sets[second]) - shared) >= threshold:
                parent[root(first)] = root(second)
    components = defaultdict(set)
    for item in range(len(texts)):
        components[root(item)].add(item)
    return {frozenset(component) for component in components.values()}


def as_sets(groups: list[int]) -> set[frozenset[int]]:
    components = defaultdict(set)
    for item, group in enumerate(groups):
        components[group].add(item)
    return {frozenset(component) for component in components.values()}


def varied(rng: random.Random, text: str) -> str:
    words = text.split()
    for _ in range(rng.randrange(4)):
        words[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(words)


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("length", [(2, 6), (8, 30), (60, 90)])
def test_groups_are_those_of_comparing_every_pair(threshold, length):
    rng = random.Random(length[0])
    bases = [" ".join(rng.choices(WORDS, k=rng.randint(*length))) for _ in range(60)]
    texts = [varied(rng, rng.choice(bases)) for _ in range(250)]
    assert as_sets(NearDuplicates(texts, threshold=threshold).groups()) == by_brute_force(texts, threshold)


def test_one_template_of_many_messages():
    """Buckets far above the size that is compared pair by pair."""
    rng = random.Random(1)
    texts = [
        f"You have won a prize of {rng.randrange(999)} pounds, call {rng.randrange(10**6)} now to claim it"
        for _ in range(300)
    ]
    assert as_sets(NearDuplicates(texts, threshold=0.7).groups()) == by_brute_force(texts, 0.7)


def test_no_pair_is_joined_on_an_estimate():
    rng = random.Random(2)
    texts = [" ".join(rng.choices(WORDS[:8], k=12)) for _ in range(600)]
    groups = NearDuplicates(texts, threshold=0.8).groups()
    for component in as_sets(groups):
        for item in component:
            others = component - {item}
            assert not others or max(jaccard(texts[item], texts[other]) for other in others) >= 0.8


def test_characters_where_there_are_no_blanks():
    texts = [
        "酒店房间很大，服务态度非常好，早餐也很丰富，下次还会再来住的。",
        "酒店房间很大,服务态度非常好,早餐也很丰富,下次还会再来住！",
        "酒店房间太小，服务态度很差，早餐没有东西吃，再也不来了。",
        "部屋がとても広くて、朝ごはんも美味しかったです。また来ます",
        "部屋がとても広くて、朝ごはんも美味しかったです。また来ます！！",
    ]
    assert NearDuplicates(texts).groups() == [0, 0, 2, 3, 3]


def test_what_counts_as_the_same():
    assert jaccard("Free entry!!", "free  ENTRY") == 1
    assert jaccard("good :)", "bad :(") < 0.5
    assert jaccard("!!!", "???") == 0
    assert jaccard("", "") == 1
    assert jaccard("ok", "no") == 0
    # 14 shingles each of "set alarm for 5 am"; the 4 with the digit differ.
    assert jaccard("set alarm for 5 am", "set alarm for 6 am") == pytest.approx(10 / 18)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(alphabet="abc é的房\n!", max_size=12), max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_texts_does_not_matter(texts, rng):
    order = list(range(len(texts)))
    rng.shuffle(order)
    shuffled = as_sets(NearDuplicates([texts[item] for item in order]).groups())
    assert {frozenset(order[item] for item in component) for component in shuffled} == as_sets(
        NearDuplicates(texts).groups()
    )


def test_among_some_chains_through_the_others_do_not_count():
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    chain = [" ".join(words[start : start + 9]) for start in range(4)]
    near = NearDuplicates(chain, threshold=0.7)
    assert near.groups() == [0, 0, 0, 0]
    assert near.groups([0, 3]) == [0, 1]
    assert near.groups([3, 1, 2]) == [0, 0, 0]
    assert near.groups([]) == []


def test_hashes_tell_windows_apart():
    text = "".join(map(chr, np.random.default_rng(0).integers(32, 0xD7FF, 50_000)))
    assert len(set(_hashed(_points(text)).tolist())) == len({text[start : start + 5] for start in range(len(text) - 4)})


def test_bad_threshold():
    with pytest.raises(ValueError, match=r"threshold must lie above 0 and not above 1, not 1.5"):
        NearDuplicates([], threshold=1.5)


@pytest.mark.slow
def test_a_hundred_thousand_short_texts_take_seconds():
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(5000)]
    texts = [" ".join(rng.choices(vocabulary, k=12)) for _ in range(20_000)]
    texts += [text + " !" for text in texts[:1000]]
    before = time.process_time()
    groups = NearDuplicates(texts).groups()
    # A fifth of a hundred thousand: 30 s for all of them, on one core.
    assert time.process_time() - before < 6
    assert Counter(Counter(groups).values()) == {2: 1000, 1: 19_000}


class TestContentId:
    def test_it_is_the_hash_of_the_normal_form(self):
        assert normal_form("  ＨＥＬＬＯ \n Straße ") == "hello strasse"
        assert content_id("Hello  World") == content_id("hello world\n") != content_id("hello, world")
        assert content_id("hello world") == "b94d27b9934d3e08a52e52d7da7dabfa"

    def test_it_takes_any_string(self):
        assert len(content_id("\ud83d")) == 32
