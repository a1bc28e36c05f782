"""The checkers of folders and configs find what they are for: each thing read or written wrongly fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from bert_cases import bert_inputs, bert_pair, classes, settings_of
from checkers import make_pair
from file_checkers import (
    assert_config_round_trip,
    assert_reads_ours,
    assert_reads_theirs,
    assert_same_config_defaults,
    assert_same_files,
)
from mutations import fails

from enfold import BertConfig, BertForSequenceClassification

HEAD = "ForSequenceClassification"


def kind_of(**members: Any) -> type:
    """Our class with some of its members replaced."""
    return type("BertForSequenceClassification", (BertForSequenceClassification,), members)


def from_pretrained_then(change: Callable[[Any], None]) -> Any:
    def from_pretrained(cls: type, folder: Path) -> Any:
        model = BertForSequenceClassification.from_pretrained(folder)
        change(model)
        return model

    return classmethod(from_pretrained)


def without(name: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.get_parameter(name).data.zero_()

    return change


def said_new(model: Any) -> None:
    model.loading_report = dataclasses.replace(model.loading_report, initialised=("classifier.weight",))


def said_unused(model: Any) -> None:
    model.loading_report = dataclasses.replace(model.loading_report, unused=("bert.pooler.dense.bias",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("bert.pooler.dense.bias"), "off by"),
        (said_new, "initialised: classifier.weight"),
        (said_unused, "unused: bert.pooler.dense.bias"),
        (lambda model: model.train(), "evaluation mode"),
    ],
)
def test_a_folder_of_theirs_read_wrongly(change: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    pair, inputs = bert_pair(HEAD, "gelu"), bert_inputs(HEAD, "gelu", "right")
    assert_reads_theirs(BertForSequenceClassification, pair, inputs, tmp_path)
    wrong = kind_of(from_pretrained=from_pretrained_then(change))
    fails(assert_reads_theirs, wrong, pair, inputs, tmp_path, match=message)


def transposed(state: dict[str, torch.Tensor]) -> None:
    name = "bert.pooler.dense.weight"
    state[name] = state[name].t().contiguous()


def renamed(state: dict[str, torch.Tensor]) -> None:
    state["bert.pooler.bias"] = state.pop("bert.pooler.dense.bias")


def dropped(state: dict[str, torch.Tensor]) -> None:
    del state["classifier.bias"]


def halved(state: dict[str, torch.Tensor]) -> None:
    state["classifier.bias"] = state["classifier.bias"].half()


@pytest.mark.parametrize(
    ("change", "read_message", "file_message"),
    [
        (transposed, "off by", "pooler.dense.weight is written with other values"),
        (renamed, "missing_keys", "lacks .*pooler.dense.bias.*besides .*pooler.bias"),
        (dropped, "missing_keys", "lacks .*classifier.bias"),
        (halved, None, "classifier.bias is written as torch.float16"),
    ],
)
def test_a_folder_of_ours_written_wrongly(
    change: Callable[[dict[str, torch.Tensor]], None], read_message: str | None, file_message: str, tmp_path: Path
) -> None:
    def tensors_to_write(model: Any) -> dict[str, torch.Tensor]:
        state = BertForSequenceClassification.tensors_to_write(model)
        change(state)
        return state

    right, inputs = bert_pair(HEAD, "gelu"), bert_inputs(HEAD, "gelu", "right")
    wrong = make_pair(kind_of(tensors_to_write=tensors_to_write), classes(HEAD)[1], settings_of(HEAD, "gelu"))
    assert_same_files(right, tmp_path / "right")
    fails(assert_same_files, wrong, tmp_path / "wrong", match=file_message)
    assert_reads_ours(classes(HEAD)[1], right, inputs, tmp_path / "read right")
    if read_message is not None:
        fails(assert_reads_ours, classes(HEAD)[1], wrong, inputs, tmp_path / "read wrong", match=read_message)


class WrongDefault(BertConfig):
    layer_norm_eps: float = 1e-5


class KeyTooMany(BertConfig):
    number_of_poolers: int = 1


class ForgetsWhenWriting(BertConfig):
    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in super().to_json().items() if key != "hidden_act"}


class ForgetsWhenReading(BertConfig):
    @classmethod
    def from_dict(cls, values: Any, **overrides: Any) -> Any:
        known = {key: value for key, value in values.items() if key in (*cls.field_names(), "model_type")}
        return super().from_dict(known, **overrides)


class RoundsWhenWriting(BertConfig):
    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"hidden_dropout_prob": round(self.hidden_dropout_prob, 1)}


def test_configs_with_other_defaults_or_keys() -> None:
    assert_same_config_defaults(BertConfig, transformers.BertConfig)
    fails(assert_same_config_defaults, WrongDefault, transformers.BertConfig, match="layer_norm_eps: 1e-05")
    fails(assert_same_config_defaults, KeyTooMany, transformers.BertConfig, match="besides .*number_of_poolers")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (KeyTooMany, "besides .*number_of_poolers"),
        (ForgetsWhenWriting, "hidden_act: .gelu"),
        (ForgetsWhenReading, "lacks .*a_key_of_ones_own"),
        (RoundsWhenWriting, "hidden_dropout_prob: 0.2,"),
    ],
)
def test_configs_that_lose_something_on_the_way(wrong: type, message: str, tmp_path: Path) -> None:
    settings = {"hidden_act": "relu", "a_key_of_ones_own": 1, "hidden_dropout_prob": 0.25}
    assert_config_round_trip(BertConfig, transformers.BertConfig, settings, tmp_path / "right")
    fails(assert_config_round_trip, wrong, transformers.BertConfig, settings, tmp_path / "wrong", match=message)
