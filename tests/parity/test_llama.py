"""Llama computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from family_parity import DecoderParity

SMALL = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 2, "pad_token_id": 3}


class TestLlama(DecoderParity):
    prefix = "Llama"
    left_in_float64 = False
    exact = 1e-5  # theirs normalises in float32 whatever the model is in
    heads = ("Model", "ForCausalLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
    no_dropout = ("attention_dropout", "classifier_dropout")
    configs = {
        "shared key heads": SMALL | {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32},
        "wide heads, tied": SMALL
        | {
            "num_attention_heads": 4,
            "head_dim": 12,
            "attention_bias": True,
            "mlp_bias": True,
            "tie_word_embeddings": True,
            "rms_norm_eps": 1e-3,
            "rope_theta": 500.0,
            "max_position_embeddings": 32,
        },
        "llama3": SMALL
        | {
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "hidden_act": "gelu",
            "max_position_embeddings": 64,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10_000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16,
            },
        },
        "yarn": SMALL
        | {
            "num_attention_heads": 2,
            "max_position_embeddings": 64,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 100.0,
                "factor": 4.0,
                "original_max_position_embeddings": 16,
            },
        },
    }
