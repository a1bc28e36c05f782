"""ELECTRA computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from checkers import assert_same_outputs
from encoder_parity import EncoderParity
from family_parity import DecoderParity
from mutations import fails, shift
from torch import Tensor, nn

import enfold
from enfold import errors

NARROW: dict[str, Any] = {
    "vocab_size": 61,
    "embedding_size": 16,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 24,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "narrow embeddings": NARROW,
    "embeddings of the same width": NARROW
    | {"embedding_size": 40, "hidden_size": 40, "num_attention_heads": 5, "hidden_act": "gelu_new"},
    "otherwise": NARROW
    | {
        "embedding_size": 24,
        "hidden_size": 40,
        "num_attention_heads": 5,
        "hidden_act": "relu",
        "type_vocab_size": 3,
        "pad_token_id": 5,
        "layer_norm_eps": 1e-3,
        "tie_word_embeddings": False,
        "classifier_dropout": 0.3,
        "summary_activation": "tanh",
    },
}


class TestElectra(EncoderParity):
    prefix = "Electra"
    heads = (
        "Model",
        "ForPreTraining",
        "ForMaskedLM",
        "ForCausalLM",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForMultipleChoice",
        "ForQuestionAnswering",
    )
    configs = CONFIGS
    dropouts = (*EncoderParity.dropouts, "classifier_dropout", "summary_last_dropout")
    no_dropout = dropouts
    more = {
        "token_type_ids": lambda settings, shape, draw: torch.randint(
            0, settings.get("type_vocab_size", 2), shape, generator=draw
        )
    }

    @classmethod
    def tolerance(cls, head: str) -> float:
        return 1e-6 if head == "ForPreTraining" else super().tolerance(head)  # their loss is in float32 there

    @classmethod
    def labels(cls, head: str, settings: Any, shape: Any, real: Tensor | None, generator: Any) -> dict[str, Tensor]:
        if head == "ForPreTraining":  # at masked places they do not count
            return {"labels": torch.randint(0, 2, shape, generator=generator)}
        return super().labels(head, settings, shape, real, generator)


class TestElectraDecoder(DecoderParity):
    """With ``is_decoder`` a token sees only what stands before it."""

    prefix = "Electra"
    heads = ("Model", "ForCausalLM")
    configs = {name: values | {"is_decoder": True} for name, values in CONFIGS.items()}
    no_dropout = EncoderParity.dropouts


HEAD = "ForTokenClassification"


def test_a_map_behind_the_embeddings_is_there_where_widths_differ() -> None:
    maps = {name: TestElectra.pair(HEAD, name).ours for name in CONFIGS}
    assert maps["narrow embeddings"].electra.embeddings_project.weight.shape == (32, 16)
    assert not hasattr(maps["embeddings of the same width"].electra, "embeddings_project")
    assert maps["narrow embeddings"].get_input_embeddings().embedding_dim == 16


def test_a_summary_without_an_activation() -> None:
    settings = TestElectra.settings("ForMultipleChoice", "narrow embeddings")
    ours = enfold.ElectraForMultipleChoice(enfold.ElectraConfig(**settings | {"summary_activation": None}))
    assert isinstance(ours.activation, nn.Identity)


@pytest.mark.parametrize(("key", "value"), [("summary_type", "mean"), ("summary_use_proj", False)])
def test_other_summaries_are_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(errors.InputError, match=f"{key}={value!r} is not supported for model type 'electra'"):
        enfold.ElectraConfig(**{key: value})


def test_cross_attention_is_refused_by_name() -> None:
    with pytest.raises(errors.InputError, match="add_cross_attention=True is not supported for model type 'electra'"):
        enfold.ElectraConfig(is_decoder=True, add_cross_attention=True)


@pytest.mark.parametrize("head", ["ForSequenceClassification", "ForMultipleChoice", "ForPreTraining"])
def test_tanh_in_place_of_the_heads_activation_is_found(head: str) -> None:
    pair, inputs = TestElectra.pair(head, "narrow embeddings"), TestElectra.inputs(head, "narrow embeddings", "right")
    pair.ours.activation = nn.Tanh()
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_the_generators_head_has_gelu_whatever_the_blocks_have() -> None:
    pair, inputs = TestElectra.pair("ForMaskedLM", "otherwise"), TestElectra.inputs("ForMaskedLM", "otherwise", "left")
    pair.ours.activation = nn.ReLU()
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_wrong_places_and_a_wrong_epsilon_are_found() -> None:
    pair, inputs = TestElectra.pair(HEAD, "otherwise"), TestElectra.inputs(HEAD, "otherwise", "left")
    pair.ours.electra.embeddings.LayerNorm.eps = 1e-5
    fails(assert_same_outputs, pair, inputs, match="off by")
    pair.ours.electra.embeddings.LayerNorm.eps = 1e-3
    assert_same_outputs(pair, inputs)
    shift(pair.ours.electra.embeddings.position_embeddings, lambda places: places + 1)
    fails(assert_same_outputs, pair, inputs, match="off by")
