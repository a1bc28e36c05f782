"""BERT that writes, and the BERT checkpoints of other languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from bert_cases import CONFIGS
from checkers import assert_same_outputs
from encoder_parity import EncoderParity
from family_parity import DecoderParity
from file_checkers import assert_config_round_trip, assert_reads_older
from mutations import fails, shift

import enfold
from enfold import errors

USUAL = {
    "gelu": CONFIGS["gelu"],
    "relu": CONFIGS["relu"] | {"vocab_size": 43},
    "gelu_new": CONFIGS["gelu_new"] | {"pad_token_id": 7},
}


class TestBertDecoder(DecoderParity):
    """With ``is_decoder`` a token sees only what stands before it."""

    prefix = "Bert"
    heads = ("LMHeadModel",)
    configs = {name: values | {"is_decoder": True} for name, values in USUAL.items()}
    no_dropout = EncoderParity.dropouts


class TestBertLanguageHead(EncoderParity):
    """Without it, all of the row."""

    prefix = "Bert"
    heads = ("LMHeadModel",)
    configs = USUAL
    no_dropout = EncoderParity.dropouts


@pytest.mark.parametrize("config", USUAL)
def test_a_stack_without_a_head_can_be_a_decoder_too(config: str) -> None:
    assert_same_outputs(TestBertDecoder.pair("Model", config), TestBertDecoder.inputs("Model", config, "right"))


def test_a_decoder_that_sees_what_comes_is_found() -> None:
    pair, inputs = TestBertDecoder.pair("LMHeadModel", "gelu"), TestBertDecoder.inputs("LMHeadModel", "gelu", "right")
    assert_same_outputs(pair, inputs, exact=1e-5)
    pair.ours.bert.spec = TestBertLanguageHead.pair("LMHeadModel", "gelu").ours.bert.spec
    fails(assert_same_outputs, pair, inputs, exact=1e-5, match="off by")


def test_cross_attention_is_refused_by_name() -> None:
    with pytest.raises(errors.InputError, match="add_cross_attention=True is not supported for model type 'bert'"):
        enfold.BertConfig(is_decoder=True, add_cross_attention=True)


def test_without_is_decoder_it_cannot_write() -> None:
    ours = TestBertLanguageHead.pair("LMHeadModel", "gelu").ours
    ids = torch.tensor([[5, 6, 7]])
    for write in (
        lambda: ours(input_ids=ids, use_cache=True),
        lambda: ours.begin_decoding(ids.tolist()),
        lambda: ours.generate(ids, max_new_tokens=2),
    ):
        with pytest.raises(errors.InputError, match="see what comes after them, .* is_decoder=True makes it a decoder"):
            write()


def test_the_auto_class_takes_it() -> None:
    config = enfold.BertConfig(**CONFIGS["gelu"], is_decoder=True)
    assert type(enfold.AutoModelForCausalLM.from_config(config)) is enfold.BertLMHeadModel


# ---- checkpoints of Chinese -----------------------------------------------------------------------------------------

# What the config.json of bert-base-chinese, and of those whose words were masked whole, holds besides.
CHINESE: dict[str, Any] = {
    "architectures": ["BertForMaskedLM"],
    "attention_probs_dropout_prob": 0.1,
    "directionality": "bidi",
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "pooler_fc_size": 768,
    "pooler_num_attention_heads": 12,
    "pooler_num_fc_layers": 3,
    "pooler_size_per_head": 128,
    "pooler_type": "first_token_transform",
    "type_vocab_size": 2,
}
WHOLE_WORDS = {"bos_token_id": 0, "eos_token_id": 2, "output_past": True}
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
}
CHARACTERS = "我們今天去北京看電影你好中国人民银行的是不了在有这他上来"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, "hello", "##s", "，", "。"]


class TestChineseBert(EncoderParity):
    prefix = "Bert"
    heads = ("ForMaskedLM", "ForTokenClassification")
    configs = {
        "characters": CHINESE | SIZES | {"vocab_size": len(VOCABULARY)},
        "whole words": CHINESE | WHOLE_WORDS | SIZES | {"vocab_size": len(VOCABULARY)},
    }
    masks = ("none", "left")
    no_dropout = EncoderParity.dropouts


@pytest.mark.parametrize("more", [{}, WHOLE_WORDS], ids=["characters", "whole words"])
def test_a_config_of_chinese_goes_both_ways(more: dict[str, Any], tmp_path: Path) -> None:
    settings = CHINESE | more | {"vocab_size": 21128}
    assert_config_round_trip(enfold.BertConfig, transformers.BertConfig, settings, tmp_path)
    assert enfold.BertConfig(**settings).pooler_type == "first_token_transform"


def test_chinese_text_to_scores_from_the_files_of_a_folder(tmp_path: Path) -> None:
    """Older tensor names, vocab.txt alone, characters as tokens: the same ids and the same scores."""
    head = "ForMaskedLM"
    pair = TestChineseBert.pair(head, "whole words")
    inputs = TestChineseBert.inputs(head, "whole words", "right")
    stored = {"bert.embeddings.position_ids": torch.arange(32)[None]}
    assert_reads_older(enfold.BertForMaskedLM, pair, inputs, tmp_path, EncoderParity.renamed, stored)
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    texts = ["今天去北京，看電影。", "你好 hellos", "中国人民银行"]
    ours = enfold.AutoTokenizer.from_pretrained(tmp_path)(texts, padding=True, return_tensors="pt")
    theirs = transformers.BertTokenizer.from_pretrained(tmp_path)(texts, padding=True, return_tensors="pt")
    assert ours["input_ids"].tolist() == theirs["input_ids"].tolist()
    assert ours["input_ids"][2, :8].tolist() == [2, *(VOCABULARY.index(one) for one in "中国人民银行"), 3]
    read = enfold.AutoModelForMaskedLM.from_pretrained(tmp_path)
    real = theirs["attention_mask"].bool()
    own, other = read(**ours).logits[real], pair.theirs(**theirs).logits[real]
    torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)


def test_wrong_places_are_found() -> None:
    pair, inputs = TestBertDecoder.pair("LMHeadModel", "relu"), TestBertDecoder.inputs("LMHeadModel", "relu", "left")
    shift(pair.ours.bert.embeddings.position_embeddings, lambda places: places + 1)
    fails(assert_same_outputs, pair, inputs, match="off by")
