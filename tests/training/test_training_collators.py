"""Batches: packed wherever that is exact, padded where a script asks for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_examples import padded, some_rows, some_tagged_rows

from enfold.errors import InputError
from enfold.training import (
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PackingCollator,
    default_data_collator,
)


class PlainPadding:
    """The smallest thing with the ``pad`` of a tokenizer."""

    padding_side = "right"

    def pad(self, rows, padding=True, max_length=None, pad_to_multiple_of=None, return_tensors=None):
        longest = max(len(row["input_ids"]) for row in rows)
        if pad_to_multiple_of:
            longest = -(-longest // pad_to_multiple_of) * pad_to_multiple_of
        made = {"input_ids": [], "attention_mask": []}
        for row in rows:
            ids, missing = list(row["input_ids"]), longest - len(row["input_ids"])
            sides = ([0] * missing, ids) if self.padding_side == "left" else (ids, [0] * missing)
            made["input_ids"].append([*sides[0], *sides[1]])
            mask = ([0] * missing, [1] * len(ids)) if self.padding_side == "left" else ([1] * len(ids), [0] * missing)
            made["attention_mask"].append([*mask[0], *mask[1]])
        return {name: torch.tensor(values) for name, values in made.items()}


def test_rows_are_packed_without_padding():
    batch = PackingCollator()([{"input_ids": [2, 9, 3], "label": 1}, {"input_ids": [2, 3], "label": 0}])
    assert batch["input_ids"].tolist() == [2, 9, 3, 2, 3]
    assert batch["layout"].lengths == [3, 2]
    assert batch["labels"].tolist() == [1, 0]
    assert "attention_mask" not in batch


@pytest.mark.parametrize("hold", [list, torch.tensor, np.array], ids=["lists", "tensors", "arrays"])
def test_padding_that_rows_bring_along_is_left_out(hold):
    rows = some_rows(5)
    given = [
        {name: hold(value) if isinstance(value, list) else value for name, value in row.items()}
        for row in padded(rows, 30)
    ]
    packed, expected = PackingCollator()(given), PackingCollator()(rows)
    assert torch.equal(packed["input_ids"], expected["input_ids"])
    assert packed["layout"].lengths == expected["layout"].lengths
    assert torch.equal(packed["labels"], expected["labels"])


def test_labels_of_tokens_are_packed_with_them():
    rows = some_tagged_rows(6)
    batch = PackingCollator()(rows)
    assert batch["labels"].tolist() == [label for row in rows for label in row["labels"]]


def test_fractions_as_labels_are_one_vector_a_row_even_of_a_row_s_length():
    batch = PackingCollator()(
        [{"input_ids": [2, 3], "labels": [0.0, 1.0]}, {"input_ids": [2, 3], "labels": [1.0, 0.0]}]
    )
    assert batch["labels"].tolist() == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize("mask", [[0, 1, 1, 1], [1, 0, 1, 1]], ids=["left", "hole"])
def test_left_padding_and_holes_go_through_the_door(mask):
    rows = [{"input_ids": [2, 5, 6, 3], "attention_mask": mask, "labels": 0}] * 2
    batch = PackingCollator()(rows)
    assert batch["attention_mask"].tolist() == [mask, mask]
    assert "layout" not in batch


def test_a_label_at_padding_goes_through_the_door():
    rows = [{"input_ids": [2, 5, 3, 0], "attention_mask": [1, 1, 1, 0], "labels": [-100, 1, -100, 1]}]
    assert "layout" not in PackingCollator()(rows)


def test_several_sequences_a_row_and_further_columns_are_not_packed():
    choices = [{"input_ids": [[2, 5, 3], [2, 6, 3]], "labels": 0}]
    assert PackingCollator()(choices)["input_ids"].shape == (1, 2, 3)
    placed = [{"input_ids": [2, 5, 3], "position_ids": [4, 5, 6], "labels": 0}]
    assert PackingCollator()(placed)["position_ids"].tolist() == [[4, 5, 6]]


def test_a_label_that_is_a_name_is_refused():
    with pytest.raises(InputError, match="label 'ham' is not a number; LabelSet.encode turns names into the numbers"):
        PackingCollator()([{"input_ids": [2, 3], "label": "ham"}])


def test_padding_collators_pad_to_the_longest_and_rename_labels():
    batch = DataCollatorWithPadding(PlainPadding(), pad_to_multiple_of=4)(
        [{"input_ids": [2, 9, 3], "label": 1}, {"input_ids": [2, 4, 5, 6, 3], "label": 0}]
    )
    assert batch["input_ids"].shape == (2, 8)
    assert batch["attention_mask"].sum(1).tolist() == [3, 5]
    assert batch["labels"].tolist() == [1, 0]


@pytest.mark.parametrize("side", ["right", "left"])
def test_labels_of_tokens_are_padded_on_the_side_of_the_tokens(side):
    padding = PlainPadding()
    padding.padding_side = side
    batch = DataCollatorForTokenClassification(padding)(
        [{"input_ids": [2, 9, 3], "labels": [7, 8, 9]}, {"input_ids": [2, 3], "labels": [5, 6]}]
    )
    assert batch["labels"].tolist() == [[7, 8, 9], [5, 6, -100] if side == "right" else [-100, 5, 6]]


def test_rows_of_unlike_length_cannot_be_stacked():
    with pytest.raises(InputError, match="column 'input_ids' cannot be stacked into one tensor; rows of unlike length"):
        default_data_collator([{"input_ids": [2, 3]}, {"input_ids": [2, 4, 3]}])


def test_only_torch_tensors_are_made():
    with pytest.raises(InputError, match="return_tensors='np' is not supported; there is 'pt'"):
        DataCollatorWithPadding(PlainPadding(), return_tensors="np")
