"""int4 linear maps: near the floating ones, each token by itself, and packed only in memory."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from enfold.errors import InputError
from enfold.layers import int4
from enfold.layers.int4 import GROUP, Int4Linear, of_numbers, together
from enfold.layers.linear import joined, project, quantise_linear

HAS_PRODUCT = int4.has_int4_product()


def float_map(inputs: int = 128, outputs: int = 40, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs, bias=bias).requires_grad_(False).eval()


@pytest.fixture(params=[True, False], ids=["packed product", "unpacked weights"])
def product(request, monkeypatch):
    if request.param and not HAS_PRODUCT:
        pytest.skip("this machine has no int4 product")
    monkeypatch.setattr(int4, "has_int4_product", lambda: request.param)


def weights_of(layer: Int4Linear) -> torch.Tensor:
    """By the formula, in float64."""
    q = layer.numbers().double().unflatten(1, (-1, GROUP)) - 8
    return (q * layer.weight_scale.double()[..., None] + layer.weight_middle.double()[..., None]).flatten(1)


@pytest.mark.parametrize("bias", [True, False])
def test_it_computes_the_formula(product, bias):
    layer = quantise_linear(float_map(bias=bias), "int4")
    hidden = torch.randn(9, 128).bfloat16().float()  # what its inputs are rounded to
    expected = hidden.double() @ weights_of(layer).t() + (layer.bias.double() if bias else 0)
    torch.testing.assert_close(layer(hidden).double(), expected, rtol=0.01, atol=0.01)


def test_weights_stay_within_half_a_step():
    original = float_map()
    layer = quantise_linear(original, "int4")
    grouped = original.weight.double().unflatten(1, (-1, GROUP))
    step = (grouped.amax(-1) - grouped.amin(-1)) / 15
    error = (weights_of(layer) - original.weight).abs().unflatten(1, (-1, GROUP)).amax(-1)
    assert (error <= 0.6 * step).all()  # half a step, and what scales in bfloat16 lose


def test_a_token_does_not_depend_on_its_neighbours(product):
    layer = quantise_linear(float_map(), "int4")
    hidden = torch.randn(30, 128)
    together_ = layer(hidden)
    loud = torch.cat([hidden[:3], torch.full((2, 128), 1e6)])
    torch.testing.assert_close(layer(loud)[:3], together_[:3], rtol=0, atol=1e-6)
    torch.testing.assert_close(layer(hidden[7:8]), together_[7:8], rtol=0, atol=1e-6)


def test_maps_of_one_input_are_computed_as_one(product):
    maps = [quantise_linear(float_map(outputs=n, bias=n > 8), "int4") for n in (8, 24, 33)]
    hidden = torch.randn(5, 128)
    alone = [own(hidden) for own in maps]
    for found, own in zip(project(hidden, maps), alone, strict=True):
        torch.testing.assert_close(found, own, rtol=0, atol=1e-6)
    torch.testing.assert_close(joined(maps)(hidden), torch.cat(alone, -1), rtol=0, atol=1e-6)
    torch.testing.assert_close(together(maps[:2])(hidden), torch.cat(alone[:2], -1), rtol=0, atol=1e-6)


def test_whole_numbers_of_another_file_are_taken_over_as_they_are():
    q = torch.randint(0, 16, (6, 64), dtype=torch.uint8)
    scale, middle = torch.rand(6, 2).bfloat16(), torch.randn(6, 2).bfloat16()
    layer = of_numbers(q, scale, middle, None).eval()
    assert torch.equal(layer.numbers(), q)
    assert torch.equal(layer.weight_scale, scale)


def test_copies_and_pickles_hold_plain_bytes():
    layer = quantise_linear(float_map(), "int4")
    hidden = torch.randn(4, 128)
    expected = layer(hidden)
    for own in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert own._joint is None
        assert torch.equal(own(hidden), expected)
    assert layer.double().weight_scale.dtype == torch.bfloat16
    assert sum(own.numel() * own.element_size() for own in layer.state_dict().values()) < 40 * 128 * 0.66 + 40 * 8


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="int4 needs a multiple of 32 inputs; this map has 48"):
        quantise_linear(float_map(48), "int4")
    with pytest.raises(InputError, match="int4 weights cannot be trained"):
        quantise_linear(float_map(), "int4").train()(torch.randn(2, 128))
