"""Qwen3 computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

import pytest
import torch
from checkers import assert_same_outputs
from family_parity import DecoderParity
from mutations import fails
from test_llama import SMALL


class TestQwen3(DecoderParity):
    prefix = "Qwen3"
    left_in_float64 = right_in_float64 = False
    folders_mask = "none"
    exact = 1e-5  # theirs normalises in float32 whatever the model is in
    heads = ("Model", "ForCausalLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
    no_dropout = ("attention_dropout", "classifier_dropout")
    configs = {
        "wide heads, tied": SMALL
        | {"num_key_value_heads": 2, "head_dim": 12, "tie_word_embeddings": True, "rope_theta": 1e6},
        "biases": SMALL | {"num_key_value_heads": 4, "head_dim": 8, "attention_bias": True, "rms_norm_eps": 1e-3},
        "windows": SMALL
        | {
            "num_key_value_heads": 1,
            "head_dim": 6,
            "use_sliding_window": True,
            "sliding_window": 3,
            "max_window_layers": 1,
            "hidden_act": "gelu",
        },
    }


def test_a_norm_of_heads_that_is_left_out_or_has_another_epsilon_is_found() -> None:
    pair, inputs = TestQwen3.pair("Model", "biases"), TestQwen3.inputs("Model", "biases", "right")
    assert_same_outputs(pair, inputs, exact=1e-5)
    for name in ("q_norm", "k_norm"):
        own = getattr(pair.ours.layers[1].self_attn, name)
        own.eps = 1e-6
        fails(assert_same_outputs, pair, inputs, exact=1e-5, match="off by")
        own.eps = 1e-3
        kept = own.weight.detach().clone()
        own.weight.data.fill_(1.0)
        fails(assert_same_outputs, pair, inputs, exact=1e-5, match="off by")
        own.weight.data.copy_(kept)


@pytest.mark.parametrize("training", [False, True])
def test_norms_of_heads_go_with_autocast(training: bool) -> None:
    pair, inputs = TestQwen3.pair("Model", "biases"), TestQwen3.inputs("Model", "biases", "right")
    model = pair.ours.train(training)
    expected = model(**inputs).last_hidden_state
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(**inputs).last_hidden_state
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()
    if training:
        found.sum().backward()
