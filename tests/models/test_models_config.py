"""config.json, read and written as transformers reads and writes it."""

from __future__ import annotations

import json

import pytest
import transformers

import enfold
from enfold.errors import CheckpointError, InputError
from enfold.models.auto import known_families

CONFIGS = [config for family in known_families() for config in family.members.values()]


@pytest.mark.parametrize("ours", CONFIGS, ids=lambda config: config.model_type)
def test_every_default_is_that_of_transformers(ours):
    theirs = transformers.AutoConfig.for_model(ours.model_type).to_dict()
    found = ours().to_dict()
    for key, value in theirs.items():
        if key not in ("transformers_version", "_name_or_path"):
            assert key in found, f"{key} is missing"
            assert found[key] == value, key


def write(folder, **keys):
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **keys}))
    return folder


def test_a_key_that_is_not_ours_survives_the_round_trip(tmp_path):
    write(
        tmp_path, hidden_size=48, transformers_version="4.6.0", gradient_checkpointing=False, of_the_future={"a": [1]}
    )
    config = enfold.AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, enfold.BertConfig)
    assert config.of_the_future == {"a": [1]}
    config.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["of_the_future"] == {"a": [1]}
    assert written["transformers_version"] == "4.6.0"
    assert written["hidden_size"] == 48
    assert enfold.BertConfig.from_pretrained(tmp_path) == config


@pytest.mark.parametrize("spelling", ["dtype", "torch_dtype"])
def test_both_spellings_of_the_precision_are_read_and_written(tmp_path, spelling):
    config = enfold.BertConfig.from_pretrained(write(tmp_path, **{spelling: "bfloat16"}))
    assert config.dtype == "bfloat16"
    config.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["dtype"] == written["torch_dtype"] == "bfloat16"


def test_transformers_reads_what_we_write_and_we_what_it_writes(tmp_path):
    keys = {
        "hidden_size": 48,
        "num_attention_heads": 6,
        "layer_norm_eps": 1e-5,
        "id2label": {0: "no", 1: "yes", 2: "why"},
        "problem_type": "multi_label_classification",
        "classifier_dropout": 0.2,
    }
    ours = enfold.BertConfig(**keys)
    ours.save_pretrained(tmp_path / "ours")
    theirs = transformers.BertConfig.from_pretrained(tmp_path / "ours")
    for key, value in keys.items():
        assert getattr(theirs, key) == value
    assert theirs.label2id == {"no": 0, "yes": 1, "why": 2}
    theirs.save_pretrained(tmp_path / "theirs")
    assert enfold.BertConfig.from_pretrained(tmp_path / "theirs").to_dict() | {"transformers_version": None} == (
        ours.to_dict() | {"transformers_version": None}
    )


class TestLabels:
    def test_two_without_names_unless_told(self):
        assert enfold.BertConfig().num_labels == 2
        config = enfold.BertConfig(num_labels=3)
        assert config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
        assert config.label2id["LABEL_2"] == 2

    def test_names_decide_the_number(self):
        config = enfold.BertConfig(id2label={"0": "ham", "1": "spam"})
        assert config.num_labels == 2
        assert config.id2label == {0: "ham", 1: "spam"}
        assert config.label2id == {"ham": 0, "spam": 1}

    def test_another_number_replaces_them(self):
        config = enfold.BertConfig(id2label={0: "ham", 1: "spam"})
        config.num_labels = 4
        assert len(config.label2id) == 4


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"add_cross_attention": True}, "add_cross_attention=True is not supported for model type 'bert' (only False)"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key' is not supported"),
        ({"problem_type": "guessing"}, "problem_type='guessing' must be one of regression, single_label"),
        ({"problem_type": "single_label_classification", "num_labels": 1}, "needs at least 2 labels; it has 1"),
    ],
)
def test_what_would_change_the_output_is_honoured_or_refused_by_name(keys, message):
    with pytest.raises(InputError) as caught:
        enfold.BertConfig(**keys)
    assert message in str(caught.value)


def test_all_faults_are_named_at_once():
    with pytest.raises(InputError, match=r"add_cross_attention=True .*; position_embedding_type='relative_key'"):
        enfold.BertConfig(add_cross_attention=True, position_embedding_type="relative_key")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"hidden_act": "gelu_fast_new"}, "no activation 'gelu_fast_new'; there are: gelu, gelu_new"),
        ({"hidden_size": 30}, "the hidden width 30 is not a multiple of the 4 attention heads"),
        ({"pad_token_id": 99}, "the pad id 99 is outside the vocabulary of 50"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(keys, message):
    sizes = {"vocab_size": 50, "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 1}
    with pytest.raises(InputError) as caught:
        enfold.BertModel(enfold.BertConfig(**sizes | keys))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "config.json is not valid JSON"),
        ("[1]", "must hold a JSON object; it holds a list"),
        ("{}", "has no model_type; it has: "),
        ('{"model_type": "bret"}', "did you mean 'bert'?"),
        ('{"model_type": "enfold-quantised", "format": "int3"}', "weight format 'int3' is not one of: int8"),
    ],
)
def test_a_config_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError) as caught:
        enfold.AutoModel.from_pretrained(tmp_path)
    assert message in str(caught.value)


def test_no_config_at_all(tmp_path):
    with pytest.raises(CheckpointError, match=r"no config.json in .*; a model folder holds config.json and"):
        enfold.AutoConfig.from_pretrained(tmp_path)


def test_a_config_of_another_type(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(CheckpointError, match="holds a model of type 'gpt2', not 'bert'"):
        enfold.BertConfig.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="holds a model of type 'gpt2', but BertModel reads 'bert'"):
        enfold.BertModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("spelling", ["older", "newer"])
@pytest.mark.parametrize("given", ["folder", "config"])
def test_rotary_settings_are_overridden_in_either_spelling(spelling, given, tmp_path):
    config = enfold.LlamaConfig(rope_theta=500.0, rope_scaling={"rope_type": "linear", "factor": 2.0})
    config.save_pretrained(tmp_path)

    def read(**overrides):
        if given == "folder":
            return enfold.LlamaConfig.from_pretrained(tmp_path, **overrides)
        return enfold.LlamaConfig.from_dict(config.to_dict(), **overrides)

    if spelling == "older":
        assert read(rope_theta=7.0).rope_parameters == config.rope_parameters | {"rope_theta": 7.0}
        scaled = read(rope_scaling={"rope_type": "dynamic", "factor": 3.0})
        assert scaled.rope_parameters == {"rope_type": "dynamic", "factor": 3.0, "rope_theta": 500.0}
    else:
        wanted = {"rope_type": "default", "rope_theta": 9.0}
        assert read(rope_parameters=wanted).rope_parameters == wanted


def test_the_bases_of_layers_are_overridden_by_their_older_names(tmp_path):
    enfold.ModernBertConfig(global_rope_theta=50.0).save_pretrained(tmp_path)
    config = enfold.ModernBertConfig.from_pretrained(tmp_path, global_rope_theta=70.0)
    assert config.rope_parameters["full_attention"]["rope_theta"] == 70.0
    assert config.rope_parameters["sliding_attention"]["rope_theta"] == 10_000.0
