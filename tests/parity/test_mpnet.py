"""MPNet computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from checkers import assert_same_outputs
from encoder_parity import EncoderParity
from mutations import fails, shift
from torch import nn

import enfold
from enfold import errors

SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 18,
}


class TestMPNet(EncoderParity):
    prefix = "MPNet"
    heads = (
        "Model",
        "ForMaskedLM",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForMultipleChoice",
        "ForQuestionAnswering",
    )
    configs = {
        "as published": SMALL | {"layer_norm_eps": 1e-5},
        # Places are counted by id 1 all the same.
        "padded by 0": SMALL | {"pad_token_id": 0, "hidden_size": 40, "num_attention_heads": 5, "hidden_act": "relu"},
        "untied": SMALL | {"tie_word_embeddings": False, "num_hidden_layers": 3, "layer_norm_eps": 1e-3},
    }
    no_dropout = EncoderParity.dropouts


HEAD = "ForTokenClassification"


def test_distances_up_to_all_beyond_128() -> None:
    pair = TestMPNet.pair(HEAD, "as published", max_position_embeddings=202)
    ids = torch.randint(2, 61, (2, 200), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids}
    assert_same_outputs(pair, inputs)
    bias = pair.ours.mpnet.encoder.relative_attention_bias
    bias.spec = replace(bias.spec, max_distance=100)
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_the_bias_is_one_for_all_blocks_and_learns() -> None:
    pair, inputs = TestMPNet.pair(HEAD, "untied"), TestMPNet.inputs(HEAD, "untied", "left")
    assert sum("relative_attention_bias" in name for name in pair.ours.state_dict()) == 1
    assert_same_outputs(pair, inputs)
    pair.ours.mpnet.encoder.relative_attention_bias.weight.data[1] += 0.1
    fails(assert_same_outputs, pair, inputs, match="off by")


@pytest.mark.parametrize("mask", ["none", "left", "holes"])
def test_wrong_places_are_found(mask: str) -> None:
    pair, inputs = TestMPNet.pair(HEAD, "as published"), TestMPNet.inputs(HEAD, "as published", mask)
    shift(pair.ours.mpnet.embeddings.position_embeddings, lambda places: places - 1)
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_a_wrong_activation_of_the_head_is_found() -> None:
    pair, inputs = TestMPNet.pair("ForMaskedLM", "padded by 0"), TestMPNet.inputs("ForMaskedLM", "padded by 0", "right")
    pair.ours.activation = nn.ReLU()  # that of the blocks
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_another_number_of_buckets_is_refused_by_name() -> None:
    with pytest.raises(errors.InputError, match=r"relative_attention_num_buckets=64 is not supported .* \(only 32\)"):
        enfold.MPNetConfig(relative_attention_num_buckets=64)


def test_token_types_are_refused_unless_all_are_0() -> None:
    ours, ids = TestMPNet.pair(HEAD, "as published").ours, torch.tensor([[5, 6, 7]])
    ours(input_ids=ids, token_type_ids=torch.zeros_like(ids))
    with pytest.raises(errors.InputError, match="this model has no token types; leave token_type_ids out"):
        ours(input_ids=ids, token_type_ids=torch.ones_like(ids))
