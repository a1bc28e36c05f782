"""int8 linear maps: right on every product there is, and each token by itself."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from enfold.errors import InputError
from enfold.layers import int8
from enfold.layers.int8 import PRODUCTS, Int8Linear, Int8Product, int8_product
from enfold.layers.linear import project, quantise_linear

WORKING = [product for product in PRODUCTS if int8._is_right(product, "cpu")]


def float_map(inputs: int = 48, outputs: int = 32, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs, bias=bias)


@pytest.fixture(params=WORKING, ids=lambda product: product.name)
def product(request, monkeypatch):
    monkeypatch.setattr(int8, "int8_product", lambda device="cpu": request.param)
    return request.param


def test_the_slow_product_is_right_everywhere():
    assert "float" in [product.name for product in WORKING]


@pytest.mark.parametrize("bias", [True, False])
def test_it_computes_the_formula(product, bias):
    layer = quantise_linear(float_map(bias=bias).eval())
    hidden = torch.randn(9, 48) * torch.logspace(-3, 3, 9)[:, None]
    scale = hidden.abs().amax(-1, keepdim=True) / 127
    integers = torch.floor(hidden / scale + 0.5).double()
    expected = integers @ layer.weight.double().t() * layer.weight_scale.double() * scale.double()
    if bias:
        expected = expected + layer.bias.double()
    torch.testing.assert_close(layer(hidden).double(), expected, rtol=1e-5, atol=1e-6)


def test_it_stays_near_the_floating_map(product):
    original = float_map(256, 64).requires_grad_(False).eval()
    hidden = torch.randn(20, 256)
    error = quantise_linear(original)(hidden) - original(hidden)
    assert float(error.std() / original(hidden).std()) < 0.02


def test_a_token_does_not_depend_on_its_neighbours(product):
    layer = quantise_linear(float_map().eval())
    hidden = torch.randn(30, 48)
    together = layer(hidden)
    loud = torch.cat([hidden[:3], torch.full((2, 48), 1e6)])
    torch.testing.assert_close(layer(loud)[:3], together[:3], rtol=0, atol=1e-6)
    torch.testing.assert_close(layer(hidden[7:8]), together[7:8], rtol=0, atol=1e-6)


def test_a_row_of_zeros_gives_the_bias(product):
    layer = quantise_linear(float_map().eval())
    torch.testing.assert_close(layer(torch.zeros(2, 48)), layer.bias.expand(2, -1), atol=1e-6, rtol=0)


def test_maps_of_one_input_share_its_bytes():
    maps = [quantise_linear(float_map(outputs=n).eval()) for n in (8, 16)]
    hidden = torch.randn(5, 48)
    for found, own in zip(project(hidden, maps), maps, strict=True):
        assert torch.equal(found, own(hidden))
    plain = [float_map(), float_map(outputs=8)]
    for found, own in zip(project(hidden, plain), plain, strict=True):
        assert torch.equal(found, own(hidden))


def test_a_product_that_saturates_is_not_used(monkeypatch):
    def multiply(quantised, prepared):
        weight, scale = prepared
        pairs = (quantised.float()[:, None] * weight.float()).unflatten(-1, (-1, 2)).sum(-1)
        return pairs.clamp(-32768, 32767).sum(-1) - 128 * weight.float().sum(-1) * scale

    saturating = Int8Product("saturating", lambda weight, scale: (weight, scale), multiply)
    assert not int8._is_right(saturating, "cpu")
    monkeypatch.setattr(int8, "PRODUCTS", (saturating, PRODUCTS[-1]))
    assert int8_product.__wrapped__("cpu").name == "float"


def test_a_missing_operation_is_not_used():
    def missing(*anything):
        raise RuntimeError("no such operation on this machine")

    assert not int8._is_right(Int8Product("missing", missing, missing), "cpu")


def test_it_is_for_inference_only():
    layer = quantise_linear(float_map()).train()
    with pytest.raises(InputError, match="int8 weights cannot be trained; train the model in floating point"):
        layer(torch.randn(2, 48))
    assert not any(parameter.requires_grad for parameter in layer.parameters())


def test_weights_must_be_finite_and_the_format_known():
    broken = float_map()
    broken.weight.data[3, 4] = torch.inf
    with pytest.raises(InputError, match="not all finite"):
        quantise_linear(broken)
    with pytest.raises(InputError, match="no weight format 'int3'; there are: int8, int4"):
        quantise_linear(float_map(), "int3")


def test_prepared_weights_stay_in_their_process():
    layer = quantise_linear(float_map().eval())
    hidden = torch.randn(3, 48)
    expected = layer(hidden)
    assert set(layer.state_dict()) == {"weight", "weight_scale", "bias"}
    assert layer.state_dict()["weight"].dtype == torch.int8
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert isinstance(other, Int8Linear)
        assert torch.equal(other(hidden), expected)
