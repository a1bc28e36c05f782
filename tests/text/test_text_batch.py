"""The compatible call's result, and what is wrong with its arguments."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
import torch
from text_samples import TEXTS

from enfold.errors import InputError
from enfold.text import BatchEncoding, CharSpan, Tokenizer, TokenSpan
from enfold.values import Cut


def test_it_is_a_mapping_with_attributes(tokenizer: Tokenizer) -> None:
    batch = tokenizer(["Hello", "world"], padding=True)
    assert isinstance(batch, Mapping)
    assert list(batch) == ["input_ids", "token_type_ids", "attention_mask"]
    assert batch.input_ids is batch["input_ids"]
    assert {**batch} == dict(batch)
    assert batch[0].ids == batch["input_ids"][0]
    assert batch[:1] == {name: rows[:1] for name, rows in batch.items()}
    with pytest.raises(
        AttributeError, match=r"this batch has no 'labels'; it has: input_ids, token_type_ids, attention_mask"
    ):
        batch.labels  # noqa: B018
    batch["labels"] = [0, 1]
    assert batch.labels == [0, 1]


def test_it_survives_copying_and_pickling(tokenizer: Tokenizer) -> None:
    batch = tokenizer(["Hello", "world"], truncation=True, max_length=3)
    for other in (copy.copy(batch), copy.deepcopy(batch), pickle.loads(pickle.dumps(batch)), batch.copy()):
        assert dict(other) == dict(batch)
        assert other.cut == batch.cut
        assert other.tokens(1) == batch.tokens(1)


def test_tensors_go_to_a_device_together(tokenizer: Tokenizer) -> None:
    batch = tokenizer(["Hello", "world"], padding=True, return_tensors="pt")
    batch["note"] = "stays"
    assert batch.to("meta") is batch
    assert batch.input_ids.device.type == "meta"
    assert batch.note == "stays"
    assert batch.to(torch.device("meta")).attention_mask.dtype == torch.int64


def test_places_in_the_text(tokenizer: Tokenizer) -> None:
    batch = tokenizer("Hello world", "a test")
    assert batch.char_to_token(0) == 1
    assert batch.token_to_chars(1).start == 0
    assert isinstance(batch.token_to_chars(1), CharSpan)
    assert isinstance(batch.word_to_tokens(0), TokenSpan)
    assert batch.word_to_chars(1) == CharSpan(6, 11)
    assert batch.token_to_chars(0) is None
    assert batch.token_to_chars(0, -1) is None
    assert batch.token_to_sequence(-2) == 1
    assert batch.token_to_word(1) == batch.char_to_word(0) == 0
    assert batch.char_to_token(0, 0, sequence_index=1) == batch.sequence_ids().index(1)
    assert (batch.n_sequences, batch.is_fast) == (2, True)


def test_rows_padded_without_the_engine_know_no_text(tokenizer: Tokenizer) -> None:
    padded = tokenizer.pad({"input_ids": [[2, 3], [2]]})
    assert padded.encodings is None
    with pytest.raises(InputError, match=r"padded from plain ids: how they lie in the text is known only before that"):
        padded.word_ids()


def test_what_was_cut_is_known(tokenizer: Tokenizer) -> None:
    batch = tokenizer(["Hello", "Hello, world! This is a test."], truncation=True, max_length=8)
    assert batch.cut[0] == ()
    assert [type(cut) for cut in batch.cut[1]] == [Cut]
    windows = tokenizer(TEXTS, truncation=True, max_length=8, return_overflowing_tokens=True)
    assert len(windows.cut) == len(windows["input_ids"])
    assert not any(windows.cut)


def test_max_length_alone_cuts_as_it_always_did(tokenizer: Tokenizer) -> None:
    assert len(tokenizer(TEXTS[0], max_length=6).input_ids) == 6


def test_a_text_longer_than_the_model_reads_is_warned_of_once(tokenizer: Tokenizer) -> None:
    fresh = tokenizer.with_options(model_max_length=4)
    with pytest.warns(
        UserWarning, match=r"a text has \d+ tokens, more than the 4 this model reads: pass truncation=True"
    ):
        fresh(TEXTS[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh(TEXTS[0])
        fresh.with_options(model_max_length=4)(TEXTS[0], verbose=False)


def test_truncation_without_a_length_is_warned_of(tokenizer: Tokenizer) -> None:
    unlimited = tokenizer.with_options(model_max_length=int(1e30))
    with pytest.warns(
        UserWarning, match=r"neither max_length nor the tokenizer's model_max_length says to which length"
    ):
        whole = unlimited(TEXTS[21], truncation=True)
    assert not any(whole.cut)
    assert unlimited("short", padding="max_length").input_ids == unlimited("short").input_ids


def test_columns_and_arrays_are_batches(tokenizer: Tokenizer) -> None:
    expected = dict(tokenizer(["Hello", "world"]))
    assert dict(tokenizer(np.array(["Hello", "world"]))) == expected
    assert dict(tokenizer(pl.Series(["Hello", "world"]))) == expected
    assert dict(tokenizer(("Hello", "world"))) == expected


def test_an_empty_batch(tokenizer: Tokenizer) -> None:
    assert tokenizer([], padding=True, return_tensors="pt").input_ids.shape == (0,)
    assert tokenizer([])["input_ids"] == []


def test_names_older_scripts_use(tokenizer: Tokenizer) -> None:
    with pytest.warns(FutureWarning, match=r"pad_to_max_length=True is now padding='max_length'"):
        old = tokenizer.encode_plus(
            "Hello", max_length=12, truncation=True, pad_to_max_length=True, return_tensors="pt"
        )
    new = tokenizer("Hello", max_length=12, truncation=True, padding="max_length", return_tensors="pt")
    assert torch.equal(old.input_ids, new.input_ids)
    assert dict(tokenizer.batch_encode_plus(["a", "b"])) == dict(tokenizer(["a", "b"]))
    assert tokenizer.encode("Hello", "world") == tokenizer("Hello", "world").input_ids


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": None}, "text must be a str; it is None (NoneType)"),
        ({"text": 7}, "text must be a str; it is 7 (int)"),
        ({"text": ["fine", None]}, "text[1] must be a str; it is None (NoneType)"),
        ({"text": ["fine", float("nan")]}, "text[1] must be a str; it is nan (float)"),
        ({"text": ["fine"], "text_pair": [b"bytes"]}, "text_pair[0] must be a str; it is b'bytes' (bytes)"),
        ({"text": "fine", "text_pair": 3}, "text_pair must be a str; it is 3 (int)"),
        (
            {"text": ["a", "b"], "text_pair": ["c"]},
            "text has 2 entries but text_pair has 1: there must be one for each",
        ),
        ({"text": ["a", "b"], "text_pair": "c"}, "text is a list of 2, so text_pair must be a list too; it is a str"),
        ({"text": [("a", "b"), "c"]}, "text[1] is not a pair of texts, but others are"),
        ({"text": [["a", "b", "c"]]}, "for lists of words pass is_split_into_words=True"),
        ({"text": "a b", "is_split_into_words": True}, "text must be a list of words; it is 'a b' (str)"),
        ({"text": [["a"], ["b", 3]], "is_split_into_words": True}, "text[1][1] must be a str; it is 3 (int)"),
        ({"text": "a", "padding": "longst"}, "no padding 'longst'; there are: True, False, longest, max_length"),
        ({"text": "a", "padding": "longst"}, "did you mean 'longest'?"),
        (
            {"text": "a", "truncation": "first"},
            "no truncation 'first'; there are: longest_first, only_first, only_second",
        ),
        ({"text": "a", "truncation": True, "max_length": 1}, "max_length=1 leaves no room for text beside 2 special"),
        ({"text": "a b c d", "truncation": "only_second", "max_length": 4}, "there is no second text to cut"),
        (
            {"text": "a", "truncation": True, "truncation_side": "up"},
            "truncation_side must be 'left' or 'right'; it is 'up'",
        ),
        ({"text": "a", "padding": True, "padding_side": "up"}, "padding_side must be 'left' or 'right'; it is 'up'"),
        ({"text": "a", "padding": True, "pad_to_multiple_of": 0}, "pad_to_multiple_of must be at least 1; it is 0"),
        (
            {"text": "a", "padding": True, "truncation": True, "max_length": 9, "pad_to_multiple_of": 8},
            "max_length=9 is not a multiple of pad_to_multiple_of=8",
        ),
        (
            {"text": "a", "return_tensors": "tf"},
            "return_tensors='tf' is not there; there are: 'pt' (torch) and 'np' (NumPy)",
        ),
        (
            {"text": ["a", "a b c"], "return_tensors": "np"},
            "input_ids cannot be one tensor: its rows have 3 to 5 entries",
        ),
        ({"text": ["a", "a b c"], "return_tensors": "pt"}, "pass padding=True (and truncation=True"),
    ],
)
def test_wrong_arguments(tokenizer: Tokenizer, arguments: dict, message: str) -> None:
    with pytest.raises(InputError) as error:
        tokenizer(**arguments)
    assert message in str(error.value)


def test_an_unknown_argument_is_refused_by_name(tokenizer: Tokenizer) -> None:
    with pytest.raises(TypeError, match=r"truncate"):
        tokenizer("a", truncate=True)  # type: ignore[call-arg]


def test_padding_needs_a_token_for_it(tokenizer: Tokenizer) -> None:
    without = tokenizer.with_options(pad_token=None)
    assert without.pad_token is None
    assert without.pad_token_id is None
    with pytest.raises(InputError, match=r"this tokenizer has no padding token: tokenizer = tokenizer.with_options"):
        without(["a", "b c"], padding=True)
    with pytest.raises(InputError, match=r"this tokenizer has no padding token"):
        without.pad([{"input_ids": [1]}])


def test_collating_rows(tokenizer: Tokenizer) -> None:
    values = tokenizer.encode_batch(["Hello", "Hello, world!"])
    batch = tokenizer.pad(values, return_tensors="pt")
    assert isinstance(batch, BatchEncoding)
    assert batch.input_ids.tolist()[1] == list(values[1].ids)
    assert batch.attention_mask.sum(1).tolist() == [len(value) for value in values]
    one = tokenizer.pad({"input_ids": [2, 7, 3], "labels": 1}, padding="max_length", max_length=5)
    assert one.data == {"input_ids": [2, 7, 3, 0, 0], "labels": 1, "attention_mask": [1, 1, 1, 0, 0]}
    tensors = [
        {"input_ids": torch.tensor([2, 7]), "labels": torch.tensor(0)},
        {"input_ids": torch.tensor([2]), "labels": 1},
    ]
    collated = tokenizer.pad(tensors)
    assert collated.input_ids.tolist() == [[2, 7], [2, 0]]
    assert collated.labels.tolist() == [0, 1]
    assert isinstance(tokenizer.pad([{"input_ids": np.array([2, 7])}]).input_ids, np.ndarray)
    assert tokenizer.pad([], return_tensors="np").input_ids.shape == (0,)
    assert "attention_mask" not in tokenizer.pad([{"input_ids": [2]}], return_attention_mask=False)
    assert tokenizer.pad([{"input_ids": [2]}, {"input_ids": [2, 3]}], padding=False).input_ids == [[2], [2, 3]]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([{"text": "a"}], "row 0 has no input_ids to pad; it has: text"),
        ([{"input_ids": [1]}, {"labels": 1}], "row 1 has no input_ids to pad; it has: labels"),
        ([{"input_ids": [1]}, {"input_ids": [1], "labels": 1}], "row 1 has input_ids, labels; row 0 has input_ids"),
        ({"labels": [1]}, "there are no input_ids to pad; there are: labels"),
        ([[1, 2, 3]], "rows to pad are mappings with input_ids, or Encoding values; one is a list"),
    ],
)
def test_rows_that_cannot_be_padded(tokenizer: Tokenizer, features: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        tokenizer.pad(features)
    assert message in str(error.value)


def test_a_column_of_strings_is_no_tensor(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"note cannot be a tensor: it holds text, not numbers"):
        tokenizer.pad([{"input_ids": [1], "note": "a"}], return_tensors="pt")


@pytest.mark.parametrize("ids", [[2, 999999, 3], [2, -100, 3], np.array([2, -100]), torch.tensor([2, 400])])
def test_ids_outside_the_vocabulary(tokenizer: Tokenizer, ids: object) -> None:
    for convert in (tokenizer.decode, tokenizer.convert_ids_to_tokens):
        with pytest.raises(
            InputError, match=r"id -?\d+ at position 1 is outside the vocabulary, whose ids are 0 to 399"
        ):
            convert(ids)


def test_decoding_says_which_row_is_wrong(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"id 400 at position 0 of row 1 is outside the vocabulary"):
        tokenizer.batch_decode([[1, 2], [400]])
    with pytest.raises(InputError, match=r"position 1 is 'a', not a token id"):
        tokenizer.decode([1, "a"])
    with pytest.raises(InputError, match=r"token ids are numbers, lists of them, arrays or tensors; these are a str"):
        tokenizer.decode("text")


def test_decoding_takes_what_models_give(tokenizer: Tokenizer) -> None:
    batch = tokenizer(["Hello", "world"], return_tensors="pt", padding=True)
    expected = tokenizer.batch_decode(batch.input_ids.tolist(), skip_special_tokens=True)
    for ids in (batch.input_ids, batch.input_ids.numpy(), list(batch.input_ids), batch):
        assert tokenizer.batch_decode(ids, skip_special_tokens=True) == expected
        assert tokenizer.decode(ids, skip_special_tokens=True) == expected
    assert tokenizer.batch_decode([]) == []


def test_a_mask_for_a_row_without_special_tokens_is_the_call_s(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"call the tokenizer with return_special_tokens_mask=True"):
        tokenizer.get_special_tokens_mask([7, 8])
