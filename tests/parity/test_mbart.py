"""mBART computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

import pytest
import torch
from checkers import assert_same_outputs
from family_parity import PairParity
from mutations import fails
from pair_cases import NO_DROPOUT, SMALL, UNEQUAL
from transformers.models.mbart.modeling_mbart import shift_tokens_right

from enfold.models import pack
from enfold.models.shifting import behind_start_token


class TestMBart(PairParity):
    prefix = "MBart"
    heads = (
        "Model",
        "ForConditionalGeneration",
        "ForSequenceClassification",
        "ForQuestionAnswering",
        "ForCausalLM",
    )
    no_dropout = (*NO_DROPOUT, "classifier_dropout")
    configs = {
        "usual": SMALL,
        "scaled": SMALL | {"scale_embedding": True, "activation_function": "relu", "pad_token_id": 0},
        "unequal, untied": UNEQUAL | {"eos_token_id": 7, "tie_word_embeddings": False},
    }

    @pytest.mark.parametrize("side", ["encoder", "decoder"])
    def test_a_missing_last_norm_is_found_out(self, side: str) -> None:
        pair, inputs = self.pair("Model", "usual"), self.inputs("Model", "usual", "right")
        getattr(pair.ours, side).part("final_norm").eps = 1e-3
        fails(assert_same_outputs, pair, inputs, match="off by")


LABELS = torch.tensor([[5, 6, 2, 30, -100, -100], [8, 9, 10, 11, 2, 31], [2, 32, -100, -100, -100, -100]])


def test_a_decoder_begins_with_the_last_token_that_is_no_padding() -> None:
    model = TestMBart.pair("ForConditionalGeneration", "usual").ours
    expected = torch.tensor([[30, 5, 6, 2, 30, 1], [31, 8, 9, 10, 11, 2], [32, 2, 32, 1, 1, 1]])
    assert torch.equal(model.prepare_decoder_input_ids_from_labels(LABELS), expected)
    assert torch.equal(shift_tokens_right(LABELS, 1), expected)
    assert not torch.equal(behind_start_token(LABELS, model.config_class(decoder_start_token_id=2)), expected)


def test_labels_and_inputs_alone_are_shifted_as_theirs_are() -> None:
    pair = TestMBart.pair("ForConditionalGeneration", "usual")
    inputs = TestMBart.inputs("ForConditionalGeneration", "usual", "none")
    alone = {"input_ids": inputs["input_ids"], "use_cache": False}
    assert_same_outputs(pair, alone | {"labels": inputs["labels"]})
    assert_same_outputs(pair, alone)


def test_packed_rows_are_shifted_each_by_itself() -> None:
    model = TestMBart.pair("ForConditionalGeneration", "usual").ours
    rows = [[token for token in row if token != -100] for row in LABELS.tolist()]
    packed = pack(rows)
    shifted = model.family.shift(packed.input_ids, model.config, packed.layout)
    assert shifted.tolist() == [30, 5, 6, 2, 31, 8, 9, 10, 11, 2, 32, 2]
