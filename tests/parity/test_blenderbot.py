"""Blenderbot, large and small, computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

import pytest
from checkers import assert_same_outputs
from family_parity import PairParity
from mutations import fails, shift
from pair_cases import NO_DROPOUT, SMALL, UNEQUAL

from enfold.layers.embeddings import Embed

HEADS = ("Model", "ForConditionalGeneration", "ForCausalLM")
CONFIGS = {
    "usual": SMALL,
    "scaled": SMALL | {"scale_embedding": True, "activation_function": "relu", "pad_token_id": 3},
    "unequal, untied": UNEQUAL | {"d_model": 48, "tie_word_embeddings": False},
}


class TestBlenderbot(PairParity):
    prefix = "Blenderbot"
    heads = HEADS
    configs = CONFIGS
    no_dropout = NO_DROPOUT

    def test_positions_that_begin_at_row_2_are_found_out(self) -> None:
        pair, inputs = self.pair("Model", "usual"), self.inputs("Model", "usual", "right")
        for side in (pair.ours.encoder, pair.ours.decoder):
            shift(side.part("positions"), lambda positions: positions + 2)
        fails(assert_same_outputs, pair, inputs, match="off by")


class TestBlenderbotSmall(PairParity):
    prefix = "BlenderbotSmall"
    heads = HEADS
    configs = CONFIGS
    no_dropout = NO_DROPOUT

    def test_a_decoder_that_norms_behind_the_sum_is_found_out(self) -> None:
        pair, inputs = self.pair("Model", "usual"), self.inputs("Model", "usual", "right")
        roles = frozenset(["words", "positions", "embeddings_norm", "embeddings_dropout"])
        pair.ours.decoder.embeddings = Embed(1.0, False, roles, None)
        fails(assert_same_outputs, pair, inputs, match="off by")


@pytest.mark.parametrize("family", [TestBlenderbot, TestBlenderbotSmall])
def test_nothing_is_read_where_only_the_encoder_is_given_something(family: type[PairParity]) -> None:
    from enfold.errors import InputError

    model = family.pair("ForConditionalGeneration", "usual").ours
    with pytest.raises(InputError, match="decoder_input_ids or decoder_inputs_embeds, or labels"):
        model(input_ids=family.inputs("Model", "usual", "none")["input_ids"])
