"""Packed batches: what lies where."""

from __future__ import annotations

import pytest
import torch
from torch.utils import _pytree as pytree

from enfold.errors import InputError
from enfold.layers.packing import Layout, layout_of, pack


def test_sequences_lie_one_after_another():
    packed = pack([[5, 6, 7], [8], [9, 10]], [[0, 0, 1], [0], [1, 1]])
    assert packed.input_ids.tolist() == [5, 6, 7, 8, 9, 10]
    assert packed.token_type_ids.tolist() == [0, 0, 1, 0, 1, 1]
    layout = packed.layout
    assert layout.rows == 3
    assert layout.lengths == [3, 1, 2]
    assert layout.q_offsets.tolist() == [0, 3, 4, 6]
    assert layout.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert layout.first.tolist() == [0, 3, 4]
    assert layout.last.tolist() == [2, 3, 5]
    assert layout.row_of.tolist() == [0, 0, 0, 1, 2, 2]


def test_types_are_zero_unless_given():
    assert pack([[5, 6], [7]]).token_type_ids.tolist() == [0, 0, 0]


def test_an_empty_sequence_is_refused_by_its_number():
    with pytest.raises(InputError, match=r"example 1 has no tokens; every sequence needs at least one"):
        pack([[1], [], [2]])


def test_ids_and_types_must_be_as_many():
    with pytest.raises(InputError, match=r"example 1 has 2 token ids but 1 type ids"):
        pack([[1], [2, 3]], [[0], [0]])


def test_self_attention_has_one_set_of_offsets():
    layout = layout_of(torch.tensor([2, 3]))
    assert layout.kv_offsets is layout.q_offsets
    moved = layout.to("meta")
    assert moved.kv_offsets is moved.q_offsets
    assert moved.positions.device.type == "meta"
    assert moved.q_lengths.device.type == "cpu"
    assert layout.to("cpu") is layout


def test_a_layout_is_a_pytree():
    layout = layout_of(torch.tensor([2, 3]))
    leaves, spec = pytree.tree_flatten(layout)
    assert all(isinstance(leaf, torch.Tensor) and not leaf.is_floating_point() for leaf in leaves)
    again = pytree.tree_unflatten(leaves, spec)
    assert isinstance(again, Layout)
    assert again.lengths == [2, 3]
    assert (again.causal, again.window) == (False, None)
