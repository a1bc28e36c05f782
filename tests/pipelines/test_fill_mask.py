"""Masks filled as transformers does; the mask is special in a text, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers
from tiny_models import SENTENCES, bytes_without_types, saved, tiny, wordpiece

from enfold import pipeline
from enfold.errors import InputError
from enfold.pipelines.fill_mask import reading_masks

TEXTS = ["Ada met [MASK] in London.", "[MASK]", "The [MASK] of the prize was a nurse.", "王小明在[MASK]京大学。"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny("ForMaskedLM", wordpiece(64), length=64), tmp_path_factory.mktemp("mlm") / "model")


@pytest.fixture(scope="module")
def fill(folder: Path):
    return pipeline("fill-mask", folder)


def test_the_same_tokens_as_transformers(folder: Path, fill):
    theirs = transformers.pipeline("fill-mask", model=str(folder))
    for text, prediction in zip(TEXTS, fill(TEXTS), strict=True):
        (mask,) = prediction.masks
        expected = theirs(text)
        assert [(one.token, one.token_id) for one in mask.candidates] == [
            (e["token_str"], e["token"]) for e in expected
        ]
        assert [one.score for one in mask.candidates] == pytest.approx([e["score"] for e in expected], rel=1e-4)
        assert text[mask.start : mask.end] == "[MASK]"
        assert prediction.text == mask.candidates[0].text == text.replace("[MASK]", mask.candidates[0].token)


def test_several_masks_are_each_judged_with_the_others_masked(folder: Path, fill):
    text = "[MASK] met [MASK] in [MASK]"
    theirs = transformers.pipeline("fill-mask", model=str(folder))(text)
    (prediction,) = fill(text)
    assert [[one.token_id for one in mask.candidates] for mask in prediction.masks] == [
        [candidate["token"] for candidate in row] for row in theirs
    ]
    best = [mask.candidates[0].token for mask in prediction.masks]
    assert prediction.text == f"{best[0]} met {best[1]} in {best[2]}"
    assert prediction.masks[1].candidates[0].text == f"[MASK] met {best[1]} in [MASK]"


def test_targets_are_the_only_tokens_and_keep_their_probability(folder: Path, fill):
    theirs = transformers.pipeline("fill-mask", model=str(folder))(TEXTS[0], targets=["london", "prize"])
    (prediction,) = fill(TEXTS[0], targets=["london", "prize"])
    assert {one.token: one.score for one in prediction.masks[0].candidates} == pytest.approx(
        {one["token_str"]: one["score"] for one in theirs}, rel=1e-4
    )
    assert [one.token for one in fill(TEXTS[0], targets="London", top_k=9)[0].masks[0].candidates] == ["london"]


def test_masks_of_a_long_text_are_read_where_they_have_context(folder: Path):
    """Windows without a mask do not run; a mask in two windows is filled in the one that knows it better."""
    fill = pipeline("fill-mask", folder, max_length=24, stride=10)
    text = f"{SENTENCES[0]} {SENTENCES[1]} {SENTENCES[2]} Call [MASK] now. {SENTENCES[3]} {SENTENCES[4]} [MASK]"
    (encoded,) = fill.encode([text])
    assert len(encoded.windows) < len(encoded.text.windows)
    (prediction,) = fill(text)
    assert [text[mask.start : mask.end] for mask in prediction.masks] == ["[MASK]", "[MASK]"]
    window, row = encoded.places[0]
    logits = fill.logits([encoded.windows[window]])[0][row]
    assert prediction.masks[0].candidates[0].token_id == int(logits.argmax())


def test_every_special_token_but_the_mask_is_plain_text(fill):
    (encoded,) = fill.encode(["[CLS] [SEP] [PAD] [MASK] [UNK]"])
    ids = list(encoded.windows[0].ids)
    assert [number for number in ids if number in (0, 2, 3, 4)] == [2, 4, 3]
    assert ids.index(4) > 3


def test_a_mask_that_takes_the_blank_before_it():
    """As RoBERTa's: the filled text has one blank there, and the other special tokens are still plain text."""
    tokenizer = bytes_without_types()
    fill = pipeline("fill-mask", tiny("ForMaskedLM", tokenizer), top_k=300)
    (prediction,) = fill("Ada met <mask> in <s> London")
    (mask,) = prediction.masks
    assert (mask.start, mask.end) == (8, 14)
    for candidate in mask.candidates:
        assert candidate.text.startswith("Ada met ")
        assert candidate.text.endswith(" in <s> London")
        assert not candidate.text.startswith("Ada met  ") or not candidate.token.strip()
    (encoded,) = fill.encode(["Ada met <mask> in <s> London"])
    assert list(encoded.windows[0].ids).count(tokenizer.cls_token_id) == 1


def test_the_tokenizer_itself_still_reads_the_mask_as_text():
    tokenizer = wordpiece()
    parsing = reading_masks(tokenizer)
    assert tokenizer.mask_token_id in parsing.encode_batch(["a [MASK]"])[0].ids
    assert tokenizer.mask_token_id not in tokenizer.encode_batch(["a [MASK]"])[0].ids


def test_pretraining_models_fill_masks_too():
    model = tiny("ForPreTraining", wordpiece())
    assert len(pipeline("fill-mask", model, top_k=3)(TEXTS[0])[0].masks[0].candidates) == 3


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("Ada met Mary", {}, "text 0 has no mask: write [MASK] where a word is wanted"),
        (["[MASK]", "<mask>"], {}, "text 1 has no mask: write [MASK]"),
        ("", {}, "text 0 has no mask"),
        ("[MASK]", {"targets": []}, "targets is empty: name at least one token, or leave it out"),
        ("[MASK]", {"targets": ["unbelievable prize"]}, "the target 'unbelievable prize' is not one token of this"),
        (["[MASK]", 3], {}, "text 1 is a int, not a str: 3"),
    ],
)
def test_what_cannot_be_filled_is_named(fill, text, arguments: dict, message: str):
    with pytest.raises(InputError) as error:
        fill(text, **arguments)
    assert message in str(error.value)


def test_a_tokenizer_without_a_mask_is_refused():
    tokenizer = wordpiece().with_options(mask_token=None)
    with pytest.raises(InputError, match="this tokenizer has no mask token"):
        pipeline("fill-mask", tiny("ForMaskedLM", wordpiece()), tokenizer)
    with pytest.raises(InputError, match="top_k=0 must be at least 1"):
        pipeline("fill-mask", tiny("ForMaskedLM", wordpiece()), top_k=0)
