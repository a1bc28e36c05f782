"""Qwen2 computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from typing import Any

import pytest
from checkers import assert_same_outputs
from family_parity import DecoderParity
from mutations import fails
from test_llama import SMALL

import enfold
from enfold.errors import InputError


class TestQwen2(DecoderParity):
    prefix = "Qwen2"
    left_in_float64 = right_in_float64 = False
    folders_mask = "none"
    exact = 1e-5  # theirs normalises in float32 whatever the model is in
    heads = ("Model", "ForCausalLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
    no_dropout = ("attention_dropout", "classifier_dropout")
    configs = {
        # Published files name a window that does not count.
        "no window, tied": SMALL | {"num_key_value_heads": 2, "sliding_window": 2, "tie_word_embeddings": True},
        "windows above": SMALL
        | {
            "num_key_value_heads": 1,
            "num_hidden_layers": 3,
            "use_sliding_window": True,
            "sliding_window": 3,
            "max_window_layers": 1,
            "rope_theta": 1e6,
        },
        "windows by name": SMALL
        | {
            "num_key_value_heads": 4,
            "use_sliding_window": True,
            "sliding_window": 2,
            "layer_types": ["sliding_attention", "full_attention"],
            "rms_norm_eps": 1e-3,
            "hidden_act": "gelu",
            "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8},
        },
    }


def test_windows_in_the_wrong_blocks_are_found() -> None:
    pair, inputs = TestQwen2.pair("Model", "windows above"), TestQwen2.inputs("Model", "windows above", "right")
    assert_same_outputs(pair, inputs, exact=None)
    for number in range(3):
        attention = pair.ours.blocks[number].part("attention")
        right, attention.window = attention.window, (2 if attention.window is None else None)
        fails(assert_same_outputs, pair, inputs, exact=None, match="off by")
        attention.window = right
    assert_same_outputs(pair, inputs, exact=None)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"layer_types": ["full_attention", "chunked_attention"]}, "layer_types has 'chunked_attention'; known are"),
        ({"layer_types": ["full_attention"]}, "layer_types names 1 blocks; num_hidden_layers is 2"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "set use_sliding_window=True and sliding_window"),
    ],
)
def test_layer_types_that_mean_nothing_are_named(own: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        enfold.Qwen2Model(enfold.Qwen2Config(**SMALL, **own))
