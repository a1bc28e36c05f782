"""FlauBERT computes what ``transformers``' does, and its folders go both ways."""

from __future__ import annotations

import copy
import pickle
from typing import Any, ClassVar

import pytest
import torch
from checkers import Pair, assert_close, assert_same_outputs
from family_parity import FamilyParity
from mutations import fails, shift
from torch import Tensor
from transformers.cache_utils import EncoderDecoderCache
from transformers.models.flaubert.modeling_flaubert import MultiHeadAttention, create_sinusoidal_embeddings

import enfold
from enfold.errors import InputError
from enfold.layers.linear import Int8Linear

SMALL = {"vocab_size": 61, "emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 16}


def _languages(settings: dict[str, Any], shape: Any, generator: torch.Generator) -> Tensor:
    return torch.randint(0, settings.get("n_langs", 1), shape, generator=generator)


@pytest.fixture(autouse=True)
def _theirs_runs_with_norms_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``pre_norm`` theirs takes one block's part of a cache, which cannot be taken, and loses its weights."""
    forward = MultiHeadAttention.forward
    monkeypatch.setattr(EncoderDecoderCache, "__getitem__", lambda cache, number: None, raising=False)
    monkeypatch.setattr(
        MultiHeadAttention, "forward", lambda *given, **named: forward(*given, **named | {"output_attentions": True})
    )


class TestFlaubert(FamilyParity):
    prefix = "Flaubert"
    exact = 1e-5  # theirs takes the softmax in float32 whatever the model is in
    heads = (
        "Model",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForMultipleChoice",
        "ForQuestionAnsweringSimple",
        "WithLMHeadModel",
    )
    more: ClassVar[dict[str, Any]] = {"langs": _languages}
    no_dropout = ("dropout", "attention_dropout", "summary_first_dropout", "summary_last_dropout", "layerdrop")
    configs = {
        "usual": SMALL,
        "norms in front, languages": SMALL
        | {
            "pre_norm": True,
            "n_langs": 3,
            "layerdrop": 0.2,
            "summary_type": "mean",
            "layer_norm_eps": 1e-3,
            "gelu_activation": False,
            "pad_token_id": 7,
        },
        "fixed positions, untied": SMALL
        | {
            "vocab_size": 53,
            "sinusoidal_embeddings": True,
            "n_langs": 2,
            "use_lang_emb": False,
            "tie_word_embeddings": False,
            "n_layers": 3,
            "n_heads": 2,
            "layer_norm_eps": 1e-6,
        },
    }

    @classmethod
    def pair(cls, head: str, config: str, **more: Any) -> Pair:
        pair = super().pair(head, config, **more)
        # Sines and cosines are not trained (in theirs they are since version 5, which the paper's code does not).
        fixed = pair.theirs.base_model.config.sinusoidal_embeddings
        pair.theirs.base_model.position_embeddings.weight.requires_grad_(not fixed)
        return pair

    @classmethod
    def pad_id(cls, settings: dict[str, Any]) -> int | None:
        return settings.get("pad_token_id", 2)

    @classmethod
    def labels(cls, head: str, settings: dict[str, Any], *more: Any) -> dict[str, Tensor]:
        return super().labels("ForMaskedLM" if head == "WithLMHeadModel" else head, settings, *more)


# ---- the traps ------------------------------------------------------------------------------------------------------

HEAD = "ForTokenClassification"


def _inputs(config: str, mask: str, head: str = HEAD) -> dict[str, Any]:
    return TestFlaubert.inputs(head, config, mask)


@pytest.mark.parametrize("config", TestFlaubert.configs)
def test_masked_places_in_between(config: str) -> None:
    assert_same_outputs(TestFlaubert.pair(HEAD, config), _inputs(config, "holes"), exact=1e-5)


def test_without_a_mask_rows_end_where_padding_ids_are_counted() -> None:
    pair, inputs = TestFlaubert.pair(HEAD, "usual"), _inputs("usual", "right")
    real = inputs.pop("attention_mask") != 0
    ours, theirs = pair.ours(**inputs), pair.theirs(**inputs)
    assert_close("logits", ours.logits[real], theirs.logits[real], 1e-4)
    assert_close("loss", ours.loss, theirs.loss, 1e-4)


@pytest.mark.parametrize("mask", ["none", "left"])
def test_token_types_are_words_that_are_added(mask: str) -> None:
    inputs = _inputs("usual", mask)
    inputs["token_type_ids"] = torch.randint(0, 61, (4, 9), generator=torch.Generator().manual_seed(1))
    assert_same_outputs(TestFlaubert.pair(HEAD, "usual"), inputs, exact=1e-5)


def test_without_languages_none_is_added() -> None:
    inputs = _inputs("norms in front, languages", "right")
    del inputs["langs"]
    pair = TestFlaubert.pair(HEAD, "norms in front, languages")
    ours = pair.ours(**inputs)
    theirs = pair.theirs(**inputs)
    real = inputs["attention_mask"] != 0
    assert_close("logits", ours.logits[real], theirs.logits[real], 1e-4)


@pytest.mark.parametrize("mask", ["none", "right", "left"])
@pytest.mark.parametrize("kind", ["first", "last", "mean", "cls_index"])
def test_a_summary_reads_places_of_the_row_and_padding_is_zero(kind: str, mask: str) -> None:
    head = "ForSequenceClassification"
    settings = {"summary_type": kind, "summary_activation": "tanh", "summary_last_dropout": 0.2}
    pair, inputs = TestFlaubert.pair(head, "usual", **settings), _inputs("usual", mask, head)
    assert_close("logits", pair.ours(**inputs).logits, pair.theirs(**inputs).logits, 1e-4)
    if kind == "last" and mask == "right":
        assert torch.allclose(pair.ours(**inputs).logits[1], pair.ours.sequence_summary.summary.bias.tanh())


def test_both_names_of_special_ids_and_of_the_vocabulary_are_read() -> None:
    config = enfold.FlaubertConfig(n_words=99, pad_index=7, bos_index=8, eos_index=9)
    assert (config.vocab_size, config.pad_token_id, config.bos_token_id, config.eos_token_id) == (99, 7, 8, 9)


def test_fixed_positions_go_by_turns() -> None:
    model = enfold.FlaubertModel(enfold.FlaubertConfig(**SMALL, sinusoidal_embeddings=True))
    expected = create_sinusoidal_embeddings(16, 32, torch.empty(16, 32))
    torch.testing.assert_close(model.position_embeddings.weight.detach(), expected)


def test_parts_in_lists_are_copied_pickled_and_replaced() -> None:
    pair, inputs = TestFlaubert.pair(HEAD, "usual"), _inputs("usual", "right")
    expected = pair.ours(**inputs).logits
    for model in (copy.deepcopy(pair.ours), pickle.loads(pickle.dumps(pair.ours))):
        assert torch.equal(model(**inputs).logits, expected)
        model.transformer.ffns[1].lin1 = torch.nn.Identity()
        with pytest.raises(RuntimeError):
            model(**inputs)
    assert torch.equal(pair.ours(**inputs).logits, expected)


def test_maps_in_all_lists_are_quantised() -> None:
    pair, inputs = TestFlaubert.pair(HEAD, "usual"), _inputs("usual", "right")
    quantised = enfold.quantise(pair.ours)
    assert sum(isinstance(module, Int8Linear) for module in quantised.modules()) == 2 * 6
    assert isinstance(pair.ours.transformer.ffns[0].lin1, torch.nn.Linear)
    assert quantised(**inputs).logits.shape == (4, 9, 5)


def test_what_is_not_honoured_is_refused_by_name() -> None:
    for name, value in {"asm": True, "causal": True, "is_encoder": False, "summary_type": "attn"}.items():
        with pytest.raises(InputError, match=f"{name}={value!r} is not supported for model type 'flaubert'"):
            enfold.FlaubertConfig(**{name: value})
    with pytest.raises(AttributeError, match="did you mean 'FlaubertForQuestionAnsweringSimple'"):
        _ = enfold.FlaubertForQuestionAnswering
    with pytest.raises(TypeError, match="takes no argument 'lengths'"):
        TestFlaubert.pair(HEAD, "usual").ours(torch.tensor([[4]]), lengths=torch.tensor([1]))


def test_a_language_or_type_that_is_not_there_is_refused() -> None:
    model = TestFlaubert.pair("Model", "norms in front, languages").ours
    with pytest.raises(InputError, match="example 0, position 1: language 3 is not one of 0 to 2"):
        model(torch.tensor([[4, 5]]), langs=torch.tensor([[0, 3]]))
    with pytest.raises(InputError, match="example 0, position 0: token type 61 is not one of 0 to 60"):
        model(torch.tensor([[4, 5]]), token_type_ids=torch.tensor([[61, 3]]))
    with pytest.raises(InputError, match="example 0, position 1: token id 61 is outside the vocabulary"):
        model(torch.tensor([[4, 61]]))


# ---- mutations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [{"gelu_activation": False}, {"pre_norm": True}, {"layer_norm_eps": 1e-2}],
    ids=lambda fault: next(iter(fault)),
)
def test_a_wrong_setting_is_seen(fault: dict[str, Any]) -> None:
    pair = TestFlaubert.pair(HEAD, "usual")
    settings = TestFlaubert.settings(HEAD, "usual", **fault)
    wrong = enfold.FlaubertForTokenClassification(enfold.FlaubertConfig(**settings))
    wrong.load_state_dict(pair.ours.state_dict())
    fails(
        assert_same_outputs, Pair(wrong.eval(), pair.theirs), _inputs("usual", "right"), exact=None, match="is off by"
    )


@pytest.mark.parametrize("table", ["position_embeddings", "lang_embeddings"])
def test_a_place_or_language_that_is_off_by_one_is_seen(table: str) -> None:
    config = "norms in front, languages"
    pair, inputs = TestFlaubert.pair(HEAD, config), _inputs(config, "left")
    shift(pair.ours.get_submodule(f"transformer.{table}"), lambda numbers: (numbers + 1) % 3)
    fails(assert_same_outputs, pair, inputs, exact=None, match="is off by")
