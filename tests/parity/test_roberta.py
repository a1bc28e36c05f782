"""RoBERTa, XLM-RoBERTa and CamemBERT compute what ``transformers``' do, and their folders go both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from checkers import assert_same_outputs
from encoder_parity import EncoderParity
from family_parity import DecoderParity, assert_same_writing
from mutations import fails, shift
from torch import nn

import enfold
from enfold import errors
from enfold.models import pack

SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 18,  # two more than places, as 514 is
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
OTHERWISE: dict[str, Any] = {
    "vocab_size": 47,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 36,
    "max_position_embeddings": 24,
    "type_vocab_size": 2,
    "hidden_act": "relu",
    "layer_norm_eps": 1e-3,
    "pad_token_id": 5,
    "tie_word_embeddings": False,
    "classifier_dropout": 0.3,
}
PADDED_BY_ZERO: dict[str, Any] = {
    "vocab_size": 53,
    "hidden_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 5,
    "intermediate_size": 64,
    "max_position_embeddings": 18,
    "hidden_act": "gelu_new",
    "pad_token_id": 0,
    "bos_token_id": 5,
    "eos_token_id": 6,
}
CONFIGS = {"as published": SMALL, "otherwise": OTHERWISE, "padded by 0": PADDED_BY_ZERO}


TYPES = {
    "token_type_ids": lambda settings, shape, draw: torch.randint(
        0, settings.get("type_vocab_size", 2), shape, generator=draw
    )
}


class TestRoberta(EncoderParity):
    prefix = "Roberta"
    heads = (
        "Model",
        "ForMaskedLM",
        "ForCausalLM",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForMultipleChoice",
        "ForQuestionAnswering",
    )
    configs = CONFIGS
    more = TYPES
    dropouts = (*EncoderParity.dropouts, "classifier_dropout")
    no_dropout = dropouts


class TestXLMRoberta(TestRoberta):
    """The same file under another name."""

    prefix = "XLMRoberta"
    masks = ("none", "left")
    configs = {"as published": SMALL}


class TestCamembert(TestXLMRoberta):
    prefix = "Camembert"
    configs = {"as published": SMALL | {"bos_token_id": 5, "eos_token_id": 6}}


class TestRobertaDecoder(DecoderParity):
    """With ``is_decoder`` a token sees only what stands before it."""

    prefix = "Roberta"
    heads = ("ForCausalLM",)
    configs = {name: values | {"is_decoder": True} for name, values in CONFIGS.items()}
    no_dropout = TestRoberta.no_dropout

    def test_writes_what_transformers_writes(self, config: str) -> None:
        """Version 5 hands the stack places that begin at 0 when it writes, and others when it reads; without these it
        counts as it should, but for padding, so that no row has any here."""
        pair = self.pair("ForCausalLM", config)
        pair.theirs.roberta.embeddings.register_forward_pre_hook(
            lambda _, given, named: (given, named | {"position_ids": None}), with_kwargs=True
        )
        inputs = self.inputs("ForCausalLM", config, "none")
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        assert_same_writing(pair, inputs, self.pad_id(self.configs[config]))


class TestXLMRobertaDecoder(TestRobertaDecoder):
    prefix = "XLMRoberta"
    configs = {"as published": SMALL | {"is_decoder": True}}


class TestCamembertDecoder(TestXLMRobertaDecoder):
    prefix = "Camembert"


@pytest.mark.parametrize("config", CONFIGS)
def test_a_stack_without_a_head_can_be_a_decoder_too(config: str) -> None:
    assert_same_outputs(TestRobertaDecoder.pair("Model", config), TestRobertaDecoder.inputs("Model", config, "right"))


# ---- places, counted by tokens --------------------------------------------------------------------------------------

POSITIONS = "roberta.embeddings.position_embeddings"


def _places(model: nn.Module, **inputs: Any) -> list[int]:
    seen: list[list[int]] = []
    hook = model.get_submodule(POSITIONS).register_forward_pre_hook(lambda _, given: seen.append(given[0].tolist()))
    model(**inputs)
    hook.remove()
    return seen[0]


def test_places_begin_behind_the_padding_id_and_padding_has_none() -> None:
    ours = TestRoberta.pair("ForTokenClassification", "as published").ours
    rows = torch.tensor([[7, 8, 9, 1], [7, 1, 8, 9]])
    assert _places(ours, input_ids=rows) == [2, 3, 4, 1, 2, 1, 3, 4]
    real = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 0]])
    assert _places(ours, input_ids=rows, attention_mask=real) == [3, 4, 1, 2, 1, 3]  # counted before packing
    packed = pack([[7, 8, 9, 1], [7, 1, 8, 9]])
    assert _places(ours, input_ids=packed.input_ids, layout=packed.layout) == [2, 3, 4, 1, 2, 1, 3, 4]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("mask", ["none", "right", "holes"])
def test_padding_ids_inside_of_a_text(config: str, mask: str) -> None:
    inputs = TestRoberta.inputs("ForTokenClassification", config, mask)
    inputs["input_ids"][:, 2:4] = TestRoberta.pad_id(CONFIGS[config])
    assert_same_outputs(TestRoberta.pair("ForTokenClassification", config), inputs)


def test_a_text_that_is_too_long_is_told_how_many_tokens_fit() -> None:
    ours = TestRoberta.pair("ForTokenClassification", "as published").ours
    assert ours.context_length == 16
    ours(input_ids=torch.full((1, 16), 7))
    with pytest.raises(errors.InputError, match="example 0 reaches position 18, .* truncate to 16 tokens"):
        ours(input_ids=torch.full((1, 17), 7))


def test_without_a_padding_id_there_are_no_places() -> None:
    with pytest.raises(errors.InputError, match="counts places by the tokens that are not padding: set pad_token_id"):
        enfold.RobertaModel(enfold.RobertaConfig(**SMALL, pad_token_id=None))


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Roberta", "XLMRoberta", "Camembert"])
def test_cross_attention_and_positions_of_other_kinds_are_refused_by_name(kind: str) -> None:
    config = getattr(enfold, f"{kind}Config")
    with pytest.raises(errors.InputError, match="add_cross_attention=True is not supported for model type"):
        config(add_cross_attention=True)
    with pytest.raises(errors.InputError, match="position_embedding_type='relative_key' is not supported"):
        config(position_embedding_type="relative_key")


def test_a_config_of_a_kindred_type_is_refused() -> None:
    with pytest.raises(errors.InputError, match="BertModel takes a BertConfig, not RobertaConfig"):
        enfold.BertModel(enfold.RobertaConfig(**SMALL))
    with pytest.raises(errors.InputError, match="RobertaModel takes a RobertaConfig, not CamembertConfig"):
        enfold.RobertaModel(enfold.CamembertConfig(**SMALL))


def test_a_checkpoint_of_another_family_is_refused(tmp_path: Path) -> None:
    enfold.BertForMaskedLM(enfold.BertConfig(**SMALL)).save_pretrained(tmp_path)
    with pytest.raises(errors.CheckpointError, match="holds a model of type 'bert', but RobertaForMaskedLM reads"):
        enfold.RobertaForMaskedLM.from_pretrained(tmp_path)


# ---- faults that are found ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["none", "right", "left"])
def test_places_that_begin_at_the_padding_id_are_found(mask: str) -> None:
    pair, inputs = (
        TestRoberta.pair("ForMaskedLM", "as published"),
        TestRoberta.inputs("ForMaskedLM", "as published", mask),
    )
    assert_same_outputs(pair, inputs)
    shift(pair.ours.get_submodule(POSITIONS), lambda places: places - 1)
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_a_wrong_activation_and_epsilon_of_the_head_are_found() -> None:
    pair, inputs = TestRoberta.pair("ForMaskedLM", "otherwise"), TestRoberta.inputs("ForMaskedLM", "otherwise", "right")
    pair.ours.activation = nn.ReLU()  # that of the blocks
    fails(assert_same_outputs, pair, inputs, match="off by")
    pair.ours.activation = nn.GELU()
    pair.ours.lm_head.layer_norm.eps = 1e-5
    fails(assert_same_outputs, pair, inputs, match="off by")
    pair.ours.lm_head.layer_norm.eps = 1e-3
    assert_same_outputs(pair, inputs)
