"""BART computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from family_parity import PairParity

SMALL = {
    "vocab_size": 61,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 36,
    "max_position_embeddings": 16,
}


class TestBart(PairParity):
    prefix = "Bart"
    heads = (
        "Model",
        "ForConditionalGeneration",
        "ForSequenceClassification",
        "ForQuestionAnswering",
        "ForCausalLM",
    )
    no_dropout = ("dropout", "attention_dropout", "activation_dropout", "classifier_dropout")
    configs = {
        "usual": SMALL,
        "scaled": SMALL | {"scale_embedding": True, "activation_function": "relu", "pad_token_id": 0},
        "unequal": SMALL
        | {
            "encoder_layers": 1,
            "decoder_layers": 3,
            "activation_function": "gelu_new",
            "d_model": 48,
            "eos_token_id": 7,
        },
    }
