"""The door between padded batches and packed tokens."""

from __future__ import annotations

import pytest
import torch

from enfold.errors import InputError
from enfold.layers import door
from enfold.layers.door import enter

CPU = torch.device("cpu")


def through(mask, shape=(2, 4), **rules):
    return enter(shape, CPU, torch.float32, None if mask is None else torch.tensor(mask), **rules)


@pytest.fixture(autouse=True)
def _say_everything_again(monkeypatch):
    monkeypatch.setattr(door, "_warned", set())


def test_without_a_mask_every_token_is_real():
    entry = through(None)
    assert entry.layout.lengths == [4, 4]
    assert entry.layout.positions.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert entry.bias is None


def test_a_mask_of_ones_is_no_mask():
    assert through([[1] * 4] * 2).index is None


@pytest.mark.parametrize(
    ("mask", "index", "positions"),
    [
        ([[1, 1, 1, 1], [1, 1, 0, 0]], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 0, 1]),
        ([[0, 0, 1, 1], [0, 1, 1, 1]], [2, 3, 5, 6, 7], [2, 3, 1, 2, 3]),
        ([[1, 0, 1, 0], [1, 0, 0, 1]], [0, 2, 4, 7], [0, 2, 0, 3]),
        ([[0, 0, 0, 0], [1, 1, 0, 0]], [4, 5], [0, 1]),
    ],
    ids=["right", "left", "holed", "an empty row"],
)
def test_real_tokens_are_gathered_and_keep_their_positions(mask, index, positions):
    entry = through(mask)
    assert entry.index.tolist() == index
    assert entry.layout.positions.tolist() == positions
    assert entry.layout.lengths == [sum(row) for row in mask]
    values = torch.arange(8.0).view(2, 4)
    assert entry.inside(values).tolist() == index
    assert torch.equal(entry.outside(entry.inside(values + 1)), (values + 1) * torch.tensor(mask))


def test_boolean_and_floating_masks_say_the_same():
    for mask in ([[True, False, True, True]], [[1.0, 0.0, 1.0, 1.0]]):
        assert through(mask, (1, 4)).index.tolist() == [0, 2, 3]


def test_a_square_mask_becomes_a_bias_and_gathers_nothing():
    square = [[[1, 0, 0], [1, 1, 0], [1, 1, 1]]] * 2
    entry = through(square, (2, 3))
    assert entry.index is None
    assert entry.bias.shape == (2, 1, 3, 3)
    assert entry.bias[0, 0].tolist() == [[0, -torch.inf, -torch.inf], [0, 0, -torch.inf], [0, 0, 0]]


def test_four_dimensions_are_choices_or_scores_by_their_type():
    choices = torch.ones(2, 1, 3, 3, dtype=torch.bool)
    choices[..., 2] = False
    assert enter((2, 3), CPU, torch.float32, choices).bias[0, 0, 0].tolist() == [0, 0, -torch.inf]
    scores = torch.randn(2, 4, 1, 3)
    assert torch.equal(enter((2, 3), CPU, torch.float32, scores).bias, scores)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 5), r"attention_mask \(2, 5\) does not fit inputs of batch 2 and length 4"),
        ((3, 4), r"attention_mask \(3, 4\) does not fit"),
        ((2, 4, 5), r"with 3 dimensions it must be \(batch, seq, seq\)"),
        ((2, 1, 3, 4), r"with 4 dimensions it must be \(batch, 1 or heads, 1 or seq, seq\)"),
        ((4,), r"attention_mask must have 2, 3 or 4 dimensions; it has 1"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(shape, message):
    with pytest.raises(InputError, match=message):
        enter((2, 4), CPU, torch.float32, torch.ones(shape))


def test_a_masked_first_place_that_is_pooled_is_computed_and_said_once(caplog):
    mask = [[1, 1, 1, 1], [0, 0, 1, 1]]
    for _ in range(2):
        entry = through(mask, reads=torch.zeros(2, dtype=torch.long))
        assert entry.index is None
        assert entry.bias.shape == (2, 1, 1, 4)
    assert caplog.text.count("place 0 of example 1 is masked") == 1
    assert through(mask).index is not None


def test_a_label_at_a_masked_place_is_computed_and_said_once(caplog):
    mask = [[1, 1, 1, 1], [1, 1, 0, 0]]
    labels = torch.tensor([[0, 1, 2, 3], [0, 1, 2, -100]])
    for _ in range(2):
        assert through(mask, labels=labels).bias is not None
    assert caplog.text.count("labels other than -100 stand at masked places") == 1
    labels[1, 2] = -100
    assert through(mask, labels=labels).bias is None


def test_padding_comes_back_as_zeros_on_the_padded_path_too():
    entry = through([[1, 1, 1, 0], [0, 1, 1, 1]], reads=torch.zeros(2, dtype=torch.long))
    back = entry.outside(torch.ones(8, 2))
    assert back[0, 3].eq(0).all()
    assert back[1, 0].eq(0).all()
    assert back.sum() == 12
