"""Labels that are only named with the call: by inference as transformers does, and by embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import transformers
from tiny_models import FORGED, SENTENCES, saved, tiny, wordpiece

from enfold import pipeline
from enfold.errors import InputError, LabelError
from enfold.pipelines import EmbeddingZeroShotPipeline, Pooling, ZeroShotClassificationPipeline

NLI = {0: "contradiction", 1: "neutral", 2: "entailment"}
LABELS = ["travel", "food", "science"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny("ForSequenceClassification", wordpiece(64), length=64, id2label=NLI)
    return saved(model, tmp_path_factory.mktemp("nli") / "model")


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("labels", [LABELS, ["food"], "travel, food"], ids=["three", "one", "commas"])
def test_the_same_as_transformers(folder: Path, multi_label: bool, labels):
    theirs = transformers.pipeline("zero-shot-classification", model=str(folder))
    ours = pipeline("zero-shot-classification", folder)
    assert isinstance(ours, ZeroShotClassificationPipeline)
    template = "This text is about {}!"
    predictions = ours(SENTENCES[:4], labels, hypothesis_template=template, multi_label=multi_label)
    for text, prediction in zip(SENTENCES[:4], predictions, strict=True):
        expected = theirs(text, labels, hypothesis_template=template, multi_label=multi_label)
        assert list(prediction.labels) == expected["labels"]
        assert list(prediction["scores"]) == pytest.approx(expected["scores"], abs=1e-5)
        assert (prediction.label, prediction.score) == (prediction.labels[0], prediction.scores[0])
        assert prediction.multi_label is multi_label


def test_a_long_text_is_read_in_windows_with_the_hypothesis_whole_in_each(folder: Path):
    classify = pipeline("zero-shot-classification", folder, max_length=32, stride=4)
    (encoded,) = classify.encode([" ".join(SENTENCES)], LABELS)
    (prediction,) = classify(" ".join(SENTENCES), LABELS)
    assert prediction.windows > 3
    rows = classify.run(encoded.windows)
    means, start = [], 0
    for one in encoded.read:
        means.append(one.weighted(rows[start : start + len(one.windows)])[2])
        start += len(one.windows)
    expected = np.exp(means) / np.exp(means).sum()
    assert dict(zip(prediction.labels, prediction.scores, strict=True)) == pytest.approx(
        dict(zip(LABELS, expected, strict=True)), abs=1e-5
    )
    for window in encoded.windows:
        hypothesis = [t for t, of in zip(window.tokens, window.sequence_ids, strict=True) if of == 1]
        assert "".join(token.removeprefix("##") for token in hypothesis).startswith("thisexampleis")


def test_special_tokens_in_text_and_label_are_plain_text(folder: Path):
    (encoded,) = pipeline("zero-shot-classification", folder).encode([FORGED], [f"food {FORGED}", "travel"])
    for window in encoded.windows:
        assert [number for number in window.ids if number in (0, 2, 3, 4)] == [2, 3, 3]


def test_by_embeddings_the_nearest_label_wins():
    model = tiny("Model", wordpiece(64), length=64)
    classify = pipeline("zero-shot-classification", model, pooling=Pooling(normalise=True), temperature=0.1)
    assert isinstance(classify, EmbeddingZeroShotPipeline)
    vectors = classify.embed([SENTENCES[0], *(f"This example is {label}." for label in LABELS)]).astype(np.float64)
    cosines = vectors[1:] @ vectors[0]
    (prediction,) = classify(SENTENCES[0], LABELS)
    expected = np.exp(cosines / 0.1) / np.exp(cosines / 0.1).sum()
    assert prediction.label == LABELS[int(cosines.argmax())]
    assert list(prediction.scores) == pytest.approx(sorted(expected, reverse=True), abs=1e-5)
    (each,) = classify(SENTENCES[0], LABELS, multi_label=True)
    assert list(each.scores) == pytest.approx(sorted(np.clip(cosines, 0, 1), reverse=True), abs=1e-5)


def test_the_three_steps_give_what_the_call_gives():
    classify = pipeline("zero-shot-classification", tiny("Model", wordpiece(64), length=64))
    for encoded, called in zip(classify.encode(SENTENCES, LABELS), classify(SENTENCES, LABELS), strict=True):
        stepped = classify.decide(encoded, [classify.logits([window])[0] for window in encoded.windows])
        assert stepped.labels == called.labels
        assert stepped.scores == pytest.approx(called.scores, abs=1e-5)


@pytest.mark.parametrize("which", ["inference", "embeddings"])
@pytest.mark.parametrize(
    ("labels", "arguments", "message"),
    [
        ([], {}, "there are no candidate labels: name at least one"),
        ("", {}, "there are no candidate labels: name at least one"),
        (["food", " "], {}, "candidate label 1 is empty: name it, or leave it out"),
        ("food,,travel", {}, "candidate label 1 is empty"),
        (["food", "food "], {}, "candidate labels must differ; given more than once: 'food'"),
        (["food", None], {}, "candidate label 1 is a NoneType, not a str"),
        (["food"], {"hypothesis_template": "about it"}, "the hypothesis template 'about it' has no {} where the label"),
    ],
)
def test_labels_that_cannot_be_chosen_from_are_named(folder: Path, which: str, labels, arguments: dict, message: str):
    model = folder if which == "inference" else tiny("Model", wordpiece(64), length=64)
    with pytest.raises(InputError) as error:
        pipeline("zero-shot-classification", model)("Ada", labels, **arguments)
    assert message in str(error.value)


def test_a_model_that_was_not_trained_on_inference_is_refused():
    model = tiny("ForSequenceClassification", wordpiece(), id2label={0: "ham", 1: "spam"})
    with pytest.raises(LabelError, match="it has: ham, spam: give entailment=, or use a model trained on"):
        pipeline("zero-shot-classification", model)
    assert pipeline("zero-shot-classification", model, entailment="spam")("Ada", LABELS)[0].label in LABELS
    three = tiny("ForSequenceClassification", wordpiece(), id2label={0: "no", 1: "maybe", 2: "entailment"})
    with pytest.raises(LabelError, match="judging a label by itself needs a model with a label for contradiction"):
        pipeline("zero-shot-classification", three)("Ada", LABELS, multi_label=True)
    with pytest.raises(InputError, match="temperature=0 must be above 0"):
        pipeline("zero-shot-classification", tiny("Model", wordpiece()), temperature=0)
