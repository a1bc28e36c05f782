"""The shared checkers find what they are for: each fault put into our model fails, and the model without it passes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from bert_cases import bert_inputs, bert_pair, classes, settings_of
from checkers import MASKS, Pair, assert_same_outputs, assert_same_state, randomise
from mutations import fails, shift
from self_checkers import assert_packed_is_padded, assert_same_in_training, assert_zeros_at_padding
from torch import nn

from enfold.layers.dropout import Dropout

HEAD = "ForSequenceClassification"
HEADS = (HEAD, "ForMaskedLM")


# ---- outputs and gradients ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", HEADS)
def test_a_wrong_activation(head: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "right")
    assert_same_outputs(pair, inputs)
    for block in pair.ours.bert.blocks:
        right, block.feed_forward.activation = block.feed_forward.activation, nn.GELU(approximate="tanh")
        fails(assert_same_outputs, pair, inputs, match="off by")
        block.feed_forward.activation = right
    assert_same_outputs(pair, inputs)
    if head == "ForMaskedLM":
        pair.ours.activation = nn.GELU(approximate="tanh")
        fails(assert_same_outputs, pair, inputs, match="off by")


@pytest.mark.parametrize("wrong", [1e-5, 1e-6])
@pytest.mark.parametrize("head", HEADS)
def test_a_wrong_epsilon_in_any_norm(head: str, wrong: float) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "right")
    norms = [module for module in pair.ours.modules() if isinstance(module, nn.LayerNorm)]
    assert len(norms) == 5 + (head == "ForMaskedLM")
    for norm in norms:
        norm.eps = wrong
        fails(assert_same_outputs, pair, inputs, match="off by")
        norm.eps = 1e-12
    assert_same_outputs(pair, inputs)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("head", HEADS)
def test_positions_that_begin_at_one(head: str, mask: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", mask)
    shift(pair.ours.bert.embeddings.position_embeddings, lambda positions: positions + 1)
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_positions_counted_over_real_places_only() -> None:
    pair, inputs = bert_pair(HEAD, "gelu"), bert_inputs(HEAD, "gelu", "holes")
    real = inputs["attention_mask"]
    counted = (real.cumsum(1) - 1).clamp(min=0)
    positions = counted[real.bool()]
    assert_same_outputs(pair, inputs)
    shift(pair.ours.bert.embeddings.position_embeddings, lambda _: positions)
    fails(assert_same_outputs, pair, inputs, match="off by")


@pytest.mark.parametrize("head", HEADS)
def test_a_dropped_bias_wherever_it_is(head: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "right")
    # A key's bias changes nothing that comes out; that it is there is for the state dict to say.
    biases = [name for name, _ in pair.ours.named_parameters() if name.endswith("bias") and "key" not in name]
    assert len(biases) >= 16
    for name in biases:
        bias = pair.ours.get_parameter(name)
        kept = bias.detach().clone()
        bias.data.zero_()
        fails(assert_same_outputs, pair, inputs, match="off by")
        bias.data.copy_(kept)
    assert_same_outputs(pair, inputs)


@pytest.mark.parametrize("head", HEADS)
def test_swapped_token_types(head: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "right")
    shift(pair.ours.bert.embeddings.token_type_embeddings, lambda types: 1 - types)
    fails(assert_same_outputs, pair, inputs, match="off by")


@pytest.mark.parametrize("head", HEADS)
def test_a_transposed_weight(head: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "right")
    square = [name for name, weight in pair.ours.named_parameters() if weight.shape == (32, 32)]
    assert len(square) == 2 * 4 + 1
    for name in square:
        weight = pair.ours.get_parameter(name)
        weight.data = weight.data.t().contiguous()
        fails(assert_same_outputs, pair, inputs, match="off by")
        weight.data = weight.data.t().contiguous()
    assert_same_outputs(pair, inputs)


@pytest.mark.parametrize("head", HEADS)
def test_a_missing_gradient_wherever_it_is(head: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "right")
    for name, parameter in pair.ours.named_parameters():
        parameter.requires_grad_(False)
        fails(assert_same_outputs, pair, inputs, match=f"{name} has no gradient")
        parameter.requires_grad_(True)
    assert_same_outputs(pair, inputs)


def test_a_gradient_that_theirs_has_not() -> None:
    pair, inputs = bert_pair(HEAD, "gelu"), bert_inputs(HEAD, "gelu", "right")
    pair.theirs.bert.embeddings.word_embeddings.weight.requires_grad_(False)
    fails(assert_same_outputs, pair, inputs, match="word_embeddings.weight has a gradient, theirs none")


def test_a_gradient_of_the_wrong_size_under_the_right_output() -> None:
    pair, inputs = bert_pair(HEAD, "gelu"), bert_inputs(HEAD, "gelu", "right")
    pair.ours.bert.blocks[0].register_full_backward_hook(
        lambda _, into, out: tuple(x if x is None else 1.01 * x for x in into)
    )
    fails(assert_same_outputs, pair, inputs, match="gradient of bert.embeddings")


def test_a_gradient_of_input_vectors_that_does_not_arrive() -> None:
    pair, inputs = bert_pair(HEAD, "gelu_new"), bert_inputs(HEAD, "gelu_new", "right")
    assert "inputs_embeds" in inputs
    assert_same_outputs(pair, inputs)
    forward = pair.ours.forward
    pair.ours.forward = lambda **given: forward(**given | {"inputs_embeds": given["inputs_embeds"].detach()})
    fails(assert_same_outputs, pair, inputs, match="inputs_embeds has no gradient")


def test_an_ignored_mask() -> None:
    pair, inputs = bert_pair(HEAD, "gelu"), bert_inputs(HEAD, "gelu", "right")
    forward = pair.ours.forward
    pair.ours.forward = lambda attention_mask, **given: forward(**given)
    fails(assert_same_outputs, pair, inputs, match="off by")


@pytest.mark.parametrize(("name", "number"), [("hidden_states", 1), ("attentions", 0)])
def test_wrong_hidden_states_and_attentions(name: str, number: int) -> None:
    pair, inputs = bert_pair(HEAD, "gelu"), bert_inputs(HEAD, "gelu", "right")
    forward = pair.ours.forward

    def wrong(**given: Any) -> Any:
        output = forward(**given)
        if name not in output:
            return output
        states = list(output[name])
        states[number] = states[number] * (1 + 1e-3)
        return dataclasses.replace(output, **{name: tuple(states)})

    pair.ours.forward = wrong
    fails(assert_same_outputs, pair, inputs, match=rf"{name}\[{number}\] is off by")


def test_a_value_that_is_no_number() -> None:
    pair, inputs = bert_pair(HEAD, "gelu"), bert_inputs(HEAD, "gelu", "right")
    pair.ours.classifier.bias.data[0] = torch.nan
    fails(assert_same_outputs, pair, inputs, match="is off by nan")


def test_an_output_too_few() -> None:
    pair, inputs = bert_pair("Model", "gelu"), bert_inputs("Model", "gelu", "right")
    pair.ours.pooled = False
    fails(assert_same_outputs, pair, inputs, match="outputs")


def test_weights_too_small_to_tell_anything_are_refused() -> None:
    ours, theirs = classes(HEAD)
    settings = settings_of(HEAD, "gelu")
    pair = Pair(ours(ours.config_class(**settings)).eval(), theirs(theirs.config_class(**settings)).eval())
    pair.theirs.set_attn_implementation("eager")
    pair.ours.load_state_dict(pair.theirs.state_dict())
    fails(assert_same_outputs, pair, bert_inputs(HEAD, "gelu", "right"), match="randomise the weights, larger")


@pytest.mark.parametrize("head", HEADS)
def test_every_parameter_is_filled_with_values_of_its_own(head: str) -> None:
    theirs = classes(head)[1]
    model = theirs(theirs.config_class(**settings_of(head, "gelu")))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    randomise(model, 0)
    for name, tensor in model.state_dict().items():
        assert tensor.unique().numel() == tensor.numel(), name
        assert not bool((tensor == before[name]).any()), name
    again = theirs(theirs.config_class(**settings_of(head, "gelu")))
    randomise(again, 0)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert model.bert.embeddings.position_ids.equal(torch.arange(16)[None])


def test_another_state_dict() -> None:
    pair = bert_pair("ForMaskedLM", "gelu")
    assert_same_state(pair.ours, pair.theirs)
    key = pair.ours.bert.blocks[0].attention.self.key
    key.bias = None
    fails(assert_same_state, pair.ours, pair.theirs, match="lacks .*key.bias")
    key.bias = nn.Parameter(torch.zeros(31))
    fails(assert_same_state, pair.ours, pair.theirs, match="key.bias is")
    key.bias = nn.Parameter(torch.zeros(32))
    assert_same_state(pair.ours, pair.theirs)
    decoder = pair.ours.get_output_embeddings()
    decoder.weight = nn.Parameter(decoder.weight.detach().clone())
    fails(assert_same_state, pair.ours, pair.theirs, match="parameters: .*decoder.weight")


# ---- one model with itself ------------------------------------------------------------------------------------------


def test_something_left_at_padding() -> None:
    ours, inputs = (
        bert_pair("ForTokenClassification", "gelu").ours,
        bert_inputs("ForTokenClassification", "gelu", "left"),
    )
    assert_zeros_at_padding(ours, inputs)
    forward = ours.forward

    def wrong(**given: Any) -> Any:
        output = forward(**given)
        return dataclasses.replace(output, logits=output.logits + 1e-6)

    ours.forward = wrong
    fails(assert_zeros_at_padding, ours, inputs, match="logits is not zero at padding")


def test_packed_positions_that_run_on_over_rows() -> None:
    ours, inputs = bert_pair(HEAD, "gelu").ours, bert_inputs(HEAD, "gelu", "right")
    assert_packed_is_padded(ours, inputs)
    forward = ours.forward

    def wrong(layout: Any = None, **given: Any) -> Any:
        if layout is not None:
            layout = dataclasses.replace(layout, positions=torch.arange(len(layout.positions)) % 16)
        return forward(layout=layout, **given)

    ours.forward = wrong
    fails(assert_packed_is_padded, ours, inputs, match="off by")


def test_dropout_in_training() -> None:
    settings = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    ours, inputs = bert_pair(HEAD, "gelu", **settings).ours, bert_inputs(HEAD, "gelu", "right")
    assert_same_in_training(ours, inputs)
    dropouts = [module for module in ours.modules() if isinstance(module, Dropout)]
    assert len(dropouts) == 2 + 2 * 2
    for dropout in dropouts:
        dropout.p = 0.5
        fails(assert_same_in_training, ours, inputs, match="off by")
        dropout.p = 0.0
    ours.bert.blocks[0].part("attention").dropout = 0.5
    fails(assert_same_in_training, ours, inputs, match="off by")


def test_a_block_that_computes_something_else_the_second_time() -> None:
    settings = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    ours, inputs = bert_pair(HEAD, "gelu", **settings).ours, bert_inputs(HEAD, "gelu", "right")
    assert_same_in_training(ours, inputs, checkpointing=True)
    calls = []

    def changed(hidden: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return hidden * (1.01 if len(calls) > 2 else 1.0)  # evaluation, training, and once more in backward

    shift(ours.bert.blocks[0], changed)
    fails(assert_same_in_training, ours, inputs, checkpointing=True, match="gradient of")
    assert len(calls) == 3
