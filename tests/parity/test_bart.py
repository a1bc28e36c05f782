"""BART computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from dataclasses import replace

from checkers import assert_same_outputs
from family_parity import PairParity
from mutations import fails
from pair_cases import NO_DROPOUT, SMALL, UNEQUAL


class TestBart(PairParity):
    prefix = "Bart"
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
        "unequal, untied": UNEQUAL | {"d_model": 48, "eos_token_id": 7, "tie_word_embeddings": False},
    }

    def test_positions_that_begin_at_row_0_are_found_out(self) -> None:
        pair, inputs = self.pair("Model", "usual"), self.inputs("Model", "usual", "right")
        assert_same_outputs(pair, inputs)
        for side in (pair.ours.encoder, pair.ours.decoder):
            table = side.part("positions")
            table.spec = replace(table.spec, offset=0)
        fails(assert_same_outputs, pair, inputs, match="off by")
