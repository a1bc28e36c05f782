"""M2M100 computes what ``transformers``' does, and its folders go both ways. NLLB is one."""

from __future__ import annotations

import torch
from checkers import assert_same_outputs
from family_parity import PairParity
from mutations import fails, shift
from pair_cases import NO_DROPOUT, SMALL, UNEQUAL


class TestM2M100(PairParity):
    prefix = "M2M100"
    heads = ("Model", "ForConditionalGeneration")
    no_dropout = NO_DROPOUT
    configs = {
        "usual": SMALL,
        "nllb": SMALL | {"activation_function": "relu", "max_position_embeddings": 24, "num_hidden_layers": 2},
        "unequal, unscaled": UNEQUAL | {"pad_token_id": 5, "scale_embedding": False, "tie_word_embeddings": False},
    }

    def test_padding_without_a_mask_is_counted_out(self) -> None:
        inputs = self.inputs("Model", "usual", "left") | {"attention_mask": None}
        del inputs["attention_mask"], inputs["decoder_attention_mask"]
        assert bool((inputs["input_ids"] == 1).any())
        assert_same_outputs(self.pair("Model", "usual"), inputs)

    def test_positions_that_begin_one_later_are_found_out(self) -> None:
        pair, inputs = self.pair("Model", "usual"), self.inputs("Model", "usual", "right")
        shift(pair.ours.decoder.part("positions"), lambda positions: positions + 1)
        fails(assert_same_outputs, pair, inputs, match="off by")

    def test_as_many_tokens_are_read_as_the_config_says(self) -> None:
        pair = self.pair("Model", "usual")
        ids = torch.randint(2, 61, (1, 16), generator=torch.Generator().manual_seed(3))
        assert pair.ours.context_length == 16
        assert_same_outputs(pair, {"input_ids": ids, "decoder_input_ids": ids, "use_cache": False})
