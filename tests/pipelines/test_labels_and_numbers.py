"""Text classification beyond one label: several labels, and numbers, each with its own result."""

from __future__ import annotations

import numpy as np
import pytest
import transformers
from tiny_models import SENTENCES, saved, tiny, wordpiece

from enfold import TextClassificationPipeline, pipeline
from enfold.errors import InputError
from enfold.pipelines import MultiLabelClassificationPipeline, TextRegressionPipeline

TOPICS = {0: "people", 1: "places", 2: "dates"}


def model(**settings):
    return tiny("ForSequenceClassification", wordpiece(64), length=64, **settings)


def theirs(folder, text: str, function: str):
    classify = transformers.pipeline("text-classification", model=str(folder), function_to_apply=function, top_k=None)
    return classify([text])[0]


def test_several_labels_are_judged_each_by_itself(tmp_path):
    folder = saved(model(id2label=TOPICS, problem_type="multi_label_classification"), tmp_path / "model")
    classify = pipeline("text-classification", folder)
    assert isinstance(classify, MultiLabelClassificationPipeline)
    for text in SENTENCES[:4]:
        (prediction,) = classify(text)
        expected = {one["label"]: one["score"] for one in theirs(folder, text, "sigmoid")}
        assert prediction.scores == pytest.approx(expected, abs=1e-5)
        assert list(prediction.scores) == list(TOPICS.values())
        assert set(prediction.labels) == {label for label, score in expected.items() if score >= 0.5}
        assert list(prediction.labels) == sorted(prediction.labels, key=lambda label: -prediction.scores[label])


def test_the_threshold_decides_what_counts_as_said():
    several = model(id2label=TOPICS, problem_type="multi_label_classification")
    assert len(pipeline("text-classification", several, threshold=0.0)("Ada")[0].labels) == 3
    (none,) = pipeline("text-classification", several, threshold=1.0)("Ada")
    assert (none.labels, none.threshold) == ((), 1.0)
    with pytest.raises(InputError, match="threshold=50 must be a probability, from 0 to 1"):
        pipeline("text-classification", several, threshold=50)


@pytest.mark.parametrize("settings", [{"num_labels": 1}, {"num_labels": 3, "problem_type": "regression"}])
def test_numbers_are_the_model_s_own(tmp_path, settings: dict):
    folder = saved(model(**settings), tmp_path / "model")
    rate = pipeline("text-classification", folder)
    assert isinstance(rate, TextRegressionPipeline)
    (prediction,) = rate(SENTENCES[0])
    expected = {one["label"]: one["score"] for one in theirs(folder, SENTENCES[0], "none")}
    assert prediction.outputs == pytest.approx(expected, rel=1e-4)
    assert prediction.value == prediction.outputs["LABEL_0"] == prediction["value"]


def test_a_long_text_s_numbers_are_weighted_by_what_each_window_read_first():
    rate = pipeline("text-classification", model(num_labels=1), max_length=24, stride=4)
    (encoded,) = rate.encode([" ".join(SENTENCES)])
    rows = np.stack(rate.run(encoded.windows))[:, 0]
    (prediction,) = rate(" ".join(SENTENCES))
    assert prediction.windows == len(rows) > 3
    assert prediction.value == pytest.approx(np.average(rows, weights=encoded.first_read), rel=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_labels": 1},
        {"num_labels": 3, "problem_type": "multi_label_classification"},
        {"num_labels": 3, "problem_type": "regression"},
    ],
)
def test_a_class_refuses_a_model_of_another_kind(settings: dict):
    other = model(**settings)
    with pytest.raises(InputError, match="TextClassificationPipeline chooses one label of several; this model has num"):
        TextClassificationPipeline(other, other.tokenizer)


def test_the_other_classes_refuse_what_chooses_one_label():
    single = model(num_labels=3)
    with pytest.raises(InputError, match="MultiLabelClassificationPipeline judges every label by itself; this model"):
        MultiLabelClassificationPipeline(single, single.tokenizer)
    with pytest.raises(InputError, match="TextRegressionPipeline gives numbers; this model has num_labels=3"):
        TextRegressionPipeline(single, single.tokenizer)
