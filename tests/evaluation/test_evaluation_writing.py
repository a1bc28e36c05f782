"""Scores of what models write: ROUGE by hand, BLEU as sacreBLEU has it, perplexity against the model's own loss."""

from __future__ import annotations

import math

import pytest
import torch

from enfold import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel
from enfold.errors import InputError, MissingExtra
from enfold.evaluation import bleu, perplexity, rouge
from enfold.evaluation.rouge import words_of

# ---- ROUGE ----------------------------------------------------------------------------------------------------------


def test_rouge_of_the_paper_s_example():
    """Lin (2004), section 3.1: "police killed the gunman" and two answers that ROUGE-2 cannot tell apart."""
    right = "police killed the gunman"
    kill, gunman = rouge(["police kill the gunman"], [right]), rouge(["the gunman kill police"], [right])
    assert kill.rougeL.f1 == pytest.approx(3 / 4)
    assert gunman.rougeL.f1 == pytest.approx(2 / 4)
    assert kill.rouge2.f1 == gunman.rouge2.f1 == pytest.approx(1 / 3)


def test_rouge_by_hand():
    scores = rouge(["the cat sat on the mat"], ["the cat is on the mat today"])
    assert (scores.rouge1.precision, scores.rouge1.recall) == (pytest.approx(5 / 6), pytest.approx(5 / 7))
    assert scores.rouge1.f1 == pytest.approx(10 / 13)
    # the-cat, on-the, the-mat of 5 and of 6
    assert (scores.rouge2.precision, scores.rouge2.recall) == (pytest.approx(3 / 5), pytest.approx(3 / 6))
    assert scores.rougeL.f1 == pytest.approx(10 / 13)
    assert scores.metrics == {
        "rouge1": scores.rouge1.f1,
        "rouge2": scores.rouge2.f1,
        "rougeL": scores.rougeL.f1,
    }


def test_a_word_counts_as_often_as_both_texts_have_it():
    scores = rouge(["a a a b"], ["a b b"])
    assert (scores.rouge1.precision, scores.rouge1.recall) == (pytest.approx(2 / 4), pytest.approx(2 / 3))


def test_texts_count_alike_and_the_best_reference_counts():
    scores = rouge(["one two", "three"], [["nine", "one two"], "four"])
    assert scores.rouge1.f1 == pytest.approx(0.5)


def test_texts_that_share_nothing_or_hold_nothing_score_0():
    for prediction, right in (("a", "b"), ("", "b"), ("a", ""), ("", ""), ("!", "?")):
        assert rouge([prediction], [right]).metrics == {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}


def test_words_are_lower_case_without_punctuation_in_any_script():
    assert words_of("Ein Mädchen, 3-mal!") == ["ein", "mädchen", "3", "mal"]
    assert words_of("小明 likes 北京。") == ["小", "明", "likes", "北", "京"]
    assert rouge(["北京很大"], ["北京大"]).rougeL.f1 == pytest.approx(6 / 7)
    assert rouge(["ab"], ["ac"], words=list).rouge1.f1 == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (["a"], [], "1 predictions but 0 references"),
        ([], [], "there are no texts to score"),
        (["a", "b"], ["a", []], "text 1 has no reference"),
    ],
)
def test_rouge_needs_a_reference_for_each_text(predictions, references, message):
    with pytest.raises(InputError, match=message):
        rouge(predictions, references)


# ---- BLEU -----------------------------------------------------------------------------------------------------------

WRITTEN = ["Ein Mann steht auf einer Leiter.", "Zwei Hunde spielen im Schnee mit einem Ball."]
RIGHT = ["Ein Mann steht auf einer Leiter.", "Zwei Hunde spielen im Schnee."]


def test_bleu_by_hand():
    """13a makes 7 and 9 words of these; of 16, 14, 12, 10 sequences of one to four words, 13, 10, 8, 6 are right."""
    pytest.importorskip("sacrebleu")
    found = bleu(WRITTEN, RIGHT)
    counts = [(13, 16), (10, 14), (8, 12), (6, 10)]
    assert found.precisions == pytest.approx([100 * right / all_ for right, all_ in counts])
    assert (found.length, found.reference_length, found.brevity_penalty) == (16, 13, 1.0)
    assert found.score == pytest.approx(100 * math.exp(sum(math.log(r / a) for r, a in counts) / 4))
    assert str(found).startswith(f"BLEU {found.score:.2f} (nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_translations_that_are_too_short_are_punished():
    pytest.importorskip("sacrebleu")
    found = bleu(["Ein Mann steht auf"], ["Ein Mann steht auf einer Leiter"])
    assert found.brevity_penalty == pytest.approx(math.exp(1 - 6 / 4))
    assert found.score == pytest.approx(100 * found.brevity_penalty)


def test_case_chinese_words_and_several_references():
    pytest.importorskip("sacrebleu")
    assert bleu(["EIN MANN STEHT HIER"], ["ein mann steht hier"], lowercase=True).score == pytest.approx(100)
    assert bleu(["北京很大很美"], ["北京很大很美"], tokenize="zh").length == 6
    assert bleu([WRITTEN[1]], [[RIGHT[0], WRITTEN[1]]]).score == pytest.approx(100)


@pytest.mark.parametrize(
    ("predictions", "references", "options", "message"),
    [
        (["a"], [], {}, "1 predictions but 0 references"),
        ([], [], {}, "there are no texts to score"),
        (["a", "b"], [["a"], ["a", "b"]], {}, "texts have 1, 2 references"),
        (["a"], ["a"], {"tokenize": "words"}, "tokenize='words' is unknown; sacreBLEU has: 13a"),
    ],
)
def test_bleu_refuses_what_cannot_be_scored(predictions, references, options, message):
    pytest.importorskip("sacrebleu")
    with pytest.raises(InputError, match=message):
        bleu(predictions, references, **options)


def test_bleu_names_the_extra_it_needs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sacrebleu", None)
    with pytest.raises(MissingExtra, match=r"BLEU needs sacrebleu: pip install 'enfold\[translation\]'"):
        bleu(["a"], ["a"])


# ---- perplexity -----------------------------------------------------------------------------------------------------

TEXTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14, 15], [4, 5]]


@pytest.mark.parametrize("budget", [4, 8, 4096])
def test_perplexity_is_over_all_tokens_that_have_one_before_them(budget):
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=16))
    model.train()
    found = perplexity(model, TEXTS, max_tokens=budget)
    assert model.training
    model.eval()
    total = 0.0
    for text in TEXTS:
        if len(text) > 1:
            ids = torch.tensor([text])
            total += model(ids, labels=ids).loss.item() * (len(text) - 1)
    assert found.tokens == 9
    assert found.loss == pytest.approx(total / 9, rel=1e-5)
    assert found.value == pytest.approx(math.exp(total / 9), rel=1e-5)
    assert found.bits_per_byte(["Grüße", "ab"]) == pytest.approx(total / math.log(2) / 9)


def test_a_model_that_knows_nothing_is_as_surprised_as_its_vocabulary_is_large():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=16))
    torch.nn.init.zeros_(model.transformer.wte.weight)
    assert perplexity(model, TEXTS).value == pytest.approx(20, rel=1e-5)


def test_perplexity_refuses_what_it_cannot_measure():
    config = BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    with pytest.raises(InputError, match="BertForMaskedLM is no causal language model"):
        perplexity(BertForMaskedLM(config), TEXTS)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=16))
    with pytest.raises(InputError, match="no text has two tokens"):
        perplexity(model, [[5], []])
    with pytest.raises(InputError, match="the texts have no bytes"):
        perplexity(model, TEXTS).bits_per_byte([""])
