"""Options: read and written as transformers does, merged in the order it does, checked all at once."""

import json
import warnings

import pytest
import transformers

from enfold.errors import CheckpointError, InputError
from enfold.generation import GenerationConfig
from enfold.generation.config import DEFAULTS, field_names
from enfold.generation.settings import resolve


def test_defaults_are_those_of_transformers_key_by_key():
    theirs = transformers.GenerationConfig._get_default_generation_params()
    assert {k: v for k, v in theirs.items() if v is not None} == dict(DEFAULTS)


def test_every_option_of_transformers_is_known():
    theirs = set(transformers.GenerationConfig().to_dict())
    metadata = {"transformers_version", "_from_model_config", "continuous_batching_config"}
    assert {name for name in theirs - metadata if not name.startswith("_")} <= set(field_names())


def test_a_file_survives_the_round_trip_with_keys_nobody_knows(tmp_path):
    values = {
        "max_new_tokens": 30,
        "eos_token_id": [2, 7],
        "temperature": 0.6,
        "do_sample": True,
        "house_style": {"a": 1},
    }
    (tmp_path / "generation_config.json").write_text(json.dumps(values))
    config = GenerationConfig.from_pretrained(tmp_path)
    config.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "generation_config.json").read_text()) == values
    assert GenerationConfig.from_pretrained(tmp_path / "again") == config


def test_transformers_reads_what_is_written_and_the_other_way_round(tmp_path):
    GenerationConfig(num_beams=4, length_penalty=0.7, bad_words_ids=[[3, 4]], eos_token_id=2).save_pretrained(tmp_path)
    theirs = transformers.GenerationConfig.from_pretrained(tmp_path)
    assert (theirs.num_beams, theirs.length_penalty, theirs.bad_words_ids) == (4, 0.7, [[3, 4]])
    theirs.max_new_tokens = 9
    theirs.save_pretrained(tmp_path / "theirs")
    ours = GenerationConfig.from_pretrained(tmp_path / "theirs")
    assert (ours.num_beams, ours.max_new_tokens, ours.eos_token_id) == (4, 9, 2)


def test_without_the_file_the_older_place_is_read(tmp_path):
    values = {"model_type": "bart", "num_beams": 4, "max_length": 142, "eos_token_id": 2, "output_attentions": True}
    (tmp_path / "config.json").write_text(json.dumps(values))
    config = GenerationConfig.from_pretrained(tmp_path)
    assert (config.num_beams, config.max_length, config.eos_token_id) == (4, 142, 2)
    assert config.output_attentions is None


def test_the_oldest_name_of_a_forced_first_token_is_read():
    config = GenerationConfig.from_model_config({"force_bos_token_to_be_generated": True, "bos_token_id": 0})
    assert config.forced_bos_token_id == 0


def test_a_folder_with_neither_file_and_a_broken_file_are_errors(tmp_path):
    with pytest.raises(CheckpointError, match="no generation_config.json and no config.json"):
        GenerationConfig.from_pretrained(tmp_path)
    (tmp_path / "generation_config.json").write_text("[1]")
    with pytest.raises(CheckpointError, match="must hold a JSON object; it holds a list"):
        GenerationConfig.from_pretrained(tmp_path)
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="is not valid JSON"):
        GenerationConfig.from_pretrained(tmp_path)


def test_unknown_options_are_all_named_with_suggestions():
    with pytest.raises(InputError, match="'temprature'; did you mean 'temperature'\\?; no generation option 'zzz'"):
        GenerationConfig(temprature=0.5, zzz=1)


def test_the_caller_wins_over_the_model_and_the_model_over_defaults():
    own = GenerationConfig(max_length=40, temperature=0.3, eos_token_id=2, do_sample=True)
    settings = resolve(GenerationConfig(temperature=0.9), own)
    assert (settings.temperature, settings.max_length, settings.eos_token_id, settings.top_k) == (0.9, 40, (2,), 50)


def test_without_any_length_twenty_new_tokens_are_written():
    settings = resolve(None)
    assert settings.most(7) == 27
    assert resolve(GenerationConfig(max_length=12)).most(7) == 12


def test_a_length_of_the_caller_replaces_both_of_the_model():
    settings = resolve(GenerationConfig(max_length=9), GenerationConfig(max_new_tokens=50, min_new_tokens=1))
    assert settings.most(3) == 9
    assert settings.least(3) == 4


def test_contradictions_are_all_named_in_one_error():
    options = {
        "do_sample": True, "temperature": 0.0, "top_k": -1, "top_p": 1.5, "min_new_tokens": 9, "max_new_tokens": 3,
        "num_beams": 2, "num_return_sequences": 3, "repetition_penalty": 0.0, "early_stopping": "always",
        "suppress_tokens": [4], "forced_eos_token_id": 4, "stop_strings": [""], "bad_words_ids": [[]],
    }  # fmt: skip
    with pytest.raises(InputError) as error:
        resolve(GenerationConfig(**options))
    for part in (
        "temperature=0.0 must be above 0; do_sample=False takes the best token",
        "top_k=-1 must be at least 0",
        "top_p=1.5 must be between 0 and 1",
        "min_new_tokens=9 is more than max_new_tokens=3",
        "num_return_sequences=3 is more than num_beams=2",
        "repetition_penalty=0.0 must be above 0",
        "early_stopping='always' must be True, False or 'never'",
        "forced_eos_token_id=4 is in suppress_tokens",
        "stop_strings holds an empty text",
        "bad_words_ids holds an empty sequence",
    ):
        assert part in str(error.value)


def test_several_greedy_sequences_contradict_each_other():
    with pytest.raises(InputError, match="num_return_sequences=2 needs do_sample=True or num_beams of at least 2"):
        resolve(GenerationConfig(num_return_sequences=2))


def test_values_of_the_wrong_kind_are_all_named():
    with pytest.raises(
        InputError, match="max_new_tokens='20' must be a whole number; temperature='hot' must be a number"
    ):
        resolve(GenerationConfig(max_new_tokens="20", temperature="hot"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("guidance_scale", 1.5), ("penalty_alpha", 0.6), ("num_beam_groups", 2), ("diversity_penalty", 0.5),
     ("dola_layers", "high"), ("token_healing", True), ("watermarking_config", {"bias": 2.0}), ("constraints", [1]),
     ("force_words_ids", [[1]]), ("use_mtp", True), ("assistant_early_exit", 2), ("assistant_ensemble_weight", 0.5),
     ("speculation_type", "dflash"), ("output_attentions", True), ("output_hidden_states", True)],
)  # fmt: skip
def test_what_would_change_the_output_and_is_not_honoured_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=f"{name}=.* is not supported"):
        resolve(GenerationConfig(**{name: value}))


def test_neutral_values_of_refused_options_are_accepted():
    resolve(
        GenerationConfig(guidance_scale=1.0, penalty_alpha=0.0, num_beam_groups=1, token_healing=False, use_cache=False)
    )


def test_options_without_effect_warn_where_the_caller_set_them_and_only_there():
    with pytest.warns(
        UserWarning, match="temperature=0.5 needs do_sample=True, length_penalty=2.0 needs num_beams above 1"
    ):
        resolve(GenerationConfig(temperature=0.5, length_penalty=2.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve(GenerationConfig(do_sample=False), GenerationConfig(temperature=0.5, do_sample=True))


def test_ids_outside_the_vocabulary_are_named():
    with pytest.raises(InputError, match="forced_bos_token_id has ids outside the vocabulary of 50: 60; bad_words_ids"):
        resolve(GenerationConfig(forced_bos_token_id=60, bad_words_ids=[[1], [50, 3]]), vocabulary=50)


def test_reading_options_does_not_import_torch():
    import subprocess
    import sys

    code = (
        "import sys; from enfold.generation import GenerationConfig, Generated, Detokeniser\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
