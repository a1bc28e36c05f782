"""DeBERTa, second and third version, computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from checkers import Pair, assert_same_outputs
from family_parity import FamilyParity
from mutations import fails, shift
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

import enfold
from enfold.errors import InputError
from enfold.layers.disentangled import log_buckets
from enfold.layers.grouping import plan_for
from enfold.models import pack

SMALL = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
    "layer_norm_eps": 1e-3,
}
THIRD = SMALL | {
    "relative_attention": True,
    "position_buckets": 4,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "max_relative_positions": -1,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "pooler_hidden_act": "gelu",
    "pooler_dropout": 0,
    "pooler_hidden_size": 32,
}


def _types(settings: dict[str, Any], shape: Any, generator: torch.Generator) -> Tensor:
    return torch.randint(0, settings.get("type_vocab_size", 0) or 1, shape, generator=generator)


class TestDebertaV2(FamilyParity):
    prefix = "DebertaV2"
    exact = 1e-6  # theirs divides by a root taken in float32
    heads = (
        "Model",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForMultipleChoice",
        "ForQuestionAnswering",
        "ForMaskedLM",
    )
    more: ClassVar[dict[str, Any]] = {"token_type_ids": _types}
    no_dropout = ("hidden_dropout_prob", "attention_probs_dropout_prob", "pooler_dropout", "cls_dropout")
    configs = {
        "third version": THIRD,
        "second version, with a convolution": THIRD
        | {
            "conv_kernel_size": 3,
            "conv_act": "gelu",
            "attention_head_size": 8,
            "position_buckets": 6,
            "num_hidden_layers": 3,
        },
        "own maps, wide kernel in groups, all distances": SMALL
        | {
            "relative_attention": True,
            "pos_att_type": ["c2p", "p2c"],
            "max_relative_positions": 4,
            "type_vocab_size": 2,
            "conv_kernel_size": 5,
            "conv_groups": 2,
            "legacy": False,
            "hidden_act": "gelu_new",
            "pooler_hidden_act": "tanh",
            "cls_dropout": 0.3,
            "pad_token_id": 7,
        },
        "one term, narrow embeddings": SMALL
        | {
            "relative_attention": True,
            "pos_att_type": "c2p",
            "position_buckets": 2,
            "embedding_size": 20,
            "hidden_act": "relu",
            "tie_word_embeddings": False,
        },
    }

    @classmethod
    def tolerance(cls, head: str) -> float:
        return 1e-5 if head == "ForSequenceClassification" else cls.exact  # their loss is in float32


class TestRareDebertaV2(TestDebertaV2):
    heads = ("Model",)
    configs: ClassVar[dict[str, Any]] = {
        "the other term": SMALL
        | {"relative_attention": True, "pos_att_type": "p2c", "share_att_key": True, "type_vocab_size": 3},
        "without distances": SMALL | {"pos_att_type": "p2c|c2p", "num_attention_heads": 2, "norm_rel_ebd": "none"},
    }


# ---- the traps ------------------------------------------------------------------------------------------------------

HEAD, CONVOLVED = "ForTokenClassification", "second version, with a convolution"


@pytest.mark.parametrize("config", TestDebertaV2.configs)
def test_masked_places_in_between_keep_their_distance(config: str) -> None:
    pair, inputs = TestDebertaV2.pair(HEAD, config), TestDebertaV2.inputs(HEAD, config, "holes")
    assert_same_outputs(pair, inputs, exact=1e-6)


@pytest.mark.parametrize("config", ["third version", CONVOLVED])
def test_a_masked_query_looks_at_all_of_its_row(config: str) -> None:
    """Labels at masked places read the states of padding, which theirs computes too."""
    pair, inputs = TestDebertaV2.pair(HEAD, config), TestDebertaV2.inputs(HEAD, config, "left")
    inputs["labels"] = torch.randint(0, 5, inputs["labels"].shape, generator=torch.Generator().manual_seed(1))
    assert_same_outputs(pair, inputs, exact=1e-6)


@pytest.mark.parametrize(("buckets", "furthest"), [(256, 512), (4, 16), (2, 16), (32, 40), (6, 9)])
def test_far_distances_share_buckets_as_theirs_do(buckets: int, furthest: int) -> None:
    distances = torch.arange(-600, 601)
    found = log_buckets(distances, buckets, furthest)
    assert torch.equal(found, make_log_bucket_position(distances, buckets, furthest).long())
    assert torch.equal(found, -found.flip(0))


def test_only_the_distances_that_occur_are_mapped() -> None:
    model = enfold.DebertaV2Model(enfold.DebertaV2Config(**THIRD | {"position_buckets": 64, "num_hidden_layers": 1}))
    seen: list[int] = []
    model.get_submodule("encoder.LayerNorm").register_forward_hook(lambda _, given, __: seen.append(given[0].shape[0]))
    packed = pack([[5, 6, 7], [8, 9]])
    model(input_ids=packed.input_ids, layout=packed.layout)
    assert seen == [5]


def test_rows_do_not_reach_into_each_other_through_the_convolution() -> None:
    model = TestDebertaV2.pair("Model", CONVOLVED).ours
    rows = [[5, 6, 7, 8], [9], [10, 11, 12]]
    packed = pack(rows)
    together = model(input_ids=packed.input_ids, layout=packed.layout).last_hidden_state
    alone = torch.cat([model(input_ids=torch.tensor([row])).last_hidden_state[0] for row in rows])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_types_are_ignored_where_there_are_none() -> None:
    pair, inputs = TestDebertaV2.pair(HEAD, "third version"), TestDebertaV2.inputs(HEAD, "third version", "right")
    inputs["token_type_ids"] = torch.ones_like(inputs["token_type_ids"])
    assert_same_outputs(pair, inputs, exact=1e-6)


def test_a_published_file_holds_the_heads_of_pre_training_too(tmp_path: Path) -> None:
    pair = TestDebertaV2.pair("ForMaskedLM", "third version", legacy=False)
    pair.theirs.save_pretrained(tmp_path)
    more = {
        "mask_predictions.dense.weight": torch.zeros(2, 2),
        "deberta.embeddings.position_embeddings.weight": torch.zeros(2, 2),
    }
    save_file(load_file(tmp_path / "model.safetensors") | more, tmp_path / "model.safetensors", {"format": "pt"})
    read = enfold.DebertaV2ForMaskedLM.from_pretrained(tmp_path)
    assert set(read.loading_report.unused) == set(more)
    classifier = enfold.DebertaV2ForSequenceClassification.from_pretrained(tmp_path, legacy=True)
    assert any(name.startswith("lm_predictions") for name in classifier.loading_report.unused)


def test_the_newer_head_grows_with_the_word_vectors() -> None:
    model = TestDebertaV2.pair("ForMaskedLM", "third version", legacy=False).ours
    model.resize_token_embeddings(70)
    assert model(input_ids=torch.tensor([[69, 3]])).logits.shape == (1, 2, 70)


def test_a_batch_of_the_same_lengths_trains_after_it_was_evaluated() -> None:
    pair, inputs = TestDebertaV2.pair(HEAD, "third version"), TestDebertaV2.inputs(HEAD, "third version", "right")
    plan_for.cache_clear()
    with torch.inference_mode():
        expected = pair.ours(**inputs).loss.clone()
    found = pair.ours(**inputs).loss
    found.backward()
    torch.testing.assert_close(found.detach(), expected)


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(InputError, match="as many tokens before as behind: 4 must be odd"):
        enfold.DebertaV2Model(enfold.DebertaV2Config(**SMALL, conv_kernel_size=4))


def test_models_are_copied_and_pickled() -> None:
    pair, inputs = TestDebertaV2.pair(HEAD, CONVOLVED), TestDebertaV2.inputs(HEAD, CONVOLVED, "right")
    expected = pair.ours(**inputs).logits
    for model in (copy.deepcopy(pair.ours), pickle.loads(pickle.dumps(pair.ours))):
        assert torch.equal(model(**inputs).logits, expected)


# ---- mutations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"position_buckets": 5},
        {"max_relative_positions": 400},
        {"norm_rel_ebd": "none"},
        {"layer_norm_eps": 1e-7},
        {"hidden_act": "gelu_new"},
        {"pos_att_type": "c2p"},
        {"conv_act": "tanh"},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_a_wrong_setting_is_seen(fault: dict[str, Any]) -> None:
    pair, inputs = TestDebertaV2.pair(HEAD, CONVOLVED), TestDebertaV2.inputs(HEAD, CONVOLVED, "right")
    settings = TestDebertaV2.settings(HEAD, CONVOLVED, **fault)
    wrong = enfold.DebertaV2ForTokenClassification(enfold.DebertaV2Config(**settings))
    weights = pair.ours.state_dict()
    for name, own in wrong.state_dict().items():
        own[: weights[name].shape[0]] = weights[name][: own.shape[0]]
    fails(assert_same_outputs, Pair(wrong.eval(), pair.theirs), inputs, exact=None, match="is off by|gradients")


def test_distances_that_are_off_by_one_are_seen() -> None:
    pair, inputs = TestDebertaV2.pair(HEAD, "third version"), TestDebertaV2.inputs(HEAD, "third version", "right")
    shift(pair.ours.get_submodule("deberta.encoder.rel_embeddings"), lambda numbers: (numbers + 1).clamp(max=7))
    fails(assert_same_outputs, pair, inputs, exact=None, match="is off by")
