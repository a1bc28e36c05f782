"""Stretches of characters to labels of tokens, words and characters, and back."""

from __future__ import annotations

import pytest

from enfold.errors import InputError, LabelError
from enfold.text import BertTokenizer
from enfold.values import IGNORED, LabelSet, Span, TagScheme, join_words, label_tokens, spans_of, tags_of

LABELS = LabelSet(("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))
SCHEME = TagScheme.of(LABELS)
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "ada",
    "love",
    "##lace",
    "met",
    "mary",
    "in",
    "lon",
    "##don",
    ",",
    "北",
    "京",
]


@pytest.fixture
def tokenizer() -> BertTokenizer:
    return BertTokenizer({piece: number for number, piece in enumerate(PIECES)})


def spans(text: str, *found: tuple[str, str]) -> list[Span]:
    return [Span.of(text, text.index(part), text.index(part) + len(part), label=label) for part, label in found]


def test_words_with_tags_become_stretches_of_one_text_and_tags_again():
    words, tags = ["Ada", "Lovelace", "met", "Mary", "."], ["B-PER", "I-PER", "O", "B-PER", "O"]
    joined = join_words(words)
    assert joined.text == "Ada Lovelace met Mary ."
    found = spans_of(tags, joined.offsets, joined.text, SCHEME)
    assert [(span.text, span.label) for span in found] == [("Ada Lovelace", "PER"), ("Mary", "PER")]
    assert tags_of(found, joined.offsets, SCHEME) == tags


def test_chinese_is_labelled_by_characters():
    joined = join_words(list("我在北京见李华"), separator="")
    tags = ["O", "O", "B-LOC", "I-LOC", "O", "B-PER", "I-PER"]
    found = spans_of(tags, joined.offsets, joined.text, SCHEME)
    assert [(span.text, span.start, span.end) for span in found] == [("北京", 2, 4), ("李华", 5, 7)]
    assert tags_of(found, joined.offsets, SCHEME) == tags


def test_tokens_get_the_tags_of_the_stretches_they_touch(tokenizer: BertTokenizer):
    text = "Ada Lovelace met Mary in London"
    (encoding,) = tokenizer.encode_batch([text])
    wanted = spans(text, ("Ada Lovelace", "PER"), ("Mary", "PER"), ("London", "LOC"))
    assert encoding.tokens == ("[CLS]", "ada", "love", "##lace", "met", "mary", "in", "lon", "##don", "[SEP]")
    numbers = label_tokens(encoding, wanted, LABELS)
    assert numbers == [IGNORED, 1, 2, 2, 0, 1, 0, 3, 4, IGNORED]
    assert label_tokens(encoding, wanted, LABELS, continuing="ignore") == [
        IGNORED, 1, 2, IGNORED, 0, 1, 0, 3, IGNORED, IGNORED,
    ]  # fmt: skip
    tags = [LABELS.names[max(number, 0)] for number in numbers]
    back = spans_of(tags, encoding.offsets, text, SCHEME)
    assert [(span.start, span.end, span.label) for span in back] == [(s.start, s.end, s.label) for s in wanted]


def test_the_second_text_of_a_pair_may_be_labelled(tokenizer: BertTokenizer):
    (encoding,) = tokenizer.encode_batch(["in London"], ["mary met Ada"])
    numbers = label_tokens(encoding, spans("mary met Ada", ("Ada", "PER")), LABELS, sequence=1)
    assert [number for number in numbers if number != IGNORED] == [0, 0, 1]
    assert numbers[:5] == [IGNORED] * 5


def test_a_stretch_that_was_cut_off_leaves_no_label(tokenizer: BertTokenizer):
    text = "Ada met Mary"
    (encoding,) = tokenizer.encode_batch([text], max_length=4)
    assert label_tokens(encoding, spans(text, ("Mary", "PER")), LABELS) == [IGNORED, 0, 0, IGNORED]


def test_a_stretch_within_a_token_claims_the_token():
    assert tags_of([Span(1, 3, "da", "PER")], [(0, 4), (5, 9)], SCHEME) == ["B-PER", "O"]


def test_blanks_at_the_ends_of_tokens_are_no_part_of_a_stretch():
    (span,) = spans_of(["O", "B-PER", "I-PER"], [(0, 3), (3, 7), (7, 9)], "met Ada  L", SCHEME)
    assert (span.start, span.end, span.text) == (4, 7, "Ada")


def test_places_without_characters_neither_carry_nor_break_a_stretch():
    (span,) = spans_of(["B-PER", "B-LOC", "I-PER"], [(0, 3), (0, 0), (4, 8)], "Ada Mary", SCHEME, [0.5, 0.1, 0.7])
    assert (span.text, span.label) == ("Ada Mary", "PER")
    assert span.score == pytest.approx(0.6)


def test_what_cannot_be_aligned_is_refused(tokenizer: BertTokenizer):
    (encoding,) = tokenizer.encode_batch(["ada"])
    with pytest.raises(InputError, match=r"the span 0:3 \('ada'\) has no label"):
        label_tokens(encoding, [Span.of("ada", 0, 3)], LABELS)
    with pytest.raises(InputError, match="continuing='first' must be 'label' or 'ignore'"):
        label_tokens(encoding, [], LABELS, continuing="first")
    with pytest.raises(LabelError, match="no label for the type 'ORG'"):
        label_tokens(encoding, [Span.of("ada", 0, 3, label="ORG")], LABELS)
    with pytest.raises(InputError, match="word 1 is empty: it has no character to label"):
        join_words(["Ada", ""])
    with pytest.raises(InputError, match="2 tags, 1 offsets: there must be one of each for every place"):
        spans_of(["O", "O"], [(0, 1)], "a", SCHEME)
    with pytest.raises(InputError, match="1 tags, 1 offsets and 2 scores"):
        spans_of(["O"], [(0, 1)], "a", SCHEME, [0.1, 0.2])
