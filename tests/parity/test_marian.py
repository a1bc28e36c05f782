"""Marian computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from checkers import Pair, assert_same_outputs
from family_parity import PairParity
from mutations import fails
from pair_cases import NO_DROPOUT, SMALL, UNEQUAL
from safetensors.torch import load_file, save_file

import enfold

PUBLISHED = {"pad_token_id": 60, "decoder_start_token_id": 60, "eos_token_id": 0}


def with_fixed_positions(pair: Pair) -> Pair:
    """Positions of a new model: ``transformers`` leaves them out of its translators' files."""
    with torch.no_grad():
        for name in ("encoder", "decoder"):
            own, other = (getattr(getattr(model, "model", model), name, None) for model in (pair.ours, pair.theirs))
            if own is not None:
                own.embed_positions.begin()
                expected = other.embed_positions.create_weight()
                torch.testing.assert_close(own.embed_positions.weight, expected, rtol=0, atol=1e-6)
                other.embed_positions.weight.copy_(own.embed_positions.weight)
    return pair


class TestMarian(PairParity):
    prefix = "Marian"
    heads = ("Model", "MTModel", "ForCausalLM")
    no_dropout = NO_DROPOUT
    loud_words = 5.0
    configs = {
        "usual": SMALL | PUBLISHED | {"activation_function": "swish", "scale_embedding": True},
        "plain": SMALL | PUBLISHED,
        "unequal, untied": UNEQUAL | PUBLISHED | {"d_model": 36, "tie_word_embeddings": False},
    }

    @classmethod
    def pair(cls, head: str, config: str, **more: Any) -> Pair:
        return with_fixed_positions(super().pair(head, config, **more))


class TestMarianOfTwoVocabularies(TestMarian):
    """``ForCausalLM`` is not among the heads: theirs cannot compute the loss of a vocabulary of another size."""

    heads = ("Model", "MTModel")
    configs = {
        "two": TestMarian.configs["usual"] | {"decoder_vocab_size": 67, "share_encoder_decoder_embeddings": False},
        "two, of one size": TestMarian.configs["plain"] | {"share_encoder_decoder_embeddings": False},
        "two, untied": TestMarian.configs["plain"]
        | {"decoder_vocab_size": 67, "share_encoder_decoder_embeddings": False, "tie_word_embeddings": False},
    }


def test_a_missing_scale_is_found_out() -> None:
    pair, inputs = TestMarian.pair("MTModel", "usual"), TestMarian.inputs("MTModel", "usual", "right")
    pair.ours.model.encoder.embeddings.scale = 1.0
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_fixed_tensors_that_a_file_lacks_come_in_the_precision_of_the_rest(tmp_path: Path) -> None:
    enfold.MarianMTModel(enfold.MarianConfig(**SMALL, **PUBLISHED)).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["final_logits_bias"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    model = enfold.MarianMTModel.from_pretrained(tmp_path, dtype="bfloat16")
    assert {name: own.dtype for name, own in model.state_dict().items() if own.dtype != torch.bfloat16} == {}
    assert not model.model.encoder.embed_positions.weight.requires_grad
