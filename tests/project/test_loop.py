"""The loop: a second run does only what changed, corrections are learnt, and only a better model is promoted."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from project_examples import HAM, SPAM, messages, new_kind
from rich.console import Console

from enfold import Project
from enfold.errors import ServiceError
from enfold.project.publish import Lineage
from enfold.values import Feedback, ServedPrediction


def keys(folder):
    return {stage.name: sorted(item.name for item in stage.iterdir()) for stage in (folder / "runs").iterdir()}


def ask_and_correct(project, texts, label, *, user):
    """What the service does: record a prediction, then take the right label for it."""
    now = datetime.now(UTC)
    predictions = project.predict(texts)
    with project.feedback() as store:
        store.record(
            [
                ServedPrediction(prediction=one, text=text, user="inbox", at=now)
                for one, text in zip(predictions, texts, strict=True)
            ]
        )
        for number, one in enumerate(predictions):
            feedback = Feedback(prediction_id=one.id, kind="label", value=label, user=user(number), at=now)
            store.judge(feedback, labels=project.labels)
    return [one.label for one in predictions]


def several(number):
    return f"user-{number % 5}"


def test_the_first_model_is_good_and_in_service(project):
    folder = project.service.folder()
    report = json.loads((folder / "metrics.json").read_text())
    accuracy = next(metric for metric in report["metrics"] if metric["name"] == "accuracy")
    assert accuracy["value"] > 0.9
    assert project.predict("free prize claim")[0].label == "spam"
    assert project.predict("dinner at home tomorrow")[0]["label"] == "ham"
    assert project.predict("free prize")[0].model == folder.name == Lineage.read(folder).revision


def test_the_model_folder_opens_in_transformers(project):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = project.service.folder()
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)("free prize claim", return_tensors="pt")
    with torch.no_grad():
        scores = theirs(**inputs).logits.softmax(-1)[0]
    ours = project.predict("free prize claim")[0].scores
    assert theirs.config.id2label == {0: "ham", 1: "spam"}
    assert list(ours.values()) == pytest.approx(scores.tolist(), abs=1e-5)


def test_a_second_run_does_nothing(project):
    before = keys(project.folder)
    started = {path: path.stat().st_mtime_ns for path in (project.folder / "runs").rglob("stage.json")}
    project.run()
    assert keys(project.folder) == before
    assert started == {path: path.stat().st_mtime_ns for path in (project.folder / "runs").rglob("stage.json")}
    assert len(project.service.history()) == 1


def test_a_change_of_evaluation_does_not_train_again(project):
    before = keys(project.folder)
    settings = project.folder / "enfold.toml"
    settings.write_text(settings.read_text().replace("resamples = 200", "resamples = 150"))
    Project.open(project.folder, console=Console(quiet=True)).run()
    after = keys(project.folder)
    assert after["train"] == before["train"]
    assert len(after["evaluate"]) == len(before["evaluate"]) + 1


def test_a_worse_model_after_a_change_of_settings_stays_out_of_service(project):
    served = project.service.revision()
    settings = project.folder / "enfold.toml"
    settings.write_text(settings.read_text().replace("learning_rate = 0.003", "learning_rate = 1e-9"))
    made = Project.open(project.folder, console=Console(quiet=True)).run()
    assert made.revision != served
    assert project.service.revision() == served
    assert f"enfold promote {made.revision}" in (project.folder / "report.html").read_text()
    project.promote(made.revision)
    assert project.service.revision() == made.revision
    project.rollback()
    assert project.service.revision() == served


def test_a_new_kind_of_message_is_learnt_from_corrections(project):
    served = project.service.revision()
    new = new_kind(60, seed=2)
    answered = ask_and_correct(project, new, "spam", user=several)
    assert answered.count("spam") < 30, "the model in service must be wrong on the new kind"
    ask_and_correct(project, messages(20, HAM, seed=3), "ham", user=several)
    done = project.improve()
    assert done.outcome == "promoted", done.reasons
    assert project.service.revision() == done.candidate != served
    later = new_kind(50, seed=4)
    labels = [one.label for one in project.predict(later)]
    assert labels.count("spam") > 40

    record = json.loads(done.record.read_text())
    trained, held_back = record["feedback"]["training"], record["feedback"]["held_back"]
    assert not {one["content_id"] for one in trained} & {one["content_id"] for one in held_back}
    assert any("better on" in check["reason"] for check in record["verdict"]["checks"])
    lineage = Lineage.read(project.service.folder())
    assert lineage.parent == served
    assert set(lineage.corrections) == {one["content_id"] for one in trained}

    again = project.improve()
    assert again.outcome == "nothing to learn", "the same corrections are in the model already"
    assert project.run().revision == done.candidate, "a run does not unlearn what was corrected"
    assert f"Model {done.candidate} is in service" in (project.folder / "report.html").read_text()
    assert project.rollback().revision == served


def test_corrections_that_flip_ordinary_messages_are_not_promoted(project):
    served = project.service.revision()
    ask_and_correct(project, messages(60, SPAM, seed=5), "ham", user=several)
    ask_and_correct(project, messages(20, HAM, seed=6), "ham", user=several)
    done = project.improve()
    assert done.outcome == "not promoted"
    assert done.reasons[0].startswith(("may be worse by more than 0.5 points", "not measurably better"))
    assert project.service.revision() == served


def test_a_person_decides_after_a_review(project):
    served = project.service.revision()
    ask_and_correct(project, new_kind(60, seed=2), "spam", user=several)
    ask_and_correct(project, messages(20, HAM, seed=3), "ham", user=several)
    done = project.improve(review=True)
    assert done.outcome == "waiting for review"
    assert project.service.revision() == served
    project.promote(done.candidate)
    assert project.service.revision() == done.candidate


def test_too_few_judgements_are_not_enough_evidence(project):
    ask_and_correct(project, new_kind(30, seed=2), "spam", user=several)
    done = project.improve()
    assert done.outcome == "not enough evidence"
    assert "held back" in done.reasons[0]
    assert done.candidate is None


def test_corrections_of_test_texts_never_train(project):
    table = pl.read_parquet(next((project.folder / "runs" / "prepare").glob("*/table.parquet")))
    test = table.filter(pl.col("split") == "test")["text"].to_list()[:60]
    near = [f"{text} !" for text in test]
    ask_and_correct(project, near + new_kind(60, seed=2), "spam", user=several)
    done = project.improve()
    lineage = Lineage.read(project.folder / "models" / done.candidate)
    prepared = pl.read_parquet(project.folder / "runs" / "prepare" / lineage.stages["prepare"] / "table.parquet")
    trained = prepared.filter(pl.col("split") == "train")["text"].to_list()
    assert not set(near) & set(trained)
    assert not set(test) & set(trained)
    assert prepared.filter(pl.col("split") == "test")["text"].sort().to_list() == (
        table.filter(pl.col("split") == "test")["text"].sort().to_list()
    )


def test_one_user_who_supplies_most_corrections_is_named_and_capped(project):
    ask_and_correct(project, new_kind(100, seed=2), "spam", user=lambda number: "mallory")
    ask_and_correct(project, messages(30, HAM, seed=3), "ham", user=several)
    done = project.improve()
    assert any("user 'mallory' supplied" in warning for warning in done.warnings)
    record = json.loads(done.record.read_text())
    mallory = next(source for source in record["sources"] if source["user"] == "mallory")
    assert mallory["training"] <= 20


def test_without_a_model_in_service_there_is_nothing_to_improve(tmp_path, base):
    from project_examples import make_project

    fresh = Project.open(make_project(tmp_path, base), console=Console(quiet=True))
    with pytest.raises(ServiceError, match="no model is in service yet; make one with: enfold run"):
        fresh.improve()
