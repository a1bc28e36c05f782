"""int8 with a few texts at hand: inputs with a few large numbers are evened out, and the costliest maps stay."""

from __future__ import annotations

import pytest
import torch
from model_examples import tiny
from torch import nn

import enfold
from enfold.layers.int8 import Int8Linear, smoothing
from enfold.layers.linear import quantise_linear
from enfold.models import quantised
from enfold.models.calibration import Calibration, calibrate
from enfold.models.quantised import quantise_model

TEXTS = [[5, 6, 7, 8, 9, 10, 11, 12], [20, 21, 22], [30, 31, 32, 33, 34]]


def writer(loud: float = 60.0):
    """A decoder of which a few places of every norm are much larger than the others, as in trained ones."""
    torch.manual_seed(0)
    keys = {"vocab_size": 60, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    model = enfold.LlamaForCausalLM(enfold.LlamaConfig(**keys, num_attention_heads=4, num_key_value_heads=2)).eval()
    with torch.no_grad():
        for name, own in model.named_parameters():
            own.copy_(torch.randn_like(own) * 0.3 if own.dim() > 1 else torch.ones_like(own))
            if own.dim() == 1 and "norm" in name:
                own[::21] = loud
    return model


def divergence(model, other) -> float:
    ids = torch.tensor([TEXTS[0]])
    with torch.inference_mode():
        first, second = (one(ids).logits.log_softmax(-1) for one in (model, other))
    return float((first.exp() * (first - second)).sum(-1).mean())


def test_smoothing_shares_the_steps_between_inputs_and_weights():
    largest = torch.tensor([100.0, 1.0])
    weight = torch.tensor([[1.0, 4.0], [-0.5, 1.0]])
    scale = smoothing(largest, [weight])
    torch.testing.assert_close(scale, torch.tensor([0.1, 2.0]))  # √(1 / 100), √(4 / 1)
    torch.testing.assert_close((largest * scale), (weight / scale).abs().amax(0))  # equally hard on both sides


def test_scaled_inputs_give_the_same_map():
    torch.manual_seed(0)
    original = nn.Linear(64, 16).requires_grad_(False)
    hidden = torch.randn(50, 64)
    hidden[:, 3] *= 200
    scale = smoothing(hidden.abs().amax(0), [original.weight])
    wanted = original(hidden)
    plain, even = (quantise_linear(original.eval(), input_scale=one)(hidden) for one in (None, scale))
    # What the other inputs say is no longer lost beside the large one.
    without = hidden[:, 3:4] * original.weight[:, 3]
    plain_error, even_error = (float((one - wanted).std() / (wanted - without).std()) for one in (plain, even))
    assert even_error < 0.1
    assert even_error < plain_error / 5


def test_outputs_move_less_with_texts_than_without():
    model = writer()
    with_texts = divergence(model, quantise_model(model, "int8", TEXTS))
    assert with_texts < divergence(model, quantise_model(model)) / 4
    assert with_texts < 0.02


def test_maps_of_one_input_share_its_scale_and_the_model_is_as_it_was():
    model = writer()
    before = {name: own.clone() for name, own in model.state_dict().items()}
    found = calibrate(model, dict(quantised._linears(model)), TEXTS)
    prefix = "model.layers.0."
    groups = {tuple(name.removeprefix(prefix) for name in names) for names in found.lost if names[0].startswith(prefix)}
    assert groups == {
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        ("self_attn.o_proj",),
        ("mlp.gate_proj", "mlp.up_proj"),
        ("mlp.down_proj",),
    }
    for names in found.lost:
        assert all(found.input_scales[name] is found.input_scales[names[0]] for name in names)
    assert all(torch.equal(own, before[name]) for name, own in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_the_costliest_maps_stay():
    found = Calibration(lost={("a",): 0.0004, ("b", "c"): 0.02, ("d",): 0.005, ("e",): 0.003, ("f",): 0.004})
    assert found.kept == {"b", "c", "d"}


def test_a_folder_says_which_maps_stayed(tmp_path):
    model = writer(loud=400.0)
    small = quantise_model(model, "int8", TEXTS)
    stayed = [name for name, _ in quantised._linears(small)]
    assert stayed, "this model should have maps that int8 costs too much"
    assert any(isinstance(module, Int8Linear) for module in small.modules())
    small.save_pretrained(tmp_path)
    again = enfold.LlamaForCausalLM.from_pretrained(tmp_path)
    assert [name for name, _ in quantised._linears(again)] == stayed
    ids = torch.tensor([TEXTS[0]])
    with torch.inference_mode():
        assert torch.equal(again(ids).logits, small(ids).logits)


@pytest.mark.parametrize("kind", ["classifier", "encoder", "pair"])
def test_models_of_every_stack(kind):
    torch.manual_seed(0)
    if kind == "pair":
        sizes = {"vocab_size": 60, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
        model = enfold.T5ForConditionalGeneration(enfold.T5Config(**sizes)).eval()
    else:
        model = tiny() if kind == "classifier" else tiny().bert
    small = quantise_model(model, "int8", TEXTS)
    maps = [module for module in small.modules() if isinstance(module, Int8Linear)]
    assert maps
    # Behind an activation that is done inside the product nothing is scaled; there the range of inputs is fixed.
    assert all(own.input_scale is not None or own.input_range is not None for own in maps)
    assert any(own.input_range is not None for own in maps)


def test_texts_are_read_with_the_models_own_tokenizer():
    from enfold.compression import quantise

    model = writer()
    with pytest.raises(enfold.EnfoldError, match="this model has no tokenizer"):
        quantise(model, texts=["a text"])
