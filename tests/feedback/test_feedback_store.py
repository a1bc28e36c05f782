"""The store keeps predictions and judgements, the same in SQLite and in PostgreSQL."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from feedback_examples import LABELS, NOON, said, served

import enfold.feedback.store
from enfold.data.identity import content_id
from enfold.errors import DataError, LabelError, ServiceError
from enfold.feedback import Counts, FeedbackStore, Judgement, UnknownPrediction


def test_a_judgement_comes_back_with_the_prediction_it_is_on(store: FeedbackStore) -> None:
    store.record([served("p1", "Free  prize", user="alice", score=0.75), served("p2", "see you")])
    store.judge(said("p1", "label", "spam", user="bob", seconds=5), labels=LABELS)
    assert store.judgements() == [
        Judgement(
            prediction_id="p1",
            content_id=content_id("free prize"),
            text="Free  prize",
            predicted="ham",
            score=0.75,
            model="rev-1",
            predicted_at=NOON,
            kind="label",
            label="spam",
            user="bob",
            at=NOON + timedelta(seconds=5),
        )
    ]


def test_right_confirms_the_predicted_label_and_wrong_gives_none(store: FeedbackStore) -> None:
    store.record([served("p1", "one", label="spam"), served("p2", "two", label="spam")])
    store.judge(said("p1", "right"), labels=LABELS)
    store.judge(said("p2", "wrong", seconds=1), labels=LABELS)
    first, second = store.judgements()
    assert (first.label, first.agrees) == ("spam", True)
    assert (second.label, second.agrees) == (None, False)


def test_a_user_may_change_his_mind_and_the_history_is_kept(store: FeedbackStore) -> None:
    store.record([served("p1", "one")])
    store.judge(said("p1", "right", user="alice", seconds=1), labels=LABELS)
    store.judge(said("p1", "wrong", user="bob", seconds=2), labels=LABELS)
    store.judge(said("p1", "label", "spam", user="alice", seconds=3), labels=LABELS)
    assert [(one.user, one.kind) for one in store.judgements()] == [("bob", "wrong"), ("alice", "label")]
    history = store.judgements(history=True)
    assert [(one.user, one.kind) for one in history] == [("alice", "right"), ("bob", "wrong"), ("alice", "label")]


def test_of_two_judgements_at_the_same_moment_the_one_given_later_counts(store: FeedbackStore) -> None:
    store.record([served("p1", "one")])
    store.judge(said("p1", "wrong", user="alice"), labels=LABELS)
    store.judge(said("p1", "right", user="alice"), labels=LABELS)
    assert [one.kind for one in store.judgements()] == ["right"]


def test_all_who_give_no_name_are_one_user(store: FeedbackStore) -> None:
    store.record([served("p1", "one")])
    store.judge(said("p1", "right", user=None, seconds=1), labels=LABELS)
    store.judge(said("p1", "wrong", user="", seconds=2), labels=LABELS)
    assert [(one.user, one.kind) for one in store.judgements()] == [(None, "wrong")]


def test_feedback_on_an_unknown_prediction_is_refused_by_its_id(store: FeedbackStore) -> None:
    with pytest.raises(
        UnknownPrediction, match="no prediction 'abc'; give the id that came with a prediction"
    ) as caught:
        store.judge(said("abc", "right"), labels=LABELS)
    assert isinstance(caught.value, ServiceError)
    assert store.judgements() == []


def test_a_label_that_is_not_one_is_refused_with_the_near_one(store: FeedbackStore) -> None:
    store.record([served("p1", "one")])
    with pytest.raises(LabelError, match=r"no label 'spma'; there are: ham, spam; did you mean 'spam'\?"):
        store.judge(said("p1", "label", "spma"), labels=LABELS)
    assert store.judgements() == []


def test_a_batch_may_be_sent_again(store: FeedbackStore) -> None:
    store.record([served("p1", "one")])
    store.record([served("p1", "one"), served("p2", "two")])
    store.record([])
    assert store.counts().predictions == 2


def test_a_batch_that_fails_is_not_kept_in_part(store: FeedbackStore) -> None:
    broken = served("p2", "two")
    broken = replace(broken, prediction=replace(broken.prediction, label=None))  # type: ignore[arg-type]
    with pytest.raises(ServiceError, match=r"the feedback database .* failed: ") as caught:
        store.record([served("p1", "a private text"), broken])
    assert "private" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert store.counts().predictions == 0


def test_text_that_databases_refuse_is_stored_with_replacement_characters(store: FeedbackStore) -> None:
    store.record([served("p1", "a\x00b\ud83dc 😀", user="al\x00ice")])
    store.judge(said("p1", "right", user="al\x00ice"), labels=LABELS)
    assert [one.text for one in store.judgements(user="al\x00ice")] == ["a\ufffdb\ufffdc 😀"]
    assert store.forget("al\x00ice").texts == ("a\ufffdb\ufffdc 😀",)


def test_moments_come_back_in_utc_whatever_zone_they_were_given_in(store: FeedbackStore) -> None:
    at = datetime(2026, 3, 1, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    store.record([served("p1", "one", at=at)])
    store.judge(replace(said("p1", "right"), at=at), labels=LABELS)
    (one,) = store.judgements()
    assert one.at == one.predicted_at == at
    assert one.at.tzinfo is UTC


def test_recent_gives_the_last_ones_first(store: FeedbackStore) -> None:
    store.record([served(f"p{number}", f"text {number}") for number in range(5)])
    for number in range(5):
        store.judge(said(f"p{number}", "right", user="alice" if number % 2 else "bob", seconds=number), labels=LABELS)
    assert [one.prediction_id for one in store.recent(2)] == ["p4", "p3"]
    assert [one.prediction_id for one in store.recent(user="alice")] == ["p3", "p1"]


def test_counts(store: FeedbackStore) -> None:
    store.record([served("p1", "one", user="alice"), served("p2", "two"), served("p3", "three", user="bob")])
    store.judge(said("p1", "right", user="carol"), labels=LABELS)
    store.judge(said("p1", "wrong", user="carol"), labels=LABELS)
    assert store.counts() == Counts(predictions=3, judged=1, judgements=2, users=3)


def test_threads_share_a_store(store: FeedbackStore) -> None:
    def work(worker: int) -> None:
        for batch in range(5):
            ids = [f"{worker}-{batch}-{number}" for number in range(4)]
            store.record([served(identity, f"text {identity}") for identity in ids])
            store.judge(said(ids[0], "label", "spam", user=f"user {worker}"), labels=LABELS)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert store.counts() == Counts(predictions=160, judged=40, judgements=40, users=8)


def test_export_writes_the_judgements_and_on_request_everything(
    store: FeedbackStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enfold.feedback.store, "_PAGE", 2)  # so that a few rows already take several pages
    store.record([served(f"p{number}", f"text {number}, with a comma", user="alice") for number in range(5)])
    for number in (3, 1):
        store.judge(said(f"p{number}", "right", user="alice", seconds=number), labels=LABELS)
        store.judge(said(f"p{number}", "label", "spam", user="alice", seconds=number + 1), labels=LABELS)
        store.judge(said(f"p{number}", "wrong", user="bob", seconds=number + 2), labels=LABELS)

    assert store.export(tmp_path / "judged.jsonl") == 4
    rows = [json.loads(line) for line in (tmp_path / "judged.jsonl").read_text().splitlines()]
    assert [(row["prediction_id"], row["label"], row["user"]) for row in rows] == [
        ("p1", "spam", "alice"),
        ("p1", None, "bob"),
        ("p3", "spam", "alice"),
        ("p3", None, "bob"),
    ]
    assert store.export(tmp_path / "history.csv", history=True) == 6
    with (tmp_path / "history.csv").open(newline="") as source:
        assert next(row["text"] for row in csv.DictReader(source)) == "text 1, with a comma"
        assert NOON.isoformat() in (tmp_path / "history.csv").read_text()
    assert store.export(tmp_path / "all.parquet", unjudged=True) == 7
    table = pl.read_parquet(tmp_path / "all.parquet")
    assert table["prediction_id"].to_list() == ["p0", "p1", "p1", "p2", "p3", "p3", "p4"]
    assert table.filter(pl.col("kind").is_null()).select("label", "user", "at").row(0) == (None, None, None)
    assert table["at"].drop_nulls().to_list() == [one.at for one in store.judgements() if one.prediction_id == "p1"] + [
        one.at for one in store.judgements() if one.prediction_id == "p3"
    ]


def test_export_to_another_kind_of_file_is_refused_and_leaves_nothing(store: FeedbackStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"out\.xlsx"):
        store.export(tmp_path / "out.xlsx")
    assert not list(tmp_path.glob("*out*"))


def test_export_for_spreadsheets_disarms_formulas(store: FeedbackStore, tmp_path: Path) -> None:
    store.record([served("p1", "=HYPERLINK(1)")])
    store.export(tmp_path / "sheet.csv", unjudged=True, for_spreadsheets=True)
    assert ",'=HYPERLINK(1)," in (tmp_path / "sheet.csv").read_text()


def test_export_of_nothing_still_has_its_columns(store: FeedbackStore, tmp_path: Path) -> None:
    assert store.export(tmp_path / "none.csv") == 0
    assert (tmp_path / "none.csv").read_text().startswith("prediction_id,content_id,text,predicted,")
