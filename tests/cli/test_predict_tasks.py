"""``enfold predict --task``: every task on the command line, as lines and as rows."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import torch

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ada", "met", "mary", "in", "london", "who", "?", "at", "six"]
NAMES = {0: "O", 1: "B-PER", 2: "I-PER"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A function that makes the folder of a tiny model with a head."""
    import enfold

    def make(head: str, **settings) -> Path:
        folder = tmp_path_factory.mktemp("model")
        (folder / "vocab.txt").write_text("\n".join(WORDS))
        enfold.Tokenizer.from_pretrained(folder / "vocab.txt", model_max_length=32).save_pretrained(folder)
        torch.manual_seed(1)
        config = enfold.BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=32,
            **settings,
        )
        made = getattr(enfold, f"Bert{head}")(config)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.normal_(std=0.3)
        made.save_pretrained(folder)
        return folder

    return make


CASES = [
    ("token-classification", "ForTokenClassification", {"id2label": NAMES}, [], {"entities"}),
    ("token-classification", "ForTokenClassification", {"num_labels": 3}, ["--aggregation", "none"], {"entities"}),
    (
        "question-answering",
        "ForQuestionAnswering",
        {},
        ["--question", "who?", "--no-answer", "--top-k", "2"],
        {"answer", "score", "start", "end", "answers", "no_answer_score"},
    ),
    (
        "zero-shot-classification",
        "ForSequenceClassification",
        {"id2label": {0: "entailment", 1: "contradiction"}},
        ["--candidate", "ada", "--candidate", "mary", "--multi-label"],
        {"label", "score", "labels", "scores", "multi_label"},
    ),
    ("feature-extraction", "Model", {}, [], {"embedding"}),
    ("sentence-similarity", "Model", {}, ["--candidate", "ada met mary"], {"sentence", "score"}),
    ("semantic-search", "Model", {}, ["--candidate", "ada", "--candidate", "six", "--top-k", "1"], {"hits"}),
    (
        "response-selection",
        "ForMultipleChoice",
        {},
        ["--candidate", "ada", "--candidate", "six"],
        {"reply", "score", "replies"},
    ),
    ("dialogue-state-tracking", "ForQuestionAnswering", {}, ["--slot", "who=who?"], {"state", "changed"}),
    (
        "text-classification",
        "ForSequenceClassification",
        {"num_labels": 2, "problem_type": "multi_label_classification"},
        [],
        {"labels", "score_LABEL_0", "score_LABEL_1", "threshold"},
    ),
    ("text-classification", "ForSequenceClassification", {"num_labels": 1}, [], {"value", "outputs"}),
]


@pytest.mark.parametrize(("task", "head", "settings", "options", "columns"), CASES)
def test_a_task_answers_as_lines_and_as_rows(enfold, model, tmp_path, task, head, settings, options, columns):
    folder = model(head, **settings)
    texts = ["Ada met Mary in London", "at six"]
    typed = enfold("predict", *texts, "--task", task, "--model", folder, *options)
    assert (typed.status, typed.err) == (0, "")
    assert len(typed.out.splitlines()) >= 2

    (tmp_path / "texts.csv").write_text("text\n" + "\n".join(texts) + "\n")
    rows = [
        json.loads(line)
        for line in enfold("predict", "texts.csv", "--task", task, "--model", folder, *options).out.splitlines()
    ]
    assert [row["text"] for row in rows] == texts
    assert {"text", *columns, "tokens", "windows", "cut"} == set(rows[0])
    for name in ("out.csv", "out.jsonl", "out.parquet"):
        assert enfold("predict", "texts.csv", "--task", task, "--model", folder, *options, "-o", name).status == 0
    assert set(pl.read_csv(tmp_path / "out.csv").columns) == set(rows[0])
    assert pl.read_parquet(tmp_path / "out.parquet").height == 2


def test_masks_are_filled(enfold, model):
    outcome = enfold(
        "predict", "[MASK] met Mary", "--task", "fill-mask", "--model", model("ForMaskedLM"), "--top-k", "2"
    )
    filled, candidates = outcome.out.splitlines()
    assert filled.endswith(" met Mary")
    assert len(candidates.split("  ")) == 3


def test_candidates_may_come_from_a_file(enfold, model, tmp_path):
    (tmp_path / "documents.csv").write_text("text\nada met mary\nat six\nin london\n")
    options = ["--task", "semantic-search", "--model", model("Model"), "--candidate", "documents.csv"]
    outcome = enfold("predict", "london", *options)
    assert outcome.status == 0
    assert len(outcome.out.splitlines()) == 4


def test_ner_and_ask_are_predict_under_other_names(enfold, model, tmp_path):
    (tmp_path / "book.txt").write_text("Ada met Mary in London.\nAt six.\n")
    finding, asking = model("ForTokenClassification", id2label=NAMES), model("ForQuestionAnswering")
    texts = ["Ada met Mary", "at six"]
    pairs = [
        (["ner", *texts, "--model", finding], ["--task", "token-classification", *texts, "--model", finding]),
        (
            ["ask", "who?", "book.txt", "--model", asking, "--top-k", "2"],
            ["--task", "question-answering", "--question", "who?", "book.txt", "--model", asking, "--top-k", "2"],
        ),
    ]
    for short, long in pairs:
        outcome = enfold(*short)
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out == enfold("predict", *long).out != ""


def test_a_text_file_is_one_text_where_it_is_there(enfold, model, tmp_path):
    (tmp_path / "book.txt").write_text("ada met mary\nat six\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    folder = model("Model")
    assert (
        "7 tokens  ada met mary at six"
        in enfold("predict", "book.txt", "--task", "feature-extraction", "--model", folder).out
    )
    assert "novel.txt" in enfold("predict", "novel.txt", "--task", "feature-extraction", "--model", folder).out
    outcome = enfold("predict", "latin.txt", "--task", "feature-extraction", "--model", folder)
    assert outcome.err == "error: invalid UTF-8 at byte 3 of latin.txt: save it as UTF-8\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "token-clasification"], "no pipeline for task 'token-clasification'; there are: "),
        (["--task", "question-answering", "--model", "x"], "--task question-answering needs --question"),
        (["--task", "semantic-search", "--model", "x"], "--task semantic-search needs --candidate"),
        (["--question", "who?"], "--question does not go with --task text-classification, which takes --truncate"),
        (["--task", "ner"], "--task token-classification needs --model: the model in service is for text-class"),
        (
            ["--task", "dialogue-state-tracking", "--model", "x", "--slot", "city"],
            "--slot city must be NAME=QUESTION, as in city='In which city?'",
        ),
    ],
)
def test_options_that_do_not_fit_are_one_line(enfold, options: list[str], message: str):
    outcome = enfold("predict", "ada", *options)
    assert outcome.status == 2
    assert outcome.err.startswith(f"error: {message}")
    assert len(outcome.err.splitlines()) == 1
