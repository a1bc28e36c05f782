"""Windows hold all of a text, and every token has one window that knows it best."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tiny_models import FORGED, SENTENCES, bytes_without_types, wordpiece

from enfold.errors import InputError
from enfold.pipelines.reading import EncodedText, WindowReader

LONG = " ".join(SENTENCES)


@pytest.mark.parametrize("make", [wordpiece, bytes_without_types])
@pytest.mark.parametrize(("max_length", "stride"), [(8, 0), (8, 3), (16, None), (31, 10), (40, 39 - 5)])
def test_windows_are_those_of_the_tokenizer(make, max_length: int, stride: int | None):
    tokenizer = make()
    reader = WindowReader(tokenizer, None, max_length=max_length, stride=stride)
    for text in (LONG, SENTENCES[0], "", FORGED):
        (read,) = reader.read([text])
        expected = tokenizer.windows(text, max_length=max_length, stride=reader.stride)
        for name in ("ids", "type_ids", "tokens", "word_ids", "sequence_ids", "special_tokens_mask"):
            assert [getattr(window, name) for window in read.windows] == [getattr(window, name) for window in expected]
        assert read.tokens == tokenizer.count_tokens([text])[0]


@pytest.mark.parametrize(("max_length", "stride"), [(8, 0), (9, 1), (20, 15), (64, None)])
def test_every_token_of_a_text_is_there_once(max_length: int, stride: int | None):
    tokenizer = wordpiece()
    (whole,) = tokenizer.encode_batch([LONG])
    (read,) = WindowReader(tokenizer, None, max_length=max_length, stride=stride).read([LONG])
    assert read.read == len(whole) - 2
    for name in ("ids", "offsets", "word_ids", "tokens"):
        assert read.column(name) == list(getattr(whole, name)[1:-1])
    ids = read.merged([np.asarray(window.ids)[:, None] for window in read.windows])
    assert ids[:, 0].tolist() == list(whole.ids[1:-1])


def test_a_token_belongs_to_the_window_in_which_it_has_most_context():
    """Brute force: the distance to the nearer end of the window, where the text itself has no end there."""
    (read,) = WindowReader(wordpiece(), None, max_length=12, stride=7).read([LONG])
    windows = [(start, start + len(window) - 2) for start, window in zip(read.starts, read.windows, strict=True)]
    for token, owner in enumerate(read.owners()):
        context = {}
        for number, (start, end) in enumerate(windows):
            if start <= token < end:
                left = token - start if start else 10**6
                right = end - 1 - token if end < read.read else 10**6
                context[number] = min(left, right)
        assert context[int(owner)] == max(context.values())


@pytest.mark.parametrize("windowed", [0, 1])
@pytest.mark.parametrize("make", [wordpiece, bytes_without_types])
def test_of_a_pair_one_text_is_cut_up_and_the_other_stands_whole(make, windowed: int):
    tokenizer = make()
    reader = WindowReader(tokenizer, None, max_length=60, stride=5, pairs=True)
    texts = (LONG, SENTENCES[1])
    pair = texts if windowed == 0 else texts[::-1]
    (read,) = reader.read_pairs([pair[0]], [pair[1]], windowed=windowed)
    whole = tokenizer.encode_batch([pair[0]], [pair[1]])[0]
    other = [number for number, of in zip(whole.ids, whole.sequence_ids, strict=True) if of == 1 - windowed]
    assert len(read.windows) > 3
    for window in read.windows:
        assert len(window) <= 60
        assert [
            number for number, of in zip(window.ids, window.sequence_ids, strict=True) if of == 1 - windowed
        ] == other
    assert read.column("offsets") == [
        offset for offset, of in zip(whole.offsets, whole.sequence_ids, strict=True) if of == windowed
    ]
    assert read.text == LONG


def test_the_weighted_mean_counts_the_overlap_once():
    read = EncodedText((), (4, 2), 8)
    assert read.weighted([np.array([3.0, 0.0]), np.array([0.0, 3.0])]).tolist() == [2.0, 1.0]


def test_a_text_that_leaves_no_room_for_its_pair_is_refused():
    reader = WindowReader(wordpiece(), None, max_length=16, pairs=True)
    with pytest.raises(
        InputError, match=r"a text of \d+ tokens leaves no room for the text beside it in a window of 16"
    ):
        reader.read_pairs([SENTENCES[0]], ["a short one"], windowed=1)
    narrow = WindowReader(wordpiece(), None, max_length=16, stride=8, pairs=True)
    with pytest.raises(
        InputError, match="stride=8 must be less than the 8 tokens of text in a window beside a text of 5"
    ):
        narrow.read_pairs(["in berlin in london prize"], [LONG], windowed=1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_first_window_says_what_it_left_out(side: str):
    tokenizer = wordpiece().with_options(truncation_side=side)
    (read,) = WindowReader(tokenizer, None, max_length=16).first_windows([LONG])
    (expected,) = tokenizer.encode_batch([LONG], max_length=16)
    assert read.windows[0].ids == expected.ids
    assert read.column("offsets") == list(expected.offsets[1:-1])
    assert read.cut == expected.cut[0].tokens == read.tokens - 16


def test_random_sizes_lose_nothing():
    choose = random.Random(1)
    tokenizer = wordpiece()
    words = LONG.split()
    for _ in range(60):
        max_length = choose.randint(4, 60)
        stride = choose.randint(0, max_length - 3)
        text = " ".join(choose.choices(words, k=choose.randint(0, 80)))
        (read,) = WindowReader(tokenizer, None, max_length=max_length, stride=stride).read([text])
        assert read.column("ids") == list(tokenizer.encode_batch([text])[0].ids[1:-1])
        assert all(count > 0 for count in read.first_read) or read.read == 0
