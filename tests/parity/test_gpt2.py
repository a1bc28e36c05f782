"""GPT-2 computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from checkers import assert_same_outputs
from family_parity import DecoderParity
from mutations import fails, shift
from torch import nn


class TestGPT2(DecoderParity):
    prefix = "GPT2"
    heads = (
        "Model",
        "LMHeadModel",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForQuestionAnswering",
    )
    no_dropout = ("resid_pdrop", "embd_pdrop", "attn_pdrop", "classifier_dropout")
    configs = {
        "usual": {"vocab_size": 61, "n_positions": 16, "n_embd": 32, "n_layer": 2, "n_head": 4, "pad_token_id": 3},
        "otherwise": {
            "vocab_size": 47,
            "n_positions": 12,
            "n_embd": 48,
            "n_layer": 3,
            "n_head": 3,
            "n_inner": 40,
            "activation_function": "relu",
            "layer_norm_epsilon": 1e-3,
            "scale_attn_by_inverse_layer_idx": True,
            "pad_token_id": 0,
            "tie_word_embeddings": False,
        },
        "unscaled": {
            "vocab_size": 53,
            "n_positions": 16,
            "n_embd": 40,
            "n_layer": 2,
            "n_head": 5,
            "activation_function": "gelu",
            "scale_attn_weights": False,
            "pad_token_id": 52,
        },
    }

    def test_a_fault_in_any_part_is_found(self, mask: str) -> None:
        pair, inputs = self.pair("LMHeadModel", "usual"), self.inputs("LMHeadModel", "usual", mask)
        exact = self.tolerance("LMHeadModel")
        block = pair.ours.transformer.h[0]
        attention = block.part("attention")
        right, attention.scale = attention.scale, 1.0
        fails(assert_same_outputs, pair, inputs, exact=exact, match="off by")
        attention.scale = right
        right, block.part("feed_forward").activation = block.part("feed_forward").activation, nn.GELU()
        fails(assert_same_outputs, pair, inputs, exact=exact, match="off by")
        block.part("feed_forward").activation = right
        assert_same_outputs(pair, inputs, exact=exact)
        shift(pair.ours.transformer.wpe, lambda places: places + 1)
        fails(assert_same_outputs, pair, inputs, exact=exact, match="off by")
