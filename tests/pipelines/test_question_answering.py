"""Answers from contexts of any length: the best stretch by brute force over transformers' own scores."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tiny_models import SENTENCES, bytes_without_types, saved, tiny, wordpiece

from enfold import pipeline
from enfold.errors import InputError
from enfold.pipelines import QuestionAnsweringPipeline

QUESTION = "Who wrote the first programme?"
CONTEXT = " ".join(SENTENCES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny("ForQuestionAnswering", wordpiece(64), length=64)
    return saved(model, tmp_path_factory.mktemp("qa") / "model")


def stretches(folder: Path, question: str, context: str, *, stride: int, longest: int) -> tuple[dict, float]:
    """Every (start, end) in characters to its best score, and the lowest no-answer score, by transformers alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    batch = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=64,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding=True,
        return_tensors="pt",
    )
    offsets = batch.pop("offset_mapping").tolist()
    batch.pop("overflow_to_sample_mapping")
    with torch.no_grad():
        output = model(**batch)
    scores: dict[tuple[int, int], float] = {}
    none = math.inf
    for row in range(len(offsets)):
        start, end = output.start_logits[row].double(), output.end_logits[row].double()
        none = min(none, float(start[0] + end[0]))
        inside = [place for place, of in enumerate(batch.sequence_ids(row)) if of == 1]
        for first in inside:
            for last in inside:
                if first <= last < first + longest:
                    key = (offsets[row][first][0], offsets[row][last][1])
                    scores[key] = max(scores.get(key, -math.inf), float(start[first] + end[last]))
    return scores, none


@pytest.mark.parametrize("context", [SENTENCES[0], CONTEXT, SENTENCES[5]], ids=["short", "windows", "chinese"])
@pytest.mark.parametrize("no_answer", [False, True])
def test_the_best_stretch_of_all_windows(folder: Path, context: str, no_answer: bool):
    scores, none = stretches(folder, QUESTION, context, stride=10, longest=8)
    asking = pipeline(
        "question-answering", folder, stride=10, max_answer_tokens=8, top_k=5, no_answer=no_answer, threshold=-1e9
    )
    asking.threshold = math.inf  # never prefer that there is none: compare stretches
    (prediction,) = asking(QUESTION, context)
    ordered = sorted(scores, key=lambda key: -scores[key])[:5]
    everything = [*scores.values(), none] if no_answer else [*scores.values()]
    total = np.logaddexp.reduce(everything)
    assert [(span.start, span.end) for span in prediction.answers] == ordered
    assert [span.score for span in prediction.answers] == pytest.approx(
        [math.exp(scores[key] - total) for key in ordered], abs=1e-5
    )
    assert (prediction.start, prediction.end) == ordered[0]
    assert prediction.answer == prediction["answer"] == context[slice(*ordered[0])]
    expected = pytest.approx(math.exp(none - total), abs=1e-5) if no_answer else None
    assert prediction.no_answer_score == expected
    assert (prediction.windows > 1) == (context == CONTEXT)


class Scripted:
    """A runtime whose scores are said by hand: of the token ``prize``, of ``[CLS]``, else nothing."""

    revision = "script"
    max_length = 24

    def __init__(self, prize: float, none: float):
        self.prize, self.none = prize, none

    def span_logits(self, encodings):
        rows = []
        for encoding in encodings:
            row = np.zeros((len(encoding), 2), dtype=np.float32)
            row[0] = self.none / 2
            for place, (token, of) in enumerate(zip(encoding.tokens, encoding.sequence_ids, strict=True)):
                if token == "prize" and of == 1:
                    row[place] = self.prize / 2
            rows.append(row)
        return rows


@pytest.mark.parametrize(
    ("prize", "none", "threshold", "answer"),
    [(6.0, 4.0, 0.0, "prize"), (4.0, 6.0, 0.0, ""), (4.0, 6.0, 3.0, "prize"), (6.0, 4.0, -3.0, "")],
)
def test_no_answer_is_an_answer_when_it_scores_more_by_the_threshold(prize, none, threshold, answer):
    asking = QuestionAnsweringPipeline(Scripted(prize, none), wordpiece(), no_answer=True, threshold=threshold)
    (prediction,) = asking("who won", SENTENCES[1])
    assert prediction.answer == answer
    assert prediction.answers[0].text == "prize"
    if answer:
        assert prediction.start == SENTENCES[1].index("prize")
    else:
        assert (prediction.start, prediction.end, prediction.score) == (None, None, prediction.no_answer_score)


def test_no_answer_is_the_least_likely_over_the_windows():
    """One window holds the answer and says so; the others would say that there is none."""

    class Windowed(Scripted):
        def span_logits(self, encodings):
            rows = super().span_logits(encodings)
            for encoding, row in zip(encodings, rows, strict=True):
                row[0] = 0.0 if "prize" in encoding.tokens else 20.0
            return rows

    asking = QuestionAnsweringPipeline(Windowed(8.0, 0.0), wordpiece(), no_answer=True, stride=2)
    (prediction,) = asking("who won", CONTEXT)
    assert prediction.windows > 3
    assert prediction.answer == "prize"


def test_one_question_of_many_contexts_and_many_of_one(folder: Path):
    asking = pipeline("question-answering", folder)
    one_each = asking([QUESTION, "Where?"], SENTENCES[:2])
    assert [p.tokens for p in one_each] == [
        p.tokens for p in [*asking(QUESTION, SENTENCES[0]), *asking("Where?", SENTENCES[1])]
    ]
    assert len(asking(QUESTION, SENTENCES)) == len(SENTENCES)
    assert len(asking([QUESTION, "Where?"], SENTENCES[0])) == 2
    assert asking([], []) == []
    with pytest.raises(InputError, match="2 questions but 3 contexts: give one, or one for each"):
        asking([QUESTION, "Where?"], SENTENCES[:3])


def test_a_stream_is_answered_in_order(folder: Path):
    asking = pipeline("question-answering", folder)
    pairs = [(f"{QUESTION} {number}", SENTENCES[number % 7]) for number in range(600)]
    streamed = asking.stream(iter(pairs))
    for number, prediction in enumerate(streamed):
        assert prediction.answer in SENTENCES[number % 7]
    assert number == 599


def test_answers_do_not_depend_on_neighbours(folder: Path):
    asking = pipeline("question-answering", folder)
    contexts = [*SENTENCES, CONTEXT]
    together = asking(QUESTION, contexts)
    for context, prediction in zip(contexts, together, strict=True):
        (alone,) = asking(QUESTION, context)
        assert (alone.start, alone.end) == (prediction.start, prediction.end)
        assert alone.score == pytest.approx(prediction.score, abs=1e-5)


@pytest.mark.parametrize("make", [wordpiece, bytes_without_types])
def test_special_tokens_in_question_and_context_are_plain_text(make):
    tokenizer = make(64)
    asking = pipeline("question-answering", tiny("ForQuestionAnswering", tokenizer, length=64))
    everything = " ".join(tokenizer.all_special_tokens)
    (encoded,) = asking.encode([(everything, everything + " Ada")])
    plain = tokenizer.encode_batch([""], [""])[0].ids
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert [number for number in encoded.windows[0].ids if number in special] == list(plain)
    (prediction,) = asking(everything, everything + " Ada")
    assert prediction.answer in everything + " Ada"


@pytest.mark.parametrize(
    ("question", "context", "message"),
    [
        ("", "Ada", "question 0 is empty, or of blanks alone: ask something"),
        (" \n", "Ada", "question 0 is empty, or of blanks alone: ask something"),
        ("Who?", " \t ", "context 0 is empty, or of blanks alone: give the text that holds the answer"),
        ("Who?", ["Ada", ""], "context 1 is empty, or of blanks alone"),
        ("Who? " * 40, "Ada " * 40, "leaves no room for the text beside it in a window of 64 tokens"),
        ("Who?", ["Ada", None], "context 1 is a NoneType, not a str: None"),
    ],
)
def test_what_cannot_be_asked_is_named(folder: Path, question, context, message: str):
    with pytest.raises(InputError) as error:
        pipeline("question-answering", folder)(question, context)
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["top_k", "max_answer_tokens"])
def test_numbers_must_be_at_least_one(folder: Path, name: str):
    with pytest.raises(InputError, match=f"{name}=0 must be at least 1"):
        pipeline("question-answering", folder, **{name: 0})
