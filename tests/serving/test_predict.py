"""``POST /predict``: the pipeline's own answers, recorded before they are given."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from serving_examples import Promoted, call, words

from enfold.feedback import FeedbackStore


def exported(store: FeedbackStore, folder: Path) -> dict[str, dict]:
    """All predictions in the database, by id."""
    from enfold.data import read_table

    store.export(folder / "all.jsonl", unjudged=True)
    return {row["prediction_id"]: row for row in read_table(folder / "all.jsonl").iter_rows(named=True)}


def test_one_text_is_answered_as_the_pipeline_answers_it(server: str, models: Path):
    text = words(9)
    (expected,) = Promoted(models).load()(text)
    answer = call(server, "/predict", {"text": text})

    assert answer.status == 200
    assert list(answer.body) == ["predictions"]
    (got,) = answer.body["predictions"]
    assert set(got) == set(expected)
    assert got["scores"] == pytest.approx(expected.scores, abs=1e-6)
    assert {name: got[name] for name in ("label", "model", "tokens", "windows", "cut")} == {
        name: expected[name] for name in ("label", "model", "tokens", "windows", "cut")
    }


def test_several_texts_are_answered_in_their_order(server: str, models: Path):
    texts = [words(1 + 5 * number, seed=number) for number in range(16)]
    expected = Promoted(models).load()(texts)
    got = call(server, "/predict", {"texts": texts}).body["predictions"]
    assert [one["tokens"] for one in got] == [one.tokens for one in expected]
    assert [one["windows"] for one in got] == [one.windows for one in expected]
    assert max(one["windows"] for one in got) > 3
    for one, other in zip(got, expected, strict=True):
        assert one["scores"] == pytest.approx(other.scores, abs=1e-5)


def test_what_is_answered_is_in_the_database_with_its_text_and_user(server: str, store: FeedbackStore, tmp_path: Path):
    named = call(server, "/predict", {"texts": ["free prize", "see you"], "user": "ada"}).body["predictions"]
    (unnamed,) = call(server, "/predict", {"text": "lunch at six"}).body["predictions"]
    kept = exported(store, tmp_path)
    assert [kept[one["id"]]["text"] for one in (*named, unnamed)] == ["free prize", "see you", "lunch at six"]
    for one in (*named, unnamed):
        row = kept[one["id"]]
        assert (row["predicted"], row["model"]) == (one["label"], one["model"])
        assert row["score"] == pytest.approx(one["score"])
    assert store.forget("ada").predictions == 2


def test_the_same_text_twice_is_two_predictions(server: str):
    first, second = (call(server, "/predict", {"text": "call now"}).body["predictions"][0] for _ in range(2))
    assert first["id"] != second["id"]
    assert first["scores"] == pytest.approx(second["scores"])


def test_many_clients_at_once_each_get_their_own_answers(server: str, models: Path):
    texts = [words(1 + number % 50, seed=number) for number in range(32)]
    expected = Promoted(models).load()(texts)
    got: dict[int, dict] = {}

    def ask(number: int) -> None:
        got[number] = call(server, "/predict", {"text": texts[number]}).body["predictions"][0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, prediction in enumerate(expected):
        assert got[number]["scores"] == pytest.approx(prediction.scores, abs=1e-5)


@pytest.mark.parametrize(
    "text", ["é😀 中文 \u202eabc", "\x01\x02", "[SEP] [CLS]", "<script>alert(1)</script>", "'; drop table--"]
)
def test_any_text_that_is_text_comes_back_from_the_database_as_it_was(
    server: str, store: FeedbackStore, tmp_path: Path, text: str
):
    (got,) = call(server, "/predict", {"text": text}).body["predictions"]
    assert exported(store, tmp_path)[got["id"]]["text"] == text
