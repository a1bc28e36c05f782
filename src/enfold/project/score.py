"""What a model answers to labelled rows, asked once and kept: evaluation, the gate and the report read the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from enfold.data import repair_text
from enfold.evaluation import Answers, LabelledRows, answer
from enfold.files import fingerprint_of
from enfold.models import AutoModelForSequenceClassification
from enfold.pipelines import TextClassificationPipeline
from enfold.project.stages import run_stage
from enfold.values import LabelSet

PACKAGES = ("pipelines", "models", "layers", "text", "project/score.py")
FILE_NAME = "answers.parquet"


def load_model(folder: Path, revision: str) -> TextClassificationPipeline:
    """A model of the project, answering under the revision that the project knows it by.

    Texts are mended as the training texts were: `repair_text` changes nothing in a text that is mended already.
    """
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.revision = revision
    return TextClassificationPipeline(model, model.tokenizer, mend=repair_text)


def score(root: Path, folder: Path, revision: str, rows: pl.DataFrame, labels: LabelSet, *, source: str) -> Answers:
    """Ask a model about every row, or find what it answered before.

    Args:
        root: where results of stages are kept.
        folder: of the model.
        revision: of the model; with the rows it names the result.
        rows: ``id``, ``text`` and ``label``, by which the answers are in order.
        labels: label set to express the answers in.
        source: what to call the rows in a report.
    """
    inputs = {"model": revision, "rows": rows_fingerprint(rows), "labels": list(labels)}

    def work(result: Path, scratch: Path) -> None:
        del scratch
        model = load_model(folder, revision)
        keep_answers(answer(model, labelled(rows, source), labels=labels), result / FILE_NAME)

    stage = run_stage(root, "score", inputs=inputs, packages=PACKAGES, work=work)
    return read_answers(stage.folder / FILE_NAME, model=revision, source=source)


def rows_fingerprint(rows: pl.DataFrame) -> str:
    """The same for equal texts and labels."""
    ordered = rows.sort("id")
    return fingerprint_of([ordered["text"].to_list(), ordered["label"].to_list()])


def labelled(rows: pl.DataFrame, source: str) -> LabelledRows:
    """Rows of a prepared table in the order that all answers to them have."""
    ordered = rows.sort("id")
    return LabelledRows(texts=tuple(ordered["text"]), labels=tuple(ordered["label"]), source=source)


def keep_answers(answers: Answers, path: Path) -> None:
    """Write answers as a Parquet table."""
    scores = {f"score {label}": answers.scores[:, number] for number, label in enumerate(answers.labels)}
    table = pl.DataFrame(
        {
            "text": list(answers.texts),
            "label": answers.labels.decode(answers.right),
            "predicted": answers.labels.decode(answers.scores.argmax(axis=1)),
            "tokens": answers.tokens,
            "cut": answers.cut,
            **scores,
        }
    )
    table.write_parquet(path)


def read_answers(path: Path, *, model: str, source: str) -> Answers:
    """Read what `keep_answers` wrote."""
    table = pl.read_parquet(path)
    columns = [name for name in table.columns if name.startswith("score ")]
    labels = LabelSet(tuple(name.removeprefix("score ") for name in columns))
    return Answers(
        model=model,
        labels=labels,
        source=source,
        texts=tuple(table["text"].to_list()),
        right=np.array(labels.encode(table["label"].to_list()), dtype=np.int64),
        scores=table.select(columns).to_numpy().astype(np.float64),
        tokens=table["tokens"].to_numpy(),
        cut=table["cut"].to_numpy(),
    )
