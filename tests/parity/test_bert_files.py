"""BERT folders and configs go from us to ``transformers`` and back: nothing lost, nothing new, nothing renamed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from bert_cases import CONFIGS, HEADS, bert_inputs, bert_pair, classes
from checkers import Pair, assert_same_outputs
from file_checkers import (
    assert_config_round_trip,
    assert_reads_ours,
    assert_reads_theirs,
    assert_same_config_defaults,
    assert_same_files,
)
from safetensors.torch import load_file, save_file

import enfold
from enfold import BertConfig


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("head", HEADS)
def test_folders_both_ways(head: str, config: str, tmp_path: Path) -> None:
    pair, inputs = bert_pair(head, config), bert_inputs(head, config, "right")
    ours, theirs = classes(head)
    assert_reads_theirs(ours, pair, inputs, tmp_path / "theirs")
    assert_reads_ours(theirs, pair, inputs, tmp_path / "ours")
    assert_same_files(pair, tmp_path)


@pytest.mark.parametrize("head", ["ForSequenceClassification", "ForPreTraining"])
def test_a_folder_that_was_read_is_written_as_it_was(head: str, tmp_path: Path) -> None:
    pair = bert_pair(head, "gelu")
    pair.theirs.save_pretrained(tmp_path / "first")
    read = classes(head)[0].from_pretrained(tmp_path / "first")
    read.save_pretrained(tmp_path / "second")
    first, second = (load_file(tmp_path / folder / "model.safetensors") for folder in ("first", "second"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("saved", "read"),
    [
        ("ForPreTraining", "ForSequenceClassification"),
        ("ForMaskedLM", "ForSequenceClassification"),
        ("ForMaskedLM", "Model"),
        ("Model", "ForTokenClassification"),
        ("Model", "ForMaskedLM"),
        ("ForPreTraining", "ForMaskedLM"),
        ("ForPreTraining", "ForNextSentencePrediction"),
        ("ForSequenceClassification", "ForMultipleChoice"),
        ("ForQuestionAnswering", "Model"),
    ],
)
@pytest.mark.parametrize("config", ["gelu", "relu"], ids=["tied", "untied"])
def test_another_heads_folder_lacks_and_leaves_over_what_transformers_says(
    saved: str, read: str, config: str, tmp_path: Path
) -> None:
    bert_pair(saved, config).theirs.save_pretrained(tmp_path)
    ours, theirs = classes(read)
    more = {"num_labels": 1} if read == "ForMultipleChoice" else {}
    own = ours.from_pretrained(tmp_path, ignore_mismatched_sizes=True, **more)
    other, report = theirs.from_pretrained(tmp_path, output_loading_info=True, ignore_mismatched_sizes=True, **more)
    initialised = set(own.loading_report.initialised)
    # Theirs counts a shared tensor once for each of its names.
    initialised |= {name for name, source in own.tied().items() if source in initialised}
    assert initialised == set(report["missing_keys"])
    assert set(own.loading_report.unused) == set(report["unexpected_keys"])
    assert set(own.loading_report.mismatched) == {key[0] for key in report["mismatched_keys"]}
    fresh = initialised | set(own.loading_report.mismatched)
    state = other.state_dict()
    for name, tensor in own.state_dict().items():
        assert name in fresh or torch.equal(tensor, state[name]), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_written_read_and_stated_alike(dtype: torch.dtype, tmp_path: Path) -> None:
    pair = bert_pair("ForMaskedLM", "gelu")
    for model in (pair.ours, pair.theirs):
        model.to(dtype)
    assert_same_files(pair, tmp_path)
    ours, theirs = classes("ForMaskedLM")
    own, other = ours.from_pretrained(tmp_path / "theirs"), theirs.from_pretrained(tmp_path / "ours")
    assert own.dtype == other.dtype == dtype
    assert own.config.dtype == str(other.config.dtype).removeprefix("torch.")
    state = other.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in own.state_dict().items())


def test_names_of_the_first_conversions_and_stored_positions_are_understood(tmp_path: Path) -> None:
    pair = bert_pair("ForSequenceClassification", "gelu")
    inputs = bert_inputs("ForSequenceClassification", "gelu", "right")
    pair.theirs.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    older = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in tensors.items()
    }
    assert older.keys() != tensors.keys()
    older["bert.embeddings.position_ids"] = torch.arange(16)[None]
    save_file(older, tmp_path / "model.safetensors", metadata={"format": "pt"})
    read = enfold.BertForSequenceClassification.from_pretrained(tmp_path)
    assert not read.loading_report.initialised
    assert not read.loading_report.unused
    assert_same_outputs(Pair(read, pair.theirs), inputs)


# ---- configs --------------------------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_transformers() -> None:
    assert_same_config_defaults(BertConfig, transformers.BertConfig)


NAMES = {"id2label": {0: "no", 1: "yes", 2: "perhaps"}, "label2id": {"no": 0, "yes": 1, "perhaps": 2}}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        *CONFIGS.values(),
        {"num_labels": 7, "problem_type": "multi_label_classification"},
        {"num_labels": 1, "dtype": "bfloat16", "initializer_range": 0.5},
        NAMES | {"hidden_dropout_prob": 0.25, "attention_probs_dropout_prob": 0.0, "output_attentions": True},
        {"a_key_of_ones_own": {"deep": [1, 2.5, None]}, "architectures": ["BertModel"], "use_cache": False},
        {"return_dict": False, "output_hidden_states": True, "bos_token_id": 3, "eos_token_id": [4, 5]},
    ],
)
def test_configs_both_ways(settings: dict, tmp_path: Path) -> None:
    assert_config_round_trip(BertConfig, transformers.BertConfig, settings, tmp_path)


@pytest.mark.parametrize("head", ["Model", "ForSequenceClassification"])
def test_the_config_beside_the_weights_is_the_same(head: str, tmp_path: Path) -> None:
    pair = bert_pair(head, "relu", **(NAMES if head != "Model" else {}))
    pair.ours.save_pretrained(tmp_path / "ours")
    pair.theirs.save_pretrained(tmp_path / "theirs")
    own, other = (transformers.BertConfig.from_pretrained(tmp_path / side).to_dict() for side in ("ours", "theirs"))
    assert {key for key in other if own[key] != other[key]} <= {"_name_or_path", "transformers_version"}
    assert own["architectures"] == [f"Bert{head}"]
