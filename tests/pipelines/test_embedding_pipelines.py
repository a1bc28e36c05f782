"""Vectors of texts: features, pooling as the checkpoint says, similarity; MiniLM is the real test."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import save_file
from scipy.stats import spearmanr
from tiny_models import FORGED, SENTENCES, bytes_without_types, saved, tiny, wordpiece

from enfold import pipeline
from enfold.errors import CheckpointError, InputError, SourceError
from enfold.hub import locate
from enfold.pipelines import Pooling, read_pooling

LONG = " ".join(SENTENCES * 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tiny("Model", wordpiece(64), length=64), tmp_path_factory.mktemp("stack") / "model")


def test_the_same_vectors_as_transformers(folder: Path):
    theirs = transformers.pipeline("feature-extraction", model=str(folder))
    for text, prediction in zip(SENTENCES, pipeline("feature-extraction", folder)(SENTENCES), strict=True):
        expected = np.asarray(theirs(text)[0])
        assert prediction.vectors.shape == expected.shape == (prediction.tokens, 32)
        assert np.abs(prediction.vectors - expected).max() < 1e-4
        assert np.abs(prediction.embedding - expected.mean(0)).max() < 1e-4
        assert prediction.offsets[0] == prediction.offsets[-1] == (0, 0)
        assert [text[start:end] for start, end in prediction.offsets[1:3]] != ["", ""]


def test_a_model_with_a_head_gives_the_vectors_below_it():
    model = tiny("ForMaskedLM", wordpiece())
    (prediction,) = pipeline("feature-extraction", model)("Ada in London")
    with torch.no_grad():
        batch = model.tokenizer("Ada in London", return_tensors="pt")
        expected = model.base_model(**batch).last_hidden_state[0].numpy()
    assert np.abs(prediction.vectors - expected).max() < 1e-5


def test_a_long_text_has_one_vector_a_token(folder: Path):
    extract = pipeline("feature-extraction", folder, max_length=20, stride=6)
    (prediction,) = extract(LONG)
    assert prediction.windows > 5
    assert prediction.vectors.shape == (prediction.tokens, 32)
    assert len(prediction.offsets) == prediction.tokens == extract.tokenizer.count_tokens([LONG])[0]
    assert np.abs(prediction.embedding - prediction.vectors.mean(0)).max() < 1e-5
    (cut,) = extract(LONG, truncation=True)
    assert (cut.windows, len(cut.vectors), cut.cut) == (1, 20, cut.tokens - 20)


def test_predictions_compare_without_their_vectors(folder: Path):
    first, second = pipeline("feature-extraction", folder)(["Ada", "Ada"])
    assert first != second
    assert first == first


@pytest.mark.parametrize("make", [wordpiece, bytes_without_types])
def test_special_tokens_in_a_text_are_plain_text(make):
    tokenizer = make(64)
    extract = pipeline("feature-extraction", tiny("Model", tokenizer, length=64))
    everything = " ".join(tokenizer.all_special_tokens)
    (read,) = extract.encode([everything])
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert [n for n in read.windows[0].ids if n in special] == list(tokenizer.encode_batch([""])[0].ids)
    assert extract(FORGED)[0].vectors.shape[0] > 6


# Pooling


def sentence_folder(where: Path, modes: dict, *, normalise: bool = False, dense: bool = False, **settings) -> Path:
    """Files as sentence-transformers writes them."""
    steps = [("", "Transformer"), ("1_Pooling", "Pooling")]
    (where / "1_Pooling").mkdir(parents=True)
    (where / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 4, **modes}))
    if dense:
        (where / "2_Dense").mkdir()
        function = "torch.nn.modules.activation.Tanh"
        (where / "2_Dense" / "config.json").write_text(json.dumps({"activation_function": function}))
        weight = {"linear.weight": np.full((2, 4), 0.1, np.float32), "linear.bias": np.array([0.0, 1.0], np.float32)}
        save_file(weight, where / "2_Dense" / "model.safetensors")
        steps.append(("2_Dense", "Dense"))
    if normalise:
        steps.append(("3_Normalize", "Normalize"))
    kinds = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in steps]
    (where / "modules.json").write_text(json.dumps(kinds))
    (where / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24}))
    (where / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return where


VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)
BY_HAND = {
    "pooling_mode_cls_token": [0, 1, 2, 3],
    "pooling_mode_mean_tokens": [4, 5, 6, 7],
    "pooling_mode_max_tokens": [8, 9, 10, 11],
    "pooling_mode_mean_sqrt_len_tokens": (np.array([12, 15, 18, 21]) / np.sqrt(3)).tolist(),
    "pooling_mode_weightedmean_tokens": (np.array([32, 38, 44, 50]) / 6).tolist(),
    "pooling_mode_lasttoken": [8, 9, 10, 11],
}


@pytest.mark.parametrize("mode", BY_HAND)
def test_every_pooling_by_hand(tmp_path: Path, mode: str):
    pooling = read_pooling(sentence_folder(tmp_path / "model", {mode: True}))
    assert pooling(VECTORS).tolist() == pytest.approx(BY_HAND[mode])
    assert (pooling.max_length, pooling.normalise, pooling.measure) == (24, False, "cosine")


def test_poolings_stand_one_after_another_and_later_steps_follow(tmp_path: Path):
    both = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}
    assert read_pooling(sentence_folder(tmp_path / "both", both))(VECTORS).tolist() == [*range(4), *range(4, 8)]
    newer = read_pooling(sentence_folder(tmp_path / "newer", {"pooling_mode": "lasttoken"}, normalise=True))
    assert newer.modes == ("last",)
    assert float(np.linalg.norm(newer(VECTORS))) == pytest.approx(1.0)
    dense = read_pooling(sentence_folder(tmp_path / "dense", {"pooling_mode_cls_token": True}, dense=True))
    assert dense(VECTORS).tolist() == pytest.approx([np.tanh(0.6), np.tanh(1.6)])


def test_a_folder_of_its_own_says_how_its_model_is_pooled(tmp_path: Path):
    where = saved(tiny("Model", wordpiece(64), length=64), tmp_path / "model")
    sentence_folder(where, {"pooling_mode_cls_token": True}, normalise=True, prompts={"query": "call now: "})
    for model in (where, str(where)):
        extract = pipeline("feature-extraction", model)
        assert (extract.pooling.modes, extract.max_length) == (("cls",), 24)
        (prediction,) = extract("Ada")
        first = prediction.vectors[0] / np.linalg.norm(prediction.vectors[0])
        assert np.abs(prediction.embedding - first).max() < 1e-5
    assert np.array_equal(extract.embed("Ada", prompt="query"), extract.embed("call now: Ada"))
    with pytest.raises(InputError, match="no prompt 'qeury'; this checkpoint has: query; did you mean 'query'?"):
        extract.embed("Ada", prompt="qeury")


def test_without_such_files_the_mean_is_taken(folder: Path):
    assert pipeline("feature-extraction", folder).pooling == Pooling(("mean",), normalise=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda at: (at / "modules.json").write_text("{"), "modules.json is not valid JSON"),
        (lambda at: (at / "modules.json").write_text('[{"type": "x.WordWeights"}]'), "is a WordWeights; known are"),
        (
            lambda at: (at / "1_Pooling" / "config.json").write_text("{}"),
            "asks for no pooling; known are: pooling_mode_",
        ),
        (
            lambda at: (at / "1_Pooling" / "config.json").write_text('{"pooling_mode_median": true}'),
            "asks for pooling_mode_median; known are",
        ),
        (
            lambda at: (at / "config_sentence_transformers.json").write_text('{"similarity_fn_name": "manhattan"}'),
            "compares vectors by 'manhattan'; known are: cosine, dot",
        ),
    ],
)
def test_a_step_that_is_not_known_is_refused(tmp_path: Path, change, message: str):
    where = sentence_folder(tmp_path / "model", {"pooling_mode_cls_token": True})
    change(where)
    with pytest.raises(CheckpointError) as error:
        read_pooling(where)
    assert message in str(error.value)


def test_a_pooling_that_is_not_known_is_refused():
    with pytest.raises(InputError, match="no pooling 'maen'; there are: cls, mean, .*did you mean 'mean'?"):
        Pooling(("maen",))
    with pytest.raises(InputError, match="pooling needs a mode; there are: cls, mean"):
        Pooling(())
    with pytest.raises(InputError, match="no measure 'euclid'; there are: cosine, dot"):
        Pooling(measure="euclid")


# Similarity


def test_similarity_is_the_cosine_of_the_vectors(folder: Path):
    compare = pipeline("sentence-similarity", folder)
    vectors = compare.embed(SENTENCES)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = [prediction.score for prediction in compare(SENTENCES[0], SENTENCES[1:])]
    assert scores == pytest.approx((unit[1:] @ unit[0]).tolist(), abs=1e-5)
    pairs = [(SENTENCES[0], other) for other in SENTENCES[1:]]
    assert [prediction.score for prediction in compare.stream(pairs)] == pytest.approx(scores, abs=1e-5)


def test_the_dot_product_where_the_checkpoint_says_so(folder: Path):
    compare = pipeline("sentence-similarity", folder, pooling=Pooling(measure="dot"))
    first, second = compare.embed(SENTENCES[:2])
    assert compare(SENTENCES[0], SENTENCES[1])[0].score == pytest.approx(float(first @ second), rel=1e-5)


def test_nothing_to_compare_with_is_refused(folder: Path):
    compare = pipeline("sentence-similarity", folder)
    with pytest.raises(InputError, match="there are no sentences: give at least one"):
        compare("Ada", [])
    with pytest.raises(InputError, match="source is a NoneType, not a str"):
        compare(None, ["Ada"])


# The real one


@pytest.fixture(scope="module")
def minilm() -> Path:
    try:
        return locate("minilm").path
    except SourceError as error:
        pytest.skip(f"MiniLM is neither in the cache nor to be had from the package index: {error}")


def test_minilm_knows_what_is_alike(minilm: Path):
    compare = pipeline("sentence-similarity", "minilm")
    assert (compare.pooling.modes, compare.pooling.normalise, compare.max_length) == (("mean",), True, 256)
    sentences = ["A kitten is lying on the rug.", "The stock market fell sharply on Monday.", "Dogs bark at night."]
    near, far, other = (prediction.score for prediction in compare("A cat sits on the mat.", sentences))
    assert near > 0.5 > other > far - 0.2
    assert near > other


def test_minilm_agrees_with_people(minilm: Path):
    """STS Benchmark: the rank correlation of its scores with those that people gave (0.82 on the whole test set)."""
    data = os.environ.get("ENFOLD_DATA")
    if not data or not (Path(data) / "stsb").is_dir():
        pytest.skip("ENFOLD_DATA does not name a folder with stsb")
    with (Path(data) / "stsb" / "stsb-en-test.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[::7]
    compare = pipeline("sentence-similarity", "minilm")
    scores = [prediction.score for prediction in compare.stream((first, second) for first, second, _ in rows)]
    assert spearmanr(scores, [float(score) for _, _, score in rows]).statistic > 0.78


def test_minilm_embeds_as_sentence_transformers_does(minilm: Path):
    """Mean over real tokens, of length 1, cut at 256 tokens: by transformers' model and tokenizer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    model = transformers.AutoModel.from_pretrained(minilm).eval()
    texts = [*SENTENCES, "", "A longer text. " * 100]
    batch = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    real = batch["attention_mask"][..., None]
    expected = torch.nn.functional.normalize((hidden * real).sum(1) / real.sum(1), dim=-1).numpy()
    vectors = pipeline("feature-extraction", "minilm").embed(texts, truncation=True)
    assert vectors.dtype == np.float32
    assert np.abs(vectors - expected).max() < 1e-4
