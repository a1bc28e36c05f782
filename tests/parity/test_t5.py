"""T5 and mT5 compute what ``transformers``' do, and their folders go both ways."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from checkers import assert_same_outputs
from family_parity import PairParity
from mutations import fails

SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "d_model": 32,
    "d_kv": 6,
    "d_ff": 44,
    "num_layers": 2,
    "num_heads": 4,
    "decoder_start_token_id": 0,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 12,
}
V1_1 = SMALL | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
HEADS = (
    "Model",
    "EncoderModel",
    "ForConditionalGeneration",
    "ForSequenceClassification",
    "ForQuestionAnswering",
    "ForTokenClassification",
)


class TestT5(PairParity):
    prefix = "T5"
    exact = 5e-5  # theirs normalises in float32 whatever the model is in, and unscaled scores make it more
    loud_words = 6.0  # nothing else tells places apart
    heads = HEADS
    no_dropout = ("dropout_rate",)
    configs: ClassVar[dict[str, dict[str, Any]]] = {
        "1.0": SMALL,
        "1.1": V1_1,
        "unequal": SMALL
        | {"num_layers": 3, "num_decoder_layers": 1, "feed_forward_proj": "gated-silu", "layer_norm_epsilon": 1e-3},
    }

    def test_scaled_scores_are_found_out(self) -> None:
        pair, inputs = self.pair("Model", "1.0"), self.inputs("Model", "1.0", "right")
        for block in pair.ours.blocks:
            block.part("attention").scale = None
        fails(assert_same_outputs, pair, inputs, exact=5e-5, match="off by")

    def test_a_decoder_with_buckets_for_later_keys_is_found_out(self) -> None:
        pair, inputs = self.pair("Model", "1.0"), self.inputs("Model", "1.0", "right")
        relative = pair.ours.decoder.part("relative")
        relative.spec = replace(relative.spec, both_ways=True)
        fails(assert_same_outputs, pair, inputs, exact=5e-5, match="off by")


class TestMT5(PairParity):
    prefix = "MT5"
    masks = ("left",)
    exact = 5e-5  # as T5
    loud_words = 6.0  # nothing else tells places apart
    heads = HEADS
    no_dropout = ("dropout_rate",)
    configs: ClassVar[dict[str, dict[str, Any]]] = {
        "usual": V1_1,
        "relu": SMALL | {"feed_forward_proj": "relu", "num_decoder_layers": 1},
        "buckets": V1_1 | {"relative_attention_num_buckets": 4, "relative_attention_max_distance": 6},
    }
