"""Mistral computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from checkers import assert_same_outputs, attention_mask
from family_parity import DecoderParity
from mutations import fails
from test_llama import SMALL


class TestMistral(DecoderParity):
    prefix = "Mistral"
    left_in_float64 = right_in_float64 = False
    folders_mask = "none"
    exact = 1e-5  # theirs normalises in float32 whatever the model is in
    heads = ("Model", "ForCausalLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
    no_dropout = ("attention_dropout", "classifier_dropout")
    configs = {
        "a window": SMALL | {"num_key_value_heads": 2, "sliding_window": 3},
        "no window, wide heads": SMALL
        | {"num_key_value_heads": 4, "head_dim": 12, "sliding_window": None, "rope_theta": 1e6, "rms_norm_eps": 1e-5},
        "two tokens, tied": SMALL
        | {"num_key_value_heads": 1, "sliding_window": 2, "tie_word_embeddings": True, "hidden_act": "gelu"},
    }


def test_a_window_one_token_too_wide_or_too_narrow_is_found() -> None:
    pair, inputs = TestMistral.pair("Model", "a window"), TestMistral.inputs("Model", "a window", "right")
    assert_same_outputs(pair, inputs, exact=None)
    for wrong in (1, 3, None):
        for block in pair.ours.blocks:
            block.part("attention").window = wrong
        fails(assert_same_outputs, pair, inputs, exact=None, match="off by")


def test_a_window_of_so_many_tokens_reaches_one_less_back() -> None:
    own = TestMistral.pair("Model", "a window").ours
    assert [own.spec.attention_of(number).window for number in range(2)] == [2, 2]


def test_a_window_goes_by_places_of_the_row_not_by_the_tokens_that_are_left() -> None:
    pair, inputs = TestMistral.pair("Model", "a window"), TestMistral.inputs("Model", "a window", "none")
    inputs["attention_mask"] = attention_mask("holes")
    inputs["attention_mask"][:, 0] = 1  # a place that may look nowhere is not a number in theirs
    assert_same_outputs(pair, inputs, exact=None)
