"""Llama computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from checkers import assert_same_outputs, make_pair
from family_parity import DecoderParity
from mutations import fails, shift

import enfold
from enfold.errors import InputError
from enfold.models import pack

SMALL = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    "pad_token_id": 3,
}
YARN = {"rope_type": "yarn", "rope_theta": 100.0, "factor": 4.0, "original_max_position_embeddings": 16}
SHORT, LONG = [1.0, 1.1, 1.3, 1.7], [1.0, 2.0, 4.0, 9.0]


class TestLlama(DecoderParity):
    prefix = "Llama"
    left_in_float64 = False
    exact = 1e-5  # theirs normalises in float32 whatever the model is in
    heads = ("Model", "ForCausalLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
    no_dropout = ("attention_dropout", "classifier_dropout")
    configs = {
        "shared key heads": SMALL | {"num_key_value_heads": 2, "pretraining_tp": 2},
        "wide heads, tied": SMALL
        | {
            "head_dim": 12,
            "attention_bias": True,
            "mlp_bias": True,
            "tie_word_embeddings": True,
            "rms_norm_eps": 1e-3,
            "rope_theta": 500.0,
        },
        "llama3": SMALL
        | {
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
        "yarn": SMALL | {"num_attention_heads": 2, "max_position_embeddings": 64, "rope_parameters": YARN},
    }


# ---- rotary positions -----------------------------------------------------------------------------------------------

KINDS = {
    "linear, older": {"rope_theta": 300.0, "rope_scaling": {"type": "linear", "factor": 3.0}},
    "both spellings": {"rope_theta": 300.0, "rope_scaling": {"type": "linear", "rope_type": "linear", "factor": 3.0}},
    "dynamic, short rows": {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
    "yarn in full": {
        "rope_parameters": YARN
        | {"beta_fast": 4.0, "beta_slow": 2.0, "mscale": 0.7, "mscale_all_dim": 1.2, "truncate": False}
    },
    "yarn with its own strength": {"rope_parameters": YARN | {"attention_factor": 1.3}},
    "yarn without a first length": {"rope_scaling": {"type": "yarn", "factor": 2.0}, "rope_theta": 50.0},
    "longrope, short rows": {
        "rope_scaling": {
            "type": "longrope",
            "short_factor": SHORT,
            "long_factor": LONG,
            "factor": 4.0,
            "original_max_position_embeddings": 16,
        }
    },
    "longrope, a first length beside it": {
        "rope_scaling": {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG},
        "original_max_position_embeddings": 8,
    },
    "longrope with its own strength": {
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 10_000.0,
            "short_factor": SHORT,
            "long_factor": LONG,
            "original_max_position_embeddings": 8,
            "attention_factor": 1.4,
        }
    },
}


class TestRotaryKinds(DecoderParity):
    """Every way to longer rows, in the spellings that files have; all rows as long as each other."""

    prefix = "Llama"
    exact = 3e-5  # their angles too are in float32, and some of these make scores large
    heads = ("ForCausalLM",)
    masks = ("none",)
    folders_mask = "none"
    configs = {name: SMALL | own for name, own in KINDS.items()}
    test_padding_comes_back_as_zeros_and_packed_is_padded = None
    test_training_without_dropout_is_evaluation = None
    test_token_by_token_with_a_cache_is_all_at_once = None
    test_writes_what_transformers_writes = None


@pytest.mark.parametrize("kind", KINDS)
def test_both_spellings_are_written_and_either_alone_is_enough(kind: str, tmp_path: Path) -> None:
    """Version 4 of ``transformers`` reads ``rope_theta`` and ``rope_scaling``, version 5 ``rope_parameters``."""
    config = enfold.LlamaConfig(**SMALL, **KINDS[kind])
    config.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["rope_scaling"] | {"rope_theta": written["rope_theta"]} == written["rope_parameters"]
    for left_out in (("rope_theta", "rope_scaling"), ("rope_parameters",)):
        kept = {key: value for key, value in written.items() if key not in left_out}
        assert enfold.LlamaConfig.from_dict(kept).rope_parameters == config.rope_parameters
        assert transformers.LlamaConfig.from_dict(kept).rope_parameters == config.rope_parameters


GROWING = {
    "dynamic": {"max_position_embeddings": 6, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}},
    "longrope": {
        "rope_scaling": {
            "rope_type": "longrope",
            "short_factor": SHORT,
            "long_factor": LONG,
            "factor": 4.0,
            "original_max_position_embeddings": 6,
        }
    },
}


@pytest.mark.parametrize("kind", GROWING)
def test_angles_that_depend_on_the_length_are_those_of_each_row_alone(kind: str) -> None:
    """In ``transformers`` the longest row of a batch decides for all; here no answer depends on its neighbours."""
    settings = SMALL | GROWING[kind]
    ids = torch.randint(4, 61, (3, 12), generator=torch.Generator().manual_seed(1))
    lengths = (12, 5, 8)
    mask = (torch.arange(12) < torch.tensor(lengths)[:, None]).long()
    pair = make_pair(enfold.LlamaForCausalLM, transformers.LlamaForCausalLM, settings)
    together = pair.ours(input_ids=ids, attention_mask=mask).logits
    for row, length in enumerate(lengths):
        fresh = make_pair(
            enfold.LlamaForCausalLM, transformers.LlamaForCausalLM, settings
        )  # theirs remembers the longest row
        alone = ids[row : row + 1, :length]
        assert_same_outputs(fresh, {"input_ids": alone, "use_cache": False}, exact=3e-5)
        torch.testing.assert_close(
            together[row, :length], fresh.theirs(input_ids=alone).logits[0], rtol=1e-4, atol=1e-4
        )
    # The stretched angles are really in use: those of a short row would give something else.
    first = pair.ours(input_ids=ids[:1, :5]).logits
    assert (together[0, :5] - first[0]).abs().max() > 0.1


@pytest.mark.parametrize("kind", GROWING)
def test_a_row_that_outgrows_its_length_while_it_is_written(kind: str) -> None:
    """Keys that were cached keep the angles they had, as in ``transformers``."""
    prompt = torch.tensor([[7, 12, 31, 9]])
    pair = make_pair(enfold.LlamaForCausalLM, transformers.LlamaForCausalLM, SMALL | GROWING[kind])
    options = {"max_new_tokens": 7, "do_sample": False, "eos_token_id": None}
    found = pair.ours.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
    assert found.tolist() == pair.theirs.generate(prompt, attention_mask=torch.ones_like(prompt), **options).tolist()


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"rope_scaling": {"type": "linaer", "factor": 2.0}}, "no rope_type 'linaer'.*did you mean 'linear'"),
        ({"rope_scaling": {"type": "linear"}}, "rope_type 'linear' needs 'factor' in rope_parameters"),
        ({"rope_scaling": {"type": "longrope", "factor": 2.0}}, "rope_type 'longrope' needs 'short_factor'"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor=0.5 is not supported for model type 'llama'"),
        ({"token_classification_bias": False}, "token_classification_bias=False is not supported"),
    ],
)
def test_what_a_config_asks_for_in_vain_is_named(own: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        enfold.LlamaModel(enfold.LlamaConfig(**SMALL, **own))


# ---- which token speaks for a text ----------------------------------------------------------------------------------


def test_a_text_is_judged_by_its_last_token_that_is_not_the_padding_id() -> None:
    """Even where the text itself ends with that id, as where padding and end-of-text are one token."""
    pair = TestLlama.pair("ForSequenceClassification", "shared key heads")
    rows = [[5, 3, 9, 3], [7, 8], [3, 3, 3], [3, 6, 3]]
    padded = torch.tensor([row + [3] * (4 - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (4 - len(row)) for row in rows])
    wanted = pair.theirs(input_ids=padded, attention_mask=mask).logits
    torch.testing.assert_close(pair.ours(input_ids=padded, attention_mask=mask).logits, wanted, rtol=1e-4, atol=1e-4)
    packed = pack(rows)
    found = pair.ours(input_ids=packed.input_ids, layout=packed.layout).logits
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_without_a_padding_id_only_one_text_at_a_time_can_be_judged() -> None:
    settings = {key: value for key, value in SMALL.items() if key != "pad_token_id"}
    model = enfold.LlamaForSequenceClassification(enfold.LlamaConfig(**settings)).eval()
    assert model(input_ids=torch.tensor([[5, 9]])).logits.shape == (1, 2)
    with pytest.raises(InputError, match=r"set config\.pad_token_id"):
        model(input_ids=torch.tensor([[5, 9], [7, 8]]))


# ---- faults that must be found --------------------------------------------------------------------------------------


def test_wrong_angles_are_found() -> None:
    pair, inputs = TestLlama.pair("Model", "shared key heads"), TestLlama.inputs("Model", "shared key heads", "right")
    assert_same_outputs(pair, inputs, exact=1e-5)
    angles = pair.ours.part("rotary_0")
    shift(angles, lambda places: places * 1.01)
    fails(assert_same_outputs, pair, inputs, exact=1e-5, match="off by")


def test_a_wrong_epsilon_is_found() -> None:
    pair, inputs = TestLlama.pair("Model", "wide heads, tied"), TestLlama.inputs("Model", "wide heads, tied", "right")
    assert_same_outputs(pair, inputs, exact=1e-5)
    pair.ours.norm.eps = 1e-6
    fails(assert_same_outputs, pair, inputs, exact=1e-5, match="off by")


def test_key_heads_in_the_wrong_order_are_found() -> None:
    pair, inputs = TestLlama.pair("Model", "shared key heads"), TestLlama.inputs("Model", "shared key heads", "right")
    weight = pair.ours.layers[0].self_attn.v_proj.weight
    weight.data = weight.data.view(2, 8, 32).flip(0).reshape(16, 32).contiguous()
    fails(assert_same_outputs, pair, inputs, exact=1e-5, match="off by")


def test_a_head_that_keeps_the_stack_under_another_name_reads_the_files_of_the_others(tmp_path: Path) -> None:
    words = enfold.LlamaForCausalLM(enfold.LlamaConfig(**SMALL))
    words.save_pretrained(tmp_path)
    answers = enfold.LlamaForQuestionAnswering.from_pretrained(tmp_path)
    assert answers.loading_report.initialised == ("qa_outputs.weight", "qa_outputs.bias")
    assert torch.equal(answers.transformer.embed_tokens.weight, words.model.embed_tokens.weight)
    answers.save_pretrained(tmp_path)
    again = enfold.LlamaForSequenceClassification.from_pretrained(tmp_path)
    assert torch.equal(again.model.norm.weight, words.model.norm.weight)
    assert again.loading_report.initialised == ("score.weight",)
