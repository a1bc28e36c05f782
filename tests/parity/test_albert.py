"""ALBERT computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from checkers import assert_same_outputs
from encoder_parity import EncoderParity
from mutations import fails, shift
from torch import Tensor, nn

import enfold
from enfold import errors

SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "embedding_size": 16,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 24,
}


class TestAlbert(EncoderParity):
    prefix = "Albert"
    heads = (
        "Model",
        "ForPreTraining",
        "ForMaskedLM",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForMultipleChoice",
        "ForQuestionAnswering",
    )
    configs = {
        "one group": SMALL,
        "groups and inner groups": SMALL
        | {
            "hidden_size": 40,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_hidden_groups": 2,
            "inner_group_num": 2,
            "pad_token_id": 5,
        },
        "embeddings of the same width": SMALL
        | {
            "embedding_size": 32,
            "num_hidden_layers": 2,
            "hidden_act": "gelu",
            "type_vocab_size": 3,
            "layer_norm_eps": 1e-3,
            "tie_word_embeddings": False,
            "classifier_dropout_prob": 0.3,
        },
    }
    dropouts = (*EncoderParity.dropouts, "classifier_dropout_prob")
    no_dropout = dropouts
    more = {
        "token_type_ids": lambda settings, shape, draw: torch.randint(
            0, settings.get("type_vocab_size", 2), shape, generator=draw
        )
    }

    @classmethod
    def labels(cls, head: str, settings: Any, shape: Any, real: Tensor | None, generator: Any) -> dict[str, Tensor]:
        labels = super().labels(head, settings, shape, real, generator)
        if head == "ForPreTraining":
            labels["sentence_order_label"] = torch.randint(0, 2, shape[:1], generator=generator)
        return labels


HEAD = "ForTokenClassification"


@pytest.mark.parametrize(
    ("layers", "groups", "inner", "expected"),
    [
        (4, 1, 1, ["0.0"] * 4),
        (4, 2, 1, ["0.0", "0.0", "1.0", "1.0"]),
        (5, 2, 1, ["0.0", "0.0", "0.0", "1.0", "1.0"]),
        (2, 2, 2, ["0.0", "0.1", "1.0", "1.1"]),
        (3, 1, 2, ["0.0", "0.1"] * 3),
    ],
)
def test_which_block_is_run_when(layers: int, groups: int, inner: int, expected: list[str]) -> None:
    settings = {"num_hidden_layers": layers, "num_hidden_groups": groups, "inner_group_num": inner}
    pair = TestAlbert.pair(HEAD, "one group", **settings)
    names = {block: name for name, block in pair.ours.albert.encoder.albert_layer_groups.named_modules()}
    run = [names[block].replace(".albert_layers", "") for block in pair.ours.albert.blocks]
    assert run == expected
    assert_same_outputs(pair, TestAlbert.inputs(HEAD, "one group", "right"))


def test_a_block_that_is_run_again_is_held_once() -> None:
    one, many = (TestAlbert.pair(HEAD, "one group", num_hidden_layers=depth).ours for depth in (1, 6))
    assert one.num_parameters() == many.num_parameters()
    assert many.state_dict().keys() == one.state_dict().keys()


def test_the_map_into_the_blocks_is_there_for_embeddings_of_the_same_width_too() -> None:
    ours = TestAlbert.pair(HEAD, "embeddings of the same width").ours
    assert ours.albert.encoder.embedding_hidden_mapping_in.weight.shape == (32, 32)


def test_the_pooler_is_a_linear_map_itself() -> None:
    assert isinstance(TestAlbert.pair("Model", "one group").ours.pooler, nn.Linear)


def test_positions_of_other_kinds_are_refused_by_name() -> None:
    with pytest.raises(errors.InputError, match="position_embedding_type='relative_key' is not supported"):
        enfold.AlbertConfig(position_embedding_type="relative_key")


# ---- faults that are found ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [HEAD, "ForMaskedLM"])
def test_exact_gelu_in_place_of_gelu_new_is_found(head: str) -> None:
    pair, inputs = TestAlbert.pair(head, "one group"), TestAlbert.inputs(head, "one group", "right")
    assert_same_outputs(pair, inputs)
    feed_forward = pair.ours.albert.blocks[0].feed_forward
    right, feed_forward.activation = feed_forward.activation, nn.GELU()
    fails(assert_same_outputs, pair, inputs, match="off by")
    feed_forward.activation = right
    if head == "ForMaskedLM":
        pair.ours.activation = nn.GELU()
        fails(assert_same_outputs, pair, inputs, match="off by")


def test_blocks_in_another_order_are_found() -> None:
    config = "groups and inner groups"
    pair, inputs = TestAlbert.pair(HEAD, config), TestAlbert.inputs(HEAD, config, "left")
    layers = pair.ours.albert.encoder.albert_layer_groups[0].albert_layers
    layers[0], layers[1] = layers[1], layers[0]
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_wrong_places_are_found() -> None:
    pair, inputs = TestAlbert.pair(HEAD, "one group"), TestAlbert.inputs(HEAD, "one group", "left")
    shift(pair.ours.albert.embeddings.position_embeddings, lambda places: places + 1)
    fails(assert_same_outputs, pair, inputs, match="off by")
