"""OPT computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from checkers import Pair, assert_same_outputs, attention_mask
from family_parity import DecoderParity
from mutations import fails, shift
from torch import nn

import enfold

SMALL = {
    "vocab_size": 61,
    "hidden_size": 32,
    "ffn_dim": 44,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
}
# OPT-350m: narrow word vectors, norms after each part, none at the end.
MEDIUM = SMALL | {"word_embed_proj_dim": 20, "do_layer_norm_before": False}


class TestOPT(DecoderParity):
    prefix = "OPT"
    left_in_float64 = False
    exact = 1e-5  # theirs takes the softmax in float32 whatever the model is in
    heads = ("Model", "ForCausalLM", "ForSequenceClassification", "ForQuestionAnswering")
    no_dropout = ("dropout", "attention_dropout", "layerdrop")
    configs = {
        "usual": SMALL,
        "350m": MEDIUM,
        "no biases, no weights in norms": SMALL
        | {
            "enable_bias": False,
            "layer_norm_elementwise_affine": False,
            "activation_function": "gelu",
            "tie_word_embeddings": False,
            "pad_token_id": 0,
        },
        "without the last norm": SMALL
        | {"_remove_final_layer_norm": True, "word_embed_proj_dim": 40, "num_attention_heads": 2, "layerdrop": 0.1},
    }


def case(head: str, config: str, mask: str) -> tuple[Pair, dict[str, Any]]:
    return TestOPT.pair(head, config), TestOPT.inputs(head, config, mask)


@pytest.mark.parametrize("head", ["Model", "ForCausalLM"])
def test_places_are_counted_from_the_mask_not_from_the_index(head: str) -> None:
    pair, inputs = case(head, "usual", "none")
    inputs.pop("labels", None)
    inputs["attention_mask"] = attention_mask("holes")
    inputs["attention_mask"][:, 0] = 1  # a place that may look nowhere is not a number in theirs
    assert_same_outputs(pair, inputs, exact=None)
    index = torch.arange(9).expand(4, 9)[inputs["attention_mask"].bool()]
    stack = pair.ours if head == "Model" else pair.ours.model
    shift(stack.decoder.embed_positions, lambda _: index)
    fails(assert_same_outputs, pair, inputs, exact=None, match="off by")


def test_given_places_are_used() -> None:
    pair, inputs = case("Model", "usual", "none")
    inputs["position_ids"] = torch.randint(0, 16, (4, 9), generator=torch.Generator().manual_seed(9))
    assert_same_outputs(pair, inputs, exact=1e-5)


def test_labels_at_masked_places_count_as_in_transformers() -> None:
    """The states of padding are computed then, with the place before the first."""
    pair, inputs = case("ForCausalLM", "usual", "right")
    inputs["labels"] = torch.randint(0, 61, (4, 9), generator=torch.Generator().manual_seed(8))
    real = inputs["attention_mask"][:, :-1] != 0
    inputs["labels"][:, 1:][~real] = -100  # a label counts where the place before it is real
    assert_same_outputs(pair, inputs, exact=1e-5)
    spans, inputs = case("ForQuestionAnswering", "usual", "right")
    assert_same_outputs(spans, inputs, exact=1e-5)


# ---- faults that must be found --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["none", "right", "left"])
@pytest.mark.parametrize("by", [-2, -1, 1])
def test_another_offset_of_places_is_found(by: int, mask: str) -> None:
    pair, inputs = case("Model", "usual", mask)
    shift(pair.ours.decoder.embed_positions, lambda places: places + by)
    fails(assert_same_outputs, pair, inputs, exact=None, match="off by")


def test_norms_before_each_part_that_should_stand_after_it_are_found() -> None:
    pair, inputs = case("Model", "350m", "right")
    assert_same_outputs(pair, inputs, exact=1e-5)
    before = enfold.OPTModel(enfold.OPTConfig(**MEDIUM | {"do_layer_norm_before": True})).eval()
    before.load_state_dict(pair.ours.state_dict(), strict=False)
    fails(assert_same_outputs, Pair(before, pair.theirs), inputs, exact=1e-5, match="off by")


def test_a_wrong_activation_is_found() -> None:
    pair, inputs = case("Model", "usual", "right")
    for block in pair.ours.blocks:
        block.part("feed_forward").activation = nn.GELU()
    fails(assert_same_outputs, pair, inputs, exact=1e-5, match="off by")
