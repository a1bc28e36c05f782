"""Batches for models that write: pairs, next tokens, masked tokens, blocks of a corpus."""

from __future__ import annotations

import pytest
import torch
from writing_examples import END, PAD, VOCABULARY, Padding, some_pairs, some_texts, tiny_bart

from enfold.errors import InputError
from enfold.training import (
    DataCollatorForLanguageModeling,
    DataCollatorForSeq2Seq,
    PackingCollator,
    chunk_into_blocks,
)

PAIRS = [{"input_ids": [7, 8, 9, END], "labels": [5, END]}, {"input_ids": [6, END], "labels": [4, 5, 6, END]}]


# ---- pairs ----------------------------------------------------------------------------------------------------------


def test_both_sides_of_pairs_are_packed():
    batch = PackingCollator(pairs=True)(PAIRS)
    assert batch["input_ids"].tolist() == [7, 8, 9, END, 6, END]
    assert batch["layout"].lengths == [4, 2]
    assert batch["labels"].tolist() == [5, END, 4, 5, 6, END]
    assert batch["decoder_layout"].lengths == [2, 4]
    assert "decoder_input_ids" not in batch


def test_labels_as_long_as_the_source_are_still_a_side_of_their_own():
    batch = PackingCollator(pairs=True)([{"input_ids": [7, END], "labels": [5, END]}])
    assert batch["decoder_layout"].lengths == [2]


def test_padding_of_either_side_is_left_out():
    rows = [{"input_ids": [7, END, PAD, PAD], "attention_mask": [1, 1, 0, 0], "labels": [5, END, -100, -100]}]
    batch = PackingCollator(pairs=True)(rows)
    assert batch["input_ids"].tolist() == [7, END]
    assert batch["labels"].tolist() == [5, END]


def test_what_a_decoder_reads_may_come_with_the_rows():
    batch = PackingCollator(pairs=True)([row | {"decoder_input_ids": [2, *row["labels"][:-1]]} for row in PAIRS])
    assert batch["decoder_input_ids"].tolist() == [2, 5, 2, 4, 5, 6]


@pytest.mark.parametrize(
    "change",
    [{"attention_mask": [0, 1, 1, 1]}, {"decoder_attention_mask": [1, 1]}, {"labels": [-100, -100]}],
    ids=["left padding", "further columns", "nothing to learn"],
)
def test_pairs_that_cannot_be_packed_are_padded(change):
    row = {**PAIRS[0], **change}
    batch = PackingCollator(DataCollatorForSeq2Seq(Padding()), pairs=True)([row])
    assert batch["input_ids"].shape == (1, 4)
    assert "layout" not in batch


def test_pairs_without_labels_are_sources():
    batch = PackingCollator(pairs=True)([{"input_ids": [7, END]}])
    assert sorted(batch) == ["input_ids", "layout"]


@pytest.mark.parametrize("side", ["right", "left"])
def test_padded_pairs_have_labels_on_the_right_and_what_the_decoder_reads(side):
    batch = DataCollatorForSeq2Seq(Padding(side=side), tiny_bart(), pad_to_multiple_of=4)(PAIRS)
    assert batch["attention_mask"].sum(1).tolist() == [4, 2]
    assert batch["labels"].tolist() == [[5, END, -100, -100], [4, 5, 6, END]]
    assert batch["decoder_input_ids"].tolist() == [[2, 5, END, PAD], [2, 4, 5, 6]]


def test_padded_pairs_equal_those_of_transformers():
    import transformers

    class Tokenizer(Padding):
        deprecation_warnings = {"Asking-to-pad-a-fast-tokenizer": True}

    rows = some_pairs(6)
    ours = DataCollatorForSeq2Seq(Padding(), tiny_bart())(rows)
    theirs = transformers.DataCollatorForSeq2Seq(Tokenizer(), model=tiny_bart())([dict(row) for row in rows])
    assert sorted(ours) == sorted(theirs)
    for name, value in theirs.items():
        assert torch.equal(ours[name], torch.as_tensor(value)), name


# ---- next tokens ----------------------------------------------------------------------------------------------------


def test_texts_without_labels_are_their_own():
    batch = PackingCollator(own_labels=True)([{"input_ids": [7, 8, 9]}, {"input_ids": [5, 6]}])
    assert batch["labels"].tolist() == [7, 8, 9, 5, 6]
    masked = PackingCollator(own_labels=True)([{"input_ids": [7, 8, 1], "attention_mask": [1, 1, 0]}])
    assert masked["labels"].tolist() == [7, 8]


def test_texts_with_labels_keep_them():
    batch = PackingCollator(own_labels=True)([{"input_ids": [7, 8, 9], "labels": [-100, 8, 9]}])
    assert batch["labels"].tolist() == [-100, 8, 9]


@pytest.mark.parametrize(("labels", "given"), [([1, 2], "2 labels"), (1, "the label 1")])
def test_a_causal_model_takes_one_label_a_token(labels, given):
    with pytest.raises(InputError, match=f"row 1 of a batch has {given} for 3 tokens; a causal language model takes"):
        PackingCollator(own_labels=True)([{"input_ids": [7, 8]}, {"input_ids": [7, 8, 9], "labels": labels}])


@pytest.mark.parametrize("packing", [False, True])
def test_a_padding_token_that_is_also_the_end_is_learned_where_it_is_real(packing):
    rows = [{"input_ids": [7, 8, END]}, {"input_ids": [5, END]}]
    batch = DataCollatorForLanguageModeling(Padding(pad=END), mlm=False, packing=packing)(rows)
    labels = [7, 8, END, 5, END] if packing else [[7, 8, END], [5, END, -100]]
    assert batch["labels"].tolist() == labels
    assert ("layout" in batch) == packing


def test_labels_of_next_tokens_stand_where_the_tokens_stand():
    batch = DataCollatorForLanguageModeling(Padding(pad=END, side="left"), mlm=False)(
        [{"input_ids": [7, 8, END]}, {"input_ids": [5, END]}]
    )
    assert batch["labels"].tolist() == [[7, 8, END], [-100, 5, END]]


# ---- masked tokens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", [False, True])
def test_masking_draws_the_shares_of_the_paper(packing):
    torch.manual_seed(0)
    rows = [{"input_ids": [0, *range(4, 36), END]} for _ in range(400)]
    batch = DataCollatorForLanguageModeling(Padding(), packing=packing)(rows)
    ids, labels = batch["input_ids"].flatten(), batch["labels"].flatten()
    original = torch.tensor([one for row in rows for one in row["input_ids"]])
    asked = labels != -100
    assert torch.equal(labels[asked], original[asked])
    assert not asked[(original == 0) | (original == END)].any()
    assert torch.equal(ids[~asked], original[~asked])
    share = asked.sum() / (original >= 4).sum()
    hidden = (ids[asked] == 3).float().mean()
    kept = (ids[asked] == original[asked]).float().mean()
    # 12,800 tokens, 1,920 of them asked for: three standard deviations.
    assert share.item() == pytest.approx(0.15, abs=0.01)
    assert hidden.item() == pytest.approx(0.8 + 0.1 / VOCABULARY, abs=0.028)
    assert kept.item() == pytest.approx(0.1 + 0.1 / VOCABULARY, abs=0.021)


def test_padding_and_special_places_are_never_asked_for():
    rows = [{"input_ids": [0, 5, 6, END]}, {"input_ids": [0, 7, END]}, {"input_ids": [9], "special_tokens_mask": [1]}]
    everything = DataCollatorForLanguageModeling(Padding(pad=9), mlm_probability=1.0)
    batch = everything([row | {"special_tokens_mask": [0, *[0] * (len(row["input_ids"]) - 1)]} for row in rows[:2]])
    assert batch["labels"].tolist() == [[0, 5, 6, END], [0, 7, END, -100]]  # the rows' own marks win over the tokenizer
    batch = everything([{"input_ids": [0, 5, END]}, {"input_ids": [0, END]}])
    assert batch["labels"].tolist() == [[-100, 5, -100], [-100, -100, -100]]
    assert everything([rows[2]])["labels"].tolist() == [[-100]]


def test_a_row_that_brings_padding_is_masked_by_its_mask():
    row = {"input_ids": [5, 6, 1, 1], "attention_mask": [1, 1, 0, 0], "special_tokens_mask": [0, 0, 0, 0]}
    batch = DataCollatorForLanguageModeling(Padding(), mlm_probability=1.0)([row])
    assert batch["labels"].tolist() == [[5, 6, -100, -100]]


def test_faults_of_masking_are_said_at_once():
    tokenizer = Padding()
    tokenizer.mask_token_id = None
    with pytest.raises(InputError) as error:
        DataCollatorForLanguageModeling(
            tokenizer, mask_replace_prob=0.9, random_replace_prob=0.2, pad_to_multiple_of=8, packing=True
        )
    for part in (
        "mask_replace_prob=0.9 and random_replace_prob=0.2 are more than 1",
        "mlm=True needs a tokenizer with a mask token",
        "packing has no padding",
    ):
        assert part in str(error.value)
    with pytest.raises(InputError, match="mlm_probability=1.5 must be from 0 to 1"):
        DataCollatorForLanguageModeling(Padding(), mlm_probability=1.5)


# ---- blocks ---------------------------------------------------------------------------------------------------------


def test_a_corpus_is_cut_into_blocks_without_losing_a_token():
    blocks = chunk_into_blocks([[5, 6, 7], [8], [9, 10]], 4, end=2)
    assert [row["input_ids"] for row in blocks] == [[5, 6, 7, 2], [8, 2, 9, 10]]  # one token alone teaches nothing
    blocks = chunk_into_blocks([[5, 6, 7], [8], [9, 10]], 7, end=2)
    assert [row["input_ids"] for row in blocks] == [[5, 6, 7, 2, 8, 2, 9], [10, 2]]
    assert chunk_into_blocks([row["input_ids"] for row in some_texts(9)], 8, keep_rest=False)[-1]["input_ids"][7:]


def test_blocks_need_texts_and_a_size():
    with pytest.raises(InputError, match="there are no texts to cut into blocks"):
        chunk_into_blocks([], 4)
    with pytest.raises(InputError, match="block_size=1 is too small"):
        chunk_into_blocks([[5, 6]], 1)
