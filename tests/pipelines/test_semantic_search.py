"""Search by meaning: exact over every document, kept in a folder, approximate by an extra."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_models import SENTENCES, tiny, wordpiece

import enfold.pipelines.search_index as search_index
from enfold import pipeline
from enfold.errors import CheckpointError, InputError, MissingExtra
from enfold.pipelines import Pooling, SearchIndex, SemanticSearchPipeline


@pytest.fixture(scope="module")
def search() -> SemanticSearchPipeline:
    return pipeline("semantic-search", tiny("Model", wordpiece(64), length=64), index=SENTENCES, top_k=3)


def vectors(count: int, width: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def by_hand(documents: np.ndarray, queries: np.ndarray, count: int) -> np.ndarray:
    unit = documents / np.linalg.norm(documents, axis=1, keepdims=True)
    scores = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ unit.T
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def test_the_nearest_documents_come_first(search: SemanticSearchPipeline):
    expected = by_hand(search.embed(SENTENCES), search.embed(SENTENCES[2:4]), 3)
    for query, prediction, numbers in zip(SENTENCES[2:4], search(SENTENCES[2:4]), expected, strict=True):
        assert [hit.number for hit in prediction.hits] == numbers.tolist()
        assert prediction.hits[0].text == query
        assert prediction.hits[0].score == pytest.approx(1.0, abs=1e-5)
        assert [hit.text for hit in prediction["hits"]] == [SENTENCES[number] for number in numbers]


def test_a_call_may_search_other_documents_and_want_another_number(search: SemanticSearchPipeline):
    (prediction,) = search("lunch", SENTENCES[:2], top_k=9)
    assert len(prediction.hits) == 2
    assert len(search("lunch", top_k=1)[0].hits) == 1
    assert len(search("lunch")[0].hits) == 3


def test_the_three_steps_give_what_the_call_gives(search: SemanticSearchPipeline):
    (read,) = search.encode(["lunch at six"])
    stepped = search.decide(read, search.logits(read.windows))
    assert [hit.number for hit in stepped.hits] == [hit.number for hit in search("lunch at six")[0].hits]


def test_the_prompts_of_a_checkpoint_are_put_before_queries_and_documents():
    pooling = Pooling(prompts={"query": "call now ", "passage": "lunch "})
    search = pipeline("semantic-search", tiny("Model", wordpiece(64), length=64), pooling=pooling, index=SENTENCES)
    plain = pipeline("semantic-search", tiny("Model", wordpiece(64), length=64), pooling=Pooling())
    expected = by_hand(plain.embed([f"lunch {text}" for text in SENTENCES]), plain.embed(["call now six"]), 7)
    assert [hit.number for hit in search("six")[0].hits] == expected[0].tolist()


@pytest.mark.parametrize("block", [1, 7, 64, 65536])
def test_exact_search_by_blocks_is_that_over_everything(monkeypatch: pytest.MonkeyPatch, block: int):
    monkeypatch.setattr(search_index, "_BLOCK", block)
    documents, queries = vectors(60), vectors(5, seed=1)
    numbers, scores = SearchIndex.of(list(map(str, range(60))), documents).search(queries, 10)
    assert numbers.tolist() == by_hand(documents, queries, 10).tolist()
    assert (np.diff(scores, axis=1) <= 0).all()


def test_of_equal_documents_the_earlier_comes_first():
    index = SearchIndex.of(["a", "b", "c", "d"], np.array([[0, 1], [1, 0], [1, 0], [1, 0]], np.float32))
    assert index.search(np.array([[1.0, 0.0]]), 2)[0].tolist() == [[1, 2]]


def test_an_index_is_kept_in_a_folder_and_opened_again(search: SemanticSearchPipeline, tmp_path: Path):
    assert search.index is not None
    search.index.save(tmp_path / "index")
    opened = SearchIndex.open(tmp_path / "index")
    assert (len(opened), opened.documents, opened.width) == (7, SENTENCES, 32)
    again = pipeline("semantic-search", tiny("Model", wordpiece(64), length=64), index=tmp_path / "index", top_k=3)
    for first, second in zip(search(SENTENCES), again(SENTENCES), strict=True):
        assert first.hits == second.hits


def test_the_index_of_another_model_or_pooling_is_refused(search: SemanticSearchPipeline, tmp_path: Path):
    other = tiny("Model", wordpiece(64), length=64, seed=8)
    with pytest.raises(InputError, match="the index was made by the model tiny-7, and queries are read by tiny-8"):
        pipeline("semantic-search", other, index=search.index)
    with pytest.raises(InputError, match="the index was made by the pooling .*: their vectors cannot be compared"):
        pipeline(
            "semantic-search", tiny("Model", wordpiece(64), length=64), index=search.index, pooling=Pooling(("cls",))
        )


def test_an_approximate_index_finds_nearly_the_same(tmp_path: Path):
    pytest.importorskip("usearch", reason="approximate search needs the extra enfold[search]")
    documents, queries = vectors(2000, 16), vectors(20, 16, seed=1)
    exact = SearchIndex.of(list(map(str, range(2000))), documents)
    graph = exact.approximate()
    assert (exact.is_approximate, graph.is_approximate) == (False, True)
    wanted, scores = exact.search(queries, 10)
    graph.save(tmp_path / "index")
    for index in (graph, SearchIndex.open(tmp_path / "index")):
        found, near = index.search(queries, 10)
        assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(wanted, found, strict=True)]) > 0.8
        assert near[:, 0] == pytest.approx(scores[:, 0], abs=0.05)
        assert (np.diff(near, axis=1) <= 0).all()


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "usearch", None)
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(MissingExtra, match=r"approximate search needs usearch.index: pip install 'enfold\[search\]'"):
        SearchIndex.of(["a"], vectors(1)).approximate()


def damaged(folder: Path, how: str) -> None:
    if how == "no-index":
        (folder / "index.json").unlink()
    elif how == "newer":
        about = json.loads((folder / "index.json").read_text())
        (folder / "index.json").write_text(json.dumps({**about, "format": 99}))
    elif how == "short":
        (folder / "documents.jsonl").write_text('"one"\n')
    else:
        whole = (folder / "vectors.npy").read_bytes()
        (folder / "vectors.npy").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no-index", "no search index in .*: it has no index.json"),
        ("newer", "has format 99; this Enfold reads 1"),
        ("short", "7 documents of width 32 were written, 1 documents and vectors of shape"),
        ("cut", "is damaged: .*; index the documents again"),
    ],
)
def test_a_damaged_index_is_refused(search: SemanticSearchPipeline, tmp_path: Path, how: str, message: str):
    assert search.index is not None
    search.index.save(tmp_path / "index")
    damaged(tmp_path / "index", how)
    with pytest.raises(CheckpointError, match=message):
        SearchIndex.open(tmp_path / "index")


def test_what_cannot_be_searched_is_named(search: SemanticSearchPipeline):
    bare = pipeline("semantic-search", tiny("Model", wordpiece(64), length=64))
    for call, message in (
        (lambda: bare("six"), "there is nothing to search: give documents, or make the pipeline with index="),
        (lambda: search("six", []), "there are no documents: give at least one"),
        (lambda: search(["six", " "]), "query 1 is empty, or of blanks alone: ask for something"),
        (lambda: search("six", top_k=0), "top_k=0 must be at least 1"),
        (lambda: SearchIndex.of([], vectors(0)), "there are no documents to index"),
        (lambda: SearchIndex.of(["a"], vectors(2)), r"1 documents but vectors of shape \(2, 8\): give one for each"),
        (lambda: SearchIndex.of(["a"], vectors(1)).search(vectors(1, 9), 1), "do not fit an index of width 8"),
    ):
        with pytest.raises(InputError, match=message):
            call()
    assert search([]) == []
