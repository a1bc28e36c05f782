"""`TrainingArguments`: names and defaults of `transformers`, refusals by name, all faults at once."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from enfold import TrainingArguments
from enfold.errors import SettingsError
from enfold.training.argument_names import ALREADY_SO, FORMER_NAMES, NOT_HONOURED
from enfold.training.precision import why_not_bfloat16

OURS_ALONE = {"max_tokens_per_batch", "logging_dir"}


@pytest.fixture(scope="module")
def theirs() -> dict[str, object]:
    from transformers import TrainingArguments as Theirs

    def default(field: dataclasses.Field) -> object:
        return field.default_factory() if field.default is dataclasses.MISSING else field.default

    return {field.name: default(field) for field in dataclasses.fields(Theirs)}


def test_every_argument_of_transformers_is_honoured_refused_or_already_so(theirs):
    ours = {field.name for field in dataclasses.fields(TrainingArguments)}
    assert set(theirs) <= ours | set(NOT_HONOURED) | set(ALREADY_SO) | set(FORMER_NAMES)
    assert ours - set(theirs) == OURS_ALONE
    assert not ours & (set(NOT_HONOURED) | set(ALREADY_SO) | set(FORMER_NAMES))


def test_defaults_are_those_of_transformers(theirs):
    for field in dataclasses.fields(TrainingArguments):
        if field.name in theirs:
            expected = getattr(theirs[field.name], "value", theirs[field.name])
            assert field.default == expected, field.name
    for name, default in NOT_HONOURED.items():
        if name in theirs:
            assert default == getattr(theirs[name], "value", theirs[name]), name


@pytest.mark.filterwarnings("error")
def test_an_argument_that_is_not_honoured_is_accepted_at_its_default():
    TrainingArguments(**NOT_HONOURED)
    TrainingArguments(**dict.fromkeys(ALREADY_SO, True))


@pytest.mark.parametrize("name", sorted(NOT_HONOURED))
def test_an_argument_that_is_not_honoured_is_refused_by_name(name):
    with pytest.raises(SettingsError, match=rf"{name}='x' is not supported"):
        TrainingArguments(**{name: "x"})


def test_a_refusal_says_what_to_do_where_there_is_something():
    with pytest.raises(SettingsError, match="fp16=True is not supported: use bf16=True, which needs no loss scaling"):
        TrainingArguments(fp16=True)


@pytest.mark.parametrize(
    ("old", "value", "new", "expected", "word"),
    [
        ("evaluation_strategy", "epoch", "eval_strategy", "epoch", "evaluation_strategy is now eval_strategy"),
        ("warmup_ratio", 0.1, "warmup_steps", 0.1, "warmup_ratio is now warmup_steps with a number below 1"),
        ("no_cuda", True, "use_cpu", True, "no_cuda is now use_cpu"),
        (
            "group_by_length",
            True,
            "train_sampling_strategy",
            "group_by_length",
            "group_by_length is now train_sampling_strategy='group_by_length'",
        ),
        ("group_by_length", False, "train_sampling_strategy", "random", "group_by_length is now"),
        ("per_gpu_train_batch_size", 4, "per_device_train_batch_size", 4, "is now per_device_train_batch_size"),
        ("gradient_checkpointing", True, "activation_checkpointing", True, "is now activation_checkpointing"),
    ],
)
def test_version_4_spellings_are_accepted_with_a_word_about_the_new_one(old, value, new, expected, word):
    with pytest.warns(FutureWarning, match=word):
        args = TrainingArguments(**{old: value})
    assert getattr(args, new) == expected


def test_an_old_and_a_new_spelling_at_once_are_refused():
    with pytest.raises(SettingsError, match="'no_cuda' is the former name of 'use_cpu', and both are given"):
        TrainingArguments(no_cuda=True, use_cpu=True)


def test_an_unknown_argument_is_refused_with_a_near_suggestion():
    with pytest.raises(SettingsError, match="there is no argument 'learning_rat'; did you mean 'learning_rate'?"):
        TrainingArguments(learning_rat=1e-5)


def test_all_faults_are_listed_at_once():
    with pytest.raises(SettingsError) as raised:
        TrainingArguments(learning_rate=-1, eval_strategy="step", adam_beta1=1.0, save_total_limit=0, save_steps=2.5)
    message = str(raised.value)
    assert "learning_rate=-1 must be at least 0" in message
    assert "eval_strategy='step' is not one of no, steps, epoch; did you mean 'steps'?" in message
    assert "adam_beta1=1.0 must be at least 0 and below 1" in message
    assert "save_total_limit=0 must be at least 1" in message
    assert "save_steps=2.5 must be a whole number of steps, or a share of all steps below 1" in message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"load_best_model_at_end": True}, "load_best_model_at_end needs an eval_strategy"),
        (
            {"load_best_model_at_end": True, "eval_strategy": "epoch"},
            "needs save_strategy and eval_strategy to agree, or save_strategy='best': 'steps' and 'epoch'",
        ),
        (
            {"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 200, "save_steps": 500},
            "needs save_steps to be a multiple of eval_steps: 500 and 200",
        ),
        ({"save_strategy": "best"}, "save_strategy='best' needs an eval_strategy"),
        ({"max_tokens_per_batch": 100, "dataloader_drop_last": True}, "dataloader_drop_last and max_tokens_per_batch"),
        (
            {"max_tokens_per_batch": 100, "train_sampling_strategy": "sequential"},
            "max_tokens_per_batch puts texts of like length together; train_sampling_strategy='sequential' cannot hold",
        ),
        ({"report_to": "wandb"}, "report_to='wandb' is not supported; there is: none, tensorboard"),
        ({"dataloader_prefetch_factor": 2}, "dataloader_prefetch_factor needs dataloader_num_workers above 0"),
    ],
)
def test_contradictions_are_named(given, message):
    with pytest.raises(SettingsError) as raised:
        TrainingArguments(**given)
    assert message in str(raised.value)


def test_what_follows_from_what_is_given():
    args = TrainingArguments(eval_strategy="steps", save_strategy="steps", load_best_model_at_end=True, logging_steps=5)
    assert (args.eval_steps, args.metric_for_best_model, args.greater_is_better) == (5, "loss", False)
    assert TrainingArguments(metric_for_best_model="accuracy").greater_is_better is True
    assert TrainingArguments().output_dir == "trainer_output"


def test_warm_up_below_one_is_a_share_of_all_steps():
    assert TrainingArguments(warmup_steps=0.06).get_warmup_steps(101) == 7
    assert TrainingArguments(warmup_steps=10).get_warmup_steps(101) == 10


def test_settings_go_into_json():
    assert json.loads(TrainingArguments(seed=3).to_json_string())["seed"] == 3


def test_bfloat16_is_taken_where_it_is_and_refused_with_a_reason_where_not():
    reason = why_not_bfloat16(TrainingArguments(use_cpu=True).device)
    if reason is None:
        assert TrainingArguments(bf16=True, use_cpu=True).bf16
    else:
        with pytest.raises(SettingsError, match=f"bf16=True: {reason}; leave it out to train in float32"):
            TrainingArguments(bf16=True, use_cpu=True)


def test_the_device_is_the_cpu_when_asked():
    assert TrainingArguments(use_cpu=True).device == torch.device("cpu")
