"""Gemma computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

import pytest
import torch
import transformers
from checkers import assert_same_outputs
from family_parity import DecoderParity
from mutations import fails
from test_llama import SMALL

import enfold
from enfold.errors import InputError


class TestGemma(DecoderParity):
    prefix = "Gemma"
    left_in_float64 = False
    exact = 3e-5  # theirs normalises and scales in float32 whatever the model is in
    heads = ("Model", "ForCausalLM", "ForSequenceClassification", "ForTokenClassification")
    no_dropout = ("attention_dropout", "classifier_dropout")
    configs = {
        "one key head": SMALL | {"num_key_value_heads": 1, "head_dim": 16, "pad_token_id": 0},
        # The first files say gelu and mean its approximation by tanh.
        "first files": SMALL
        | {
            "num_key_value_heads": 4,
            "head_dim": 8,
            "hidden_act": "gelu",
            "hidden_activation": None,
            "attention_bias": True,
        },
        "not tied": SMALL
        | {
            "hidden_size": 24,
            "num_key_value_heads": 2,
            "head_dim": 12,
            "hidden_act": "silu",
            "tie_word_embeddings": False,
            "rms_norm_eps": 1e-3,
        },
    }


def test_in_bfloat16_the_scale_of_embeddings_is_rounded_first() -> None:
    """√3072 is 55.43, and 55.5 in bfloat16."""
    settings = SMALL | {"hidden_size": 3072, "num_hidden_layers": 1, "num_key_value_heads": 4, "head_dim": 8}
    theirs = transformers.GemmaModel(transformers.GemmaConfig(**settings)).bfloat16().eval()
    ours = enfold.GemmaModel(enfold.GemmaConfig(**settings)).bfloat16().eval()
    ours.load_state_dict(theirs.state_dict())
    ids = torch.tensor([[5, 9, 60]])
    found, wanted = (model(input_ids=ids, output_hidden_states=True).hidden_states[0] for model in (ours, theirs))
    assert found.equal(wanted)
    assert not found.equal((ours.embed_tokens(ids).float() * 3072**0.5).bfloat16())


def test_in_bfloat16_norms_multiply_before_they_round() -> None:
    pair = TestGemma.pair("Model", "one key head")
    ours, theirs = pair.ours.norm.bfloat16(), pair.theirs.norm.bfloat16()
    states = torch.randn(500, 32, generator=torch.Generator().manual_seed(4)).bfloat16()
    assert (ours(states) == theirs(states)).float().mean() > 0.999
    ours.stored_less, ours.weight.data = 0.0, ours.weight.data + 1.0  # as Llama's norm would
    assert (ours(states) == theirs(states)).float().mean() < 0.9


def test_norms_that_are_not_stored_less_one_are_found() -> None:
    pair, inputs = TestGemma.pair("Model", "one key head"), TestGemma.inputs("Model", "one key head", "right")
    assert_same_outputs(pair, inputs, exact=3e-5)
    for own in (pair.ours.norm, pair.ours.layers[0].input_layernorm):
        own.stored_less = 0.0
        fails(assert_same_outputs, pair, inputs, exact=3e-5, match="off by")
        own.stored_less = 1.0


def test_embeddings_that_are_not_scaled_are_found() -> None:
    pair, inputs = TestGemma.pair("Model", "not tied"), TestGemma.inputs("Model", "not tied", "right")
    pair.ours.embed.scale = 1.0
    fails(assert_same_outputs, pair, inputs, exact=3e-5, match="off by")


def test_vectors_in_place_of_ids_are_not_scaled() -> None:
    pair = TestGemma.pair("Model", "not tied")
    vectors = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(2))
    assert_same_outputs(pair, {"inputs_embeds": vectors, "use_cache": False}, exact=3e-5)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"hidden_activation": "relu"}, "hidden_activation='relu' contradicts hidden_act='gelu_pytorch_tanh'"),
        ({"use_bidirectional_attention": True}, "use_bidirectional_attention=True is not supported"),
    ],
)
def test_what_versions_of_transformers_do_not_agree_on_is_named(own: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        enfold.GemmaConfig(**SMALL, **own)
