"""DistilBERT computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from checkers import assert_same_outputs
from encoder_parity import EncoderParity
from mutations import fails, shift
from torch import nn

import enfold
from enfold import errors

SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "dim": 32,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 48,
    "max_position_embeddings": 24,
}
SINUSOIDAL = SMALL | {"sinusoidal_pos_embds": True, "activation": "gelu_new"}


class TestDistilBert(EncoderParity):
    prefix = "DistilBert"
    heads = (
        "Model",
        "ForMaskedLM",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForMultipleChoice",
        "ForQuestionAnswering",
    )
    configs = {
        "as published": SMALL,
        "sinusoidal": SINUSOIDAL,
        "otherwise": {
            "vocab_size": 47,
            "hidden_size": 40,
            "num_attention_heads": 5,
            "num_hidden_layers": 1,
            "hidden_dim": 64,
            "max_position_embeddings": 24,
            "activation": "relu",
            "pad_token_id": 5,
            "tie_word_embeddings": False,
            "seq_classif_dropout": 0.3,
        },
    }
    dropouts = ("dropout", "attention_dropout", "seq_classif_dropout", "qa_dropout")
    no_dropout = dropouts

    @classmethod
    def classes(cls, head: str) -> tuple[Any, Any]:
        ours, theirs = super().classes(head)
        return ours, with_a_fixed_table(theirs)


def with_a_fixed_table(kind: Any) -> Any:
    """Version 5 trains the table of sines by an oversight; the versions before did not."""

    def freeze(model: Any, _: Any) -> None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not (model.config.sinusoidal_pos_embds and "position_embeddings" in name))

    def build(self: Any, config: Any) -> None:
        kind.__init__(self, config)
        self.register_forward_pre_hook(freeze)

    return type(kind.__name__, (kind,), {"__init__": build})


HEAD = "ForTokenClassification"


def test_sines_and_cosines_by_turns_where_nothing_was_read(tmp_path: Path) -> None:
    ours = enfold.DistilBertModel(enfold.DistilBertConfig(**SINUSOIDAL))
    theirs = transformers.DistilBertModel(transformers.DistilBertConfig(**SINUSOIDAL))
    table, wanted = (model.embeddings.position_embeddings.weight for model in (ours, theirs))
    torch.testing.assert_close(table, wanted.detach(), rtol=0, atol=1e-6)
    assert not table.requires_grad
    ours.save_pretrained(tmp_path)
    read = transformers.DistilBertModel.from_pretrained(tmp_path)
    assert torch.equal(read.embeddings.position_embeddings.weight, table)


def test_a_table_that_was_read_is_used_as_it_is() -> None:
    pair = TestDistilBert.pair(HEAD, "sinusoidal")  # filled at random, as every tensor of a pair is
    table = pair.ours.distilbert.embeddings.position_embeddings.weight
    assert not torch.allclose(table, enfold.DistilBertModel(pair.ours.config).embeddings.position_embeddings.weight)
    assert_same_outputs(pair, TestDistilBert.inputs(HEAD, "sinusoidal", "left"))


@pytest.mark.parametrize("head", ["ForSequenceClassification", "ForMultipleChoice"])
def test_another_activation_behind_the_first_map_of_the_head_is_found(head: str) -> None:
    pair, inputs = TestDistilBert.pair(head, "as published"), TestDistilBert.inputs(head, "as published", "right")
    assert_same_outputs(pair, inputs)
    for wrong in (nn.GELU(), nn.Tanh()):
        pair.ours.activation = wrong
        fails(assert_same_outputs, pair, inputs, match="off by")


def test_a_wrong_epsilon_in_any_norm_is_found() -> None:
    pair, inputs = (
        TestDistilBert.pair("ForMaskedLM", "as published"),
        TestDistilBert.inputs("ForMaskedLM", "as published", "right"),
    )
    norms = [module for module in pair.ours.modules() if isinstance(module, nn.LayerNorm)]
    assert len(norms) == 6
    for norm in norms:
        norm.eps = 1e-6
        fails(assert_same_outputs, pair, inputs, match="off by")
        norm.eps = 1e-12
    assert_same_outputs(pair, inputs)


def test_wrong_places_are_found() -> None:
    pair, inputs = TestDistilBert.pair(HEAD, "as published"), TestDistilBert.inputs(HEAD, "as published", "left")
    shift(pair.ours.distilbert.embeddings.position_embeddings, lambda places: places + 1)
    fails(assert_same_outputs, pair, inputs, match="off by")


def test_the_usual_names_of_sizes_are_understood() -> None:
    config = enfold.DistilBertConfig(hidden_size=24, num_attention_heads=3, num_hidden_layers=1)
    assert (config.dim, config.n_heads, config.n_layers) == (24, 3, 1)
    assert (config.hidden_size, config.num_attention_heads, config.num_hidden_layers) == (24, 3, 1)


def test_token_types_are_refused_unless_all_are_0() -> None:
    ours, ids = TestDistilBert.pair(HEAD, "as published").ours, torch.tensor([[5, 6, 7]])
    ours(input_ids=ids, token_type_ids=torch.zeros_like(ids))
    with pytest.raises(errors.InputError, match="this model has no token types; leave token_type_ids out"):
        ours(input_ids=ids, token_type_ids=torch.ones_like(ids))
