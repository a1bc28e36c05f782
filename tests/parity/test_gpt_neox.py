"""GPT-NeoX computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from checkers import assert_same_outputs
from family_parity import DecoderParity
from mutations import fails, shift
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import enfold

SMALL = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    "pad_token_id": 3,
}


class TestGPTNeoX(DecoderParity):
    prefix = "GPTNeoX"
    left_in_float64 = False
    exact = 1e-5  # theirs takes the softmax in float32 whatever the model is in
    heads = ("Model", "ForCausalLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
    no_dropout = ("attention_dropout", "hidden_dropout", "classifier_dropout")
    configs = {
        "parallel": SMALL,
        "one after the other": SMALL
        | {
            "hidden_size": 48,
            "num_attention_heads": 3,
            "use_parallel_residual": False,
            "rotary_pct": 0.5,
            "rotary_emb_base": 300,
            "hidden_act": "gelu_new",
            "layer_norm_eps": 1e-3,
            "tie_word_embeddings": True,
        },
        "whole heads turn, no biases": SMALL
        | {
            "attention_bias": False,
            "hidden_act": "relu",
            "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 1.0},
            "num_hidden_layers": 3,
        },
        "stretched": SMALL | {"vocab_size": 59, "rotary_pct": 0.5, "rope_scaling": {"type": "linear", "factor": 2.0}},
    }


def inputs_of(config: str) -> tuple[Any, dict[str, Any]]:
    return TestGPTNeoX.pair("Model", config), TestGPTNeoX.inputs("Model", config, "right")


def test_published_files_call_the_map_to_scores_embed_out(tmp_path: Path) -> None:
    pair = TestGPTNeoX.pair("ForCausalLM", "parallel")
    assert "lm_head.weight" in pair.ours.state_dict()
    pair.ours.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as opened:
        names = set(opened.keys())
    assert "embed_out.weight" in names and "lm_head.weight" not in names
    tensors = load_file(tmp_path / "model.safetensors")
    for name in ("gpt_neox.layers.0.attention.bias", "gpt_neox.layers.1.attention.masked_bias"):
        tensors[name] = torch.ones(1)  # as the first files have them
    tensors["gpt_neox.layers.0.attention.rotary_emb.inv_freq"] = torch.ones(4)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    read = enfold.GPTNeoXForCausalLM.from_pretrained(tmp_path)
    assert read.lm_head.weight.equal(pair.theirs.lm_head.weight)
    assert not read.loading_report.unused


def test_configs_of_version_4_are_read_and_written(tmp_path: Path) -> None:
    older = {"rotary_pct": 0.5, "rotary_emb_base": 1234, "rope_scaling": {"type": "dynamic", "factor": 4.0}}
    ours = enfold.GPTNeoXConfig(**SMALL, **older)
    theirs = transformers.GPTNeoXConfig(**SMALL, **older)
    assert ours.rope_parameters == theirs.rope_parameters
    ours.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert (written["rotary_pct"], written["rotary_emb_base"]) == (0.5, 1234)
    assert written["rope_scaling"]["rope_type"] == "dynamic"
    assert enfold.GPTNeoXConfig.from_pretrained(tmp_path) == ours


# ---- faults that must be found --------------------------------------------------------------------------------------


def test_q_k_and_v_stacked_rather_than_by_head_are_found() -> None:
    pair, inputs = inputs_of("parallel")
    assert_same_outputs(pair, inputs, exact=1e-5)
    for block in pair.ours.blocks:
        weight = block.attention.query_key_value.weight
        weight.data = weight.data.view(4, 3, 8, 32).transpose(0, 1).reshape(96, 32).contiguous()
    fails(assert_same_outputs, pair, inputs, exact=1e-5, match="off by")


@pytest.mark.parametrize("width", [4, 8])
def test_another_share_of_each_head_that_turns_is_found(width: int) -> None:
    pair, inputs = inputs_of("parallel")
    settings = SMALL | {"rotary_pct": width / 8}
    wrong = enfold.GPTNeoXModel(enfold.GPTNeoXConfig(**settings)).eval()
    wrong.load_state_dict(pair.ours.state_dict())
    fails(assert_same_outputs, type(pair)(wrong, pair.theirs), inputs, exact=1e-5, match="off by")


def test_places_that_begin_at_one_change_nothing_but_those_that_stretch_do() -> None:
    """Only distances count in rotary positions."""
    pair, inputs = inputs_of("parallel")
    shift(pair.ours.part("rotary_0"), lambda places: places + 1)
    assert_same_outputs(pair, inputs, exact=1e-5)
    shift(pair.ours.part("rotary_0"), lambda places: places * 2)
    fails(assert_same_outputs, pair, inputs, exact=1e-5, match="off by")


def test_parts_one_after_the_other_that_should_be_parallel_are_found() -> None:
    pair, inputs = inputs_of("parallel")
    wrong = enfold.GPTNeoXModel(enfold.GPTNeoXConfig(**SMALL, use_parallel_residual=False)).eval()
    wrong.load_state_dict(pair.ours.state_dict())
    fails(assert_same_outputs, type(pair)(wrong, pair.theirs), inputs, exact=1e-5, match="off by")
