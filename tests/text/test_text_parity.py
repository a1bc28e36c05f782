"""Ids, offsets, words, windows, padding and decoded text equal `transformers`' BertTokenizerFast."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from text_samples import TEXTS

from enfold.errors import InputError
from enfold.text import Tokenizer

EVERYTHING = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "return_length": True}
REVERSED = TEXTS[::-1]
OF_A_ROW = ("ids", "tokens", "type_ids", "offsets", "word_ids", "sequence_ids", "special_tokens_mask", "attention_mask")


def assert_same(ours: Any, theirs: Any) -> None:
    assert dict(ours) == dict(theirs)
    for one, other in zip(ours.encodings, theirs.encodings, strict=True):
        for name in OF_A_ROW:
            assert getattr(one, name) == getattr(other, name), name


def references(folder: Path, **overrides: Any) -> tuple[Tokenizer, Any]:
    from transformers import BertTokenizerFast

    return Tokenizer.from_pretrained(folder, **overrides), BertTokenizerFast.from_pretrained(str(folder), **overrides)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("accents", [None, True, False])
@pytest.mark.parametrize("chinese", [True, False])
def test_every_way_bert_splits_text(vocabulary_folder: Path, lower: bool, accents: bool | None, chinese: bool) -> None:
    ours, theirs = references(
        vocabulary_folder, do_lower_case=lower, strip_accents=accents, tokenize_chinese_chars=chinese
    )
    assert_same(ours(TEXTS, **EVERYTHING, verbose=False), theirs(TEXTS, **EVERYTHING))


def test_minilm_texts_and_pairs(minilm_folder: Path) -> None:
    ours, theirs = references(minilm_folder)
    assert_same(ours(TEXTS, **EVERYTHING), theirs(TEXTS, **EVERYTHING))
    assert_same(ours(TEXTS, REVERSED, **EVERYTHING), theirs(TEXTS, REVERSED, **EVERYTHING))
    as_tuples = list(zip(TEXTS, REVERSED, strict=True))
    assert_same(ours(as_tuples, **EVERYTHING), theirs(as_tuples, **EVERYTHING))
    for text in TEXTS:
        assert_same(ours(text, **EVERYTHING), theirs(text, **EVERYTHING))
        assert_same(ours(text, "its pair"), theirs(text, "its pair"))
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.model_max_length == theirs.model_max_length == 512


@pytest.mark.parametrize("split", [True, False])
def test_special_tokens_written_in_a_text(minilm_folder: Path, split: bool) -> None:
    ours, theirs = references(minilm_folder)
    text = "[CLS] a [SEP] b [MASK][PAD] [sep]"
    assert_same(ours(text, split_special_tokens=split), theirs(text, split_special_tokens=split))


def test_a_text_without_special_tokens_around_it(tokenizer: Tokenizer, reference: Any) -> None:
    assert_same(
        tokenizer(TEXTS, REVERSED, add_special_tokens=False, **EVERYTHING, verbose=False),
        reference(TEXTS, REVERSED, add_special_tokens=False, **EVERYTHING),
    )


SOME = [TEXTS[index] for index in (0, 1, 2, 5, 15, 24, 26)]


@pytest.mark.parametrize("strategy", [True, "longest_first", "only_first", "only_second", False, None])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("paired", [False, True])
def test_every_way_to_cut(tokenizer: Tokenizer, reference: Any, strategy: Any, side: str, paired: bool) -> None:
    """Whatever the reference can cut, we cut alike; where it panics, we refuse."""
    reference.truncation_side = side
    compared = 0
    try:
        settings = itertools.product([4, 5, 9, 16, 33, None], [0, 1, 3], [False, True])
        for (length, stride, overflow), row in itertools.product(settings, range(len(SOME))):
            arguments = {"truncation": strategy, "max_length": length, "stride": stride, **EVERYTHING}
            arguments["return_overflowing_tokens"] = overflow
            pair = SOME[-1 - row] if paired else None
            try:
                theirs = reference(SOME[row], pair, **arguments)
            except ValueError:  # a stride that is too long is refused there even for a text that fits
                continue
            except BaseException:  # the engine panics with an exception outside Exception
                if overflow or stride == 0:
                    with pytest.raises(InputError):
                        tokenizer(SOME[row], pair, truncation_side=side, **arguments)
                continue
            assert_same(tokenizer(SOME[row], pair, truncation_side=side, verbose=False, **arguments), theirs)
            compared += 1
    finally:
        reference.truncation_side = "right"
    assert compared >= 100


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("padding", [True, "longest", "max_length", False])
@pytest.mark.parametrize("multiple", [None, 8])
def test_every_way_to_pad(tokenizer: Tokenizer, reference: Any, side: str, padding: Any, multiple: int | None) -> None:
    arguments = {"padding": padding, "padding_side": side, "pad_to_multiple_of": multiple, **EVERYTHING}
    for more in ({}, {"truncation": True, "max_length": 16}, {"truncation": True}):
        assert_same(
            tokenizer(TEXTS, REVERSED, verbose=False, **arguments, **more),
            reference(TEXTS, REVERSED, **arguments, **more),
        )


def test_words_given_by_the_caller(tokenizer: Tokenizer, reference: Any) -> None:
    words = [text.split(" ") for text in TEXTS]
    arguments = {"is_split_into_words": True, **EVERYTHING}
    assert_same(tokenizer(words, verbose=False, **arguments), reference(words, **arguments))
    assert_same(tokenizer(words[0], **arguments), reference(words[0], **arguments))
    cut = {**arguments, "truncation": True, "max_length": 9, "stride": 2, "return_overflowing_tokens": True}
    assert_same(tokenizer(words, words[::-1], **cut), reference(words, words[::-1], **cut))


@pytest.mark.parametrize("names", [{"return_token_type_ids": False}, {"return_attention_mask": False}])
def test_what_is_returned(tokenizer: Tokenizer, reference: Any, names: dict[str, bool]) -> None:
    assert dict(tokenizer(TEXTS[0], **names)) == dict(reference(TEXTS[0], **names))


@pytest.mark.parametrize("kind", ["np", "pt"])
def test_tensors(tokenizer: Tokenizer, reference: Any, kind: str) -> None:
    arguments = {"padding": True, "truncation": True, "return_tensors": kind, "return_overflowing_tokens": True}
    ours, theirs = tokenizer(TEXTS, **EVERYTHING, **arguments), reference(TEXTS, **EVERYTHING, **arguments)
    assert list(ours) == list(theirs)
    for name in ours:
        assert type(ours[name]) is type(theirs[name])
        assert ours[name].dtype == theirs[name].dtype
        assert ours[name].tolist() == theirs[name].tolist()
    one = tokenizer("one text", return_tensors=kind)
    assert one.input_ids.shape == reference("one text", return_tensors=kind).input_ids.shape


def test_decoding(minilm_folder: Path) -> None:
    ours, theirs = references(minilm_folder)
    ids = ours(TEXTS, REVERSED)["input_ids"]
    for skip, clean in itertools.product([True, False], [True, False, None]):
        arguments = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": clean}
        assert ours.batch_decode(ids, **arguments) == theirs.batch_decode(ids, **arguments)
        assert ours.decode(ids[0], **arguments) == theirs.decode(ids[0], **arguments)
    assert ours.decode(7592) == theirs.decode(7592)
    assert ours.decode([]) == theirs.decode([])


def test_tokens_and_ids(tokenizer: Tokenizer, reference: Any) -> None:
    for text in TEXTS:
        tokens = tokenizer.tokenize(text, verbose=False)
        assert tokens == reference.tokenize(text)
        assert tokenizer.convert_tokens_to_ids(tokens) == reference.convert_tokens_to_ids(tokens)
        ids = tokenizer.encode(text, verbose=False)
        assert ids == reference.encode(text)
        for skip in (True, False):
            assert tokenizer.convert_ids_to_tokens(ids, skip) == reference.convert_ids_to_tokens(ids, skip)
        assert tokenizer.convert_tokens_to_string(tokens) == reference.convert_tokens_to_string(tokens)
    assert tokenizer.convert_tokens_to_ids("no such token") == reference.convert_tokens_to_ids("no such token")


def test_special_tokens(tokenizer: Tokenizer, reference: Any) -> None:
    for name in ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"):
        assert getattr(tokenizer, name) == getattr(reference, name)
        assert getattr(tokenizer, f"{name}_id") == getattr(reference, f"{name}_id")
    for name in ("all_special_tokens", "all_special_ids", "special_tokens_map", "vocab_size", "pad_token_type_id"):
        assert getattr(tokenizer, name) == getattr(reference, name)
    assert len(tokenizer) == len(reference)
    assert tokenizer.get_added_vocab() == reference.get_added_vocab()
    assert tokenizer.num_special_tokens_to_add() == reference.num_special_tokens_to_add() == 2
    assert tokenizer.max_len_single_sentence == reference.max_len_single_sentence == 30
    assert tokenizer.max_len_sentences_pair == reference.max_len_sentences_pair == 29
    ids = tokenizer.encode("a pair", "of texts")
    assert tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True) == reference.get_special_tokens_mask(
        ids, already_has_special_tokens=True
    )


def test_characters_words_and_tokens(tokenizer: Tokenizer, reference: Any) -> None:
    ours, theirs = tokenizer(SOME, SOME[::-1], verbose=False), reference(SOME, SOME[::-1])
    for row, text in enumerate(SOME):
        assert ours.tokens(row) == theirs.tokens(row)
        for index in range(len(ours["input_ids"][row])):
            assert ours.token_to_chars(row, index) == theirs.token_to_chars(row, index)
            assert ours.token_to_word(row, index) == theirs.token_to_word(row, index)
            assert ours.token_to_sequence(row, index) == theirs.token_to_sequence(row, index)
        for index in range(len(text)):
            assert ours.char_to_token(row, index) == theirs.char_to_token(row, index)
            assert ours.char_to_word(row, index) == theirs.char_to_word(row, index)
        for index in sorted({word for word in ours.word_ids(row) if word is not None}):
            for sequence in (0, 1):
                assert ours.word_to_tokens(row, index, sequence) == theirs.word_to_tokens(row, index, sequence)
    assert ours.word_to_chars(0, 0) == theirs.word_to_chars(0, 0)


def test_padding_rows_later(tokenizer: Tokenizer, reference: Any) -> None:
    features = [{**tokenizer(text, verbose=False), "labels": number} for number, text in enumerate(SOME)]
    for arguments in (
        {},
        {"pad_to_multiple_of": 8},
        {"padding_side": "left"},
        {"padding": "max_length", "max_length": 80},
        {"return_attention_mask": True, "return_tensors": "np"},
    ):
        ours = tokenizer.pad([dict(row) for row in features], **arguments)
        theirs = reference.pad([dict(row) for row in features], **arguments)
        assert list(ours) == list(theirs)
        for name in ours:
            assert [list(map(int, row)) if hasattr(row, "__len__") else int(row) for row in ours[name]] == [
                list(map(int, row)) if hasattr(row, "__len__") else int(row) for row in theirs[name]
            ]


def test_it_opens_what_we_save(vocabulary_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, BertTokenizerFast

    ours = Tokenizer.from_pretrained(vocabulary_folder, do_lower_case=False, strip_accents=False, model_max_length=20)
    ours = ours.with_tokens(["newword", "neu"]).with_tokens("<custom>", special=True).with_options(padding_side="left")
    ours.save_pretrained(tmp_path / "saved")
    texts = [*TEXTS, "a newword and <custom> neuer Neu"]
    for cls in (BertTokenizerFast, AutoTokenizer):
        theirs = cls.from_pretrained(str(tmp_path / "saved"))
        assert_same(ours(texts, truncation=True, padding=True), theirs(texts, truncation=True, padding=True))
        assert (theirs.model_max_length, theirs.padding_side, len(theirs)) == (20, "left", len(ours))
        assert set(theirs.all_special_tokens) == set(ours.all_special_tokens)


def test_we_open_what_it_saves(vocabulary_folder: Path, tmp_path: Path) -> None:
    from transformers import BertTokenizerFast

    theirs = BertTokenizerFast.from_pretrained(
        str(vocabulary_folder), do_lower_case=False, truncation_side="left", model_max_length=24
    )
    theirs.add_tokens(["newword"])
    theirs.add_special_tokens({"additional_special_tokens": ["<custom>"]})
    theirs.save_pretrained(str(tmp_path / "saved"))
    ours = Tokenizer.from_pretrained(tmp_path / "saved")
    texts = [*TEXTS, "a newword and <custom>"]
    assert_same(ours(texts, truncation=True, padding=True), theirs(texts, truncation=True, padding=True))
    assert ours.all_special_tokens == theirs.all_special_tokens
    assert ours.all_special_ids == theirs.all_special_ids
    ours.save_pretrained(tmp_path / "again")
    config = json.loads((tmp_path / "again" / "tokenizer_config.json").read_text())
    assert config["do_lower_case"] is False
    assert Tokenizer.from_pretrained(tmp_path / "again").fingerprint == ours.fingerprint
