"""What was exported says what the model says, windows and all, in the same typed predictions."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
from exported_models import TEXTS

from enfold import pipeline
from enfold.errors import InputError
from enfold.pipelines import (
    FeatureExtractionPipeline,
    QuestionAnsweringPipeline,
    SentenceSimilarityPipeline,
    TextClassificationPipeline,
    TokenClassificationPipeline,
)


def same(ours, theirs):
    """Two predictions but for id and revision, and scores to 1e-5."""
    assert type(ours) is type(theirs)
    for name in {one.name for one in fields(ours)} - {"id", "model"}:
        first, second = getattr(ours, name), getattr(theirs, name)
        if name in ("entities", "answers"):
            assert [(span.start, span.end, span.label, span.text) for span in first] == [
                (span.start, span.end, span.label, span.text) for span in second
            ]
            first, second = [span.score for span in first], [span.score for span in second]
        if isinstance(first, dict):
            assert list(first) == list(second)
            first, second = list(first.values()), list(second.values())
        if isinstance(first, (float, list, np.ndarray)) and name != "offsets":
            np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)
        else:
            assert first == second, name


def test_labels_and_scores(classifier):
    ours = pipeline("text-classification", classifier.folder, runtime="onnx")
    assert isinstance(ours, TextClassificationPipeline)
    theirs = pipeline("text-classification", classifier.model)
    answers = ours(TEXTS)
    for one, other in zip(answers, theirs(TEXTS), strict=True):
        same(one, other)
    assert max(one.windows for one in answers) > 3
    assert len({one.label for one in answers}) > 1
    assert {one.model for one in answers} == {classifier.exported.revision}


def test_tags(tagger):
    ours = pipeline("ner", tagger.folder, aggregation_strategy="average")
    assert isinstance(ours, TokenClassificationPipeline)
    theirs = pipeline("ner", tagger.model, aggregation_strategy="average")
    for one, other in zip(ours(TEXTS), theirs(TEXTS), strict=True):
        same(one, other)
    assert any(one.entities for one in ours(TEXTS))


def test_answers(answerer):
    ours = pipeline("question-answering", answerer.folder, top_k=3, no_answer=True)
    assert isinstance(ours, QuestionAnsweringPipeline)
    theirs = pipeline("question-answering", answerer.model, top_k=3, no_answer=True)
    contexts = [text for text in TEXTS if text]
    for one, other in zip(ours("who ran", contexts), theirs("who ran", contexts), strict=True):
        same(one, other)


def test_vectors_are_pooled_as_the_folder_says(embedder):
    ours, theirs = (pipeline("feature-extraction", folder) for folder in (embedder.folder, embedder.model))
    assert isinstance(ours, FeatureExtractionPipeline)
    assert ours.pooling == theirs.pooling
    assert ours.pooling.modes == ("cls",)
    np.testing.assert_allclose(ours.embed(TEXTS), theirs.embed(TEXTS), atol=1e-5)
    same(ours(TEXTS[:1])[0], theirs(TEXTS[:1])[0])


def test_similarity_reads_the_same_graph(embedder):
    ours, theirs = (pipeline("sentence-similarity", folder) for folder in (embedder.folder, embedder.model))
    assert isinstance(ours, SentenceSimilarityPipeline)
    for one, other in zip(ours(TEXTS[0], TEXTS[1:]), theirs(TEXTS[0], TEXTS[1:]), strict=True):
        same(one, other)


def test_int8_answers_do_not_depend_on_their_neighbours(classifier_in_bytes):
    ours = pipeline("text-classification", classifier_in_bytes.folder)
    together = ours(TEXTS * 3)
    for number, text in enumerate(TEXTS):
        alone = ours(text)[0]
        for one in together[number :: len(TEXTS)]:
            assert one.label == alone.label
            np.testing.assert_allclose(list(one.scores.values()), list(alone.scores.values()), atol=1e-4)


def test_int8_stays_near_the_model(classifier_in_bytes):
    ours = pipeline("text-classification", classifier_in_bytes.folder)(TEXTS)
    theirs = pipeline("text-classification", classifier_in_bytes.model)(TEXTS)
    apart = [
        abs(one.scores[name] - other.scores[name])
        for one, other in zip(ours, theirs, strict=True)
        for name in one.scores
    ]
    assert 1e-6 < max(apart) < 0.1  # bytes, and still near
    assert np.mean(apart) < 0.02


@pytest.mark.parametrize("task", ["text-classification", "feature-extraction", "question-answering"])
def test_torch_is_never_loaded(task, classifier, embedder, answerer):
    folder = {"text-classification": classifier, "feature-extraction": embedder, "question-answering": answerer}[task]
    asked = '"ada likes london", "bob ran"' if task == "question-answering" else '["ada likes london", "cat " * 60]'
    script = (
        "import json, sys\nfrom enfold import pipeline\n"
        f"print(len(pipeline({task!r}, {str(folder.folder)!r}, runtime='onnx')({asked})))\n"
        "print(json.dumps([name for name in ('torch', 'onnx', 'onnxscript', 'polars') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_task_the_graph_does_not_serve(classifier):
    with pytest.raises(InputError, match="exported for text-classification, which does not serve token-classification"):
        pipeline("token-classification", classifier.folder, runtime="onnx")
