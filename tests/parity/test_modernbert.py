"""ModernBERT computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from checkers import TOLERANCE, assert_same_logits_and_gradients, assert_same_outputs
from family_parity import FamilyParity
from file_checkers import assert_reads_ours, assert_reads_theirs, assert_same_files
from mutations import fails
from safetensors.torch import load_file, save_file
from torch import nn

import enfold
from enfold.errors import CheckpointError, InputError

SMALL = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    "pad_token_id": 3,
    "local_attention": 6,
    "norm_eps": 1e-3,
}
THETAS = {"full_attention": {"rope_theta": 50.0}, "sliding_attention": {"rope_theta": 7.0}}


class TestModernBert(FamilyParity):
    prefix = "ModernBert"
    exact = 1e-5  # theirs turns queries and keys, and takes the softmax, in float32 whatever the model is in
    heads = (
        "Model",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForMultipleChoice",
        "ForQuestionAnswering",
        "ForMaskedLM",
    )
    no_dropout = ("attention_dropout", "embedding_dropout", "mlp_dropout", "classifier_dropout")
    configs = {
        "usual": SMALL | {"rope_parameters": THETAS},
        "biases, mean, older names": SMALL
        | {
            "num_hidden_layers": 4,
            "global_attn_every_n_layers": 2,
            "global_rope_theta": 300.0,
            "local_rope_theta": 11.0,
            "attention_bias": True,
            "mlp_bias": True,
            "norm_bias": True,
            "classifier_bias": True,
            "decoder_bias": False,
            "classifier_pooling": "mean",
            "hidden_activation": "silu",
            "classifier_activation": "tanh",
            "local_attention": 5,
            "pad_token_id": 0,
        },
        "layer types, untied": SMALL
        | {
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 90.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 20.0},
            },
            "tie_word_embeddings": False,
            "hidden_activation": "relu",
        },
    }

    def test_outputs_loss_gradients_and_states(self, head: str, config: str, mask: str) -> None:
        pair, inputs = self.pair(head, config), self.inputs(head, config, mask)
        if head == "ForMultipleChoice" and mask == "none" and "mean" in config:
            return  # theirs asks for a mask
        if mask == "none" or not _reads_padding(head, config, mask):
            assert_same_outputs(pair, inputs, exact=self.exact if mask == "none" else None)
            return
        # Padding may see nothing in its window. Their slow attention then looks at all of the row, the usual at none.
        pair.theirs.set_attn_implementation("sdpa")
        assert_same_logits_and_gradients(pair, inputs, torch.float32, TOLERANCE)

    def test_folders_both_ways(self, head: str, config: str, tmp_path: Path) -> None:
        pair, (ours, theirs) = self.pair(head, config), self.classes(head)
        # In float64 a place that sees nothing in its window makes theirs not a number.
        inputs = self.inputs(head, config, "none" if head == "ForQuestionAnswering" else "right")
        assert_reads_theirs(ours, pair, inputs, tmp_path / "theirs", exact=None)
        assert_reads_ours(theirs, pair, inputs, tmp_path / "ours", exact=None)
        assert_same_files(pair, tmp_path)


def _reads_padding(head: str, config: str, mask: str) -> bool:
    return head == "ForQuestionAnswering" or (
        head == "ForSequenceClassification" and mask == "left" and "mean" not in config
    )


# ---- the traps ------------------------------------------------------------------------------------------------------


def _pair(head: str = "ForTokenClassification", **more: Any) -> Any:
    return TestModernBert.pair(head, "usual", **more)


def _inputs(mask: str = "none", head: str = "ForTokenClassification") -> dict[str, Any]:
    return TestModernBert.inputs(head, "usual", mask)


def test_a_window_counts_places_of_the_row_over_masked_ones_in_between() -> None:
    assert_same_outputs(_pair(), _inputs("holes"), exact=None)


@pytest.mark.parametrize("local_attention", [2, 3, 4, 16])
def test_windows_reach_half_of_local_attention_to_either_side(local_attention: int) -> None:
    assert_same_outputs(_pair(local_attention=local_attention), _inputs(), exact=1e-5)


def test_the_first_block_has_no_norm_before_its_attention() -> None:
    model = enfold.ModernBertModel(enfold.ModernBertConfig(**SMALL))
    assert isinstance(model.layers[0].attn_norm, nn.Identity)
    assert isinstance(model.layers[1].attn_norm, nn.LayerNorm)
    assert model.layers[1].attn_norm.bias is None


def test_both_spellings_of_the_bases_are_written(tmp_path: Path) -> None:
    enfold.ModernBertConfig(**SMALL, rope_parameters=THETAS).save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert (written["global_rope_theta"], written["local_rope_theta"]) == (50.0, 7.0)
    older = {key: written[key] for key in ("global_rope_theta", "local_rope_theta", "num_hidden_layers")}
    assert enfold.ModernBertConfig(**older).rope_parameters == written["rope_parameters"]


def test_what_is_not_honoured_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="sparse_prediction=True is not supported"):
        enfold.ModernBertConfig(sparse_prediction=True)
    with pytest.raises(InputError, match="classifier_pooling='max' is not supported"):
        enfold.ModernBertConfig(classifier_pooling="max")
    with pytest.raises(InputError, match="no layer type 'sliding_atention'; .* did you mean 'sliding_attention'"):
        enfold.ModernBertConfig(layer_types=["sliding_atention"])
    with pytest.raises(InputError, match="layer_types names 1 blocks, num_hidden_layers is 22"):
        enfold.ModernBertConfig(layer_types=["sliding_attention"])


def test_models_are_copied_and_pickled() -> None:
    pair, inputs = _pair(), _inputs("right")
    expected = pair.ours(**inputs).logits
    for model in (copy.deepcopy(pair.ours), pickle.loads(pickle.dumps(pair.ours))):
        assert torch.equal(model(**inputs).logits, expected)


def test_a_classifier_begins_with_the_dense_map_of_the_masked_words(tmp_path: Path) -> None:
    """Both heads have it; the file of one is no damaged file of the other."""
    words = enfold.ModernBertForMaskedLM(enfold.ModernBertConfig(**SMALL))
    words.save_pretrained(tmp_path)
    model = enfold.ModernBertForSequenceClassification.from_pretrained(tmp_path, num_labels=3)
    assert model.loading_report.initialised == ("classifier.weight", "classifier.bias")
    assert torch.equal(model.head.dense.weight, words.head.dense.weight)
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["head.dense.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing: head\.dense\.weight"):
        enfold.ModernBertForSequenceClassification.from_pretrained(tmp_path, num_labels=3)


# ---- mutations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"local_attention": 4},
        {"hidden_activation": "gelu_new"},
        {"norm_eps": 1e-5},
        {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
        {"rope_parameters": THETAS | {"sliding_attention": {"rope_theta": 50.0}}},
        {"rope_parameters": THETAS | {"full_attention": {"rope_theta": 7.0}}},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_a_wrong_setting_is_seen(fault: dict[str, Any]) -> None:
    pair = _pair()
    settings = TestModernBert.settings("ForTokenClassification", "usual", **fault)
    wrong = enfold.ModernBertForTokenClassification(enfold.ModernBertConfig(**settings))
    wrong.load_state_dict(pair.ours.state_dict())
    fails(assert_same_outputs, type(pair)(wrong.eval(), pair.theirs), _inputs("right"), exact=None, match="is off by")
