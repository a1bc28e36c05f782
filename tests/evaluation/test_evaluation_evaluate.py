"""``evaluate`` from data in any form to a report, and every fault of the data named."""

import json

import datasets
import numpy as np
import pandas
import polars
import pytest
from known_answers import Known, random_answers

from enfold.errors import DataError, InputError, LabelError
from enfold.evaluation import Report, evaluate, tfidf_baseline
from enfold.values import LabelSet

LABELS = LabelSet(("ham", "spam"))
TEXTS = ["see you soon", "win a prize now", "call me later please", "free entry"]
RIGHT = ["ham", "spam", "ham", "spam"]
ROWS = [{"text": text, "label": label, "from": place} for text, label, place in zip(TEXTS, RIGHT, "AABB", strict=True)]
MODEL = Known(
    LABELS,
    dict(zip(TEXTS, [(0.9, 0.1), (0.2, 0.8), (0.3, 0.7), (0.9, 0.1)], strict=True)),
)


def test_a_report_says_how_good_and_where_it_fails():
    report = evaluate(MODEL, ROWS, slices=["from"], source="four.csv")
    assert (report.rows, report.data, report.model, report.labels) == (4, "four.csv", "known", ("ham", "spam"))
    assert report["accuracy"].value == 0.5
    assert report.scores["accuracy"] == 0.5
    assert report.confusion == ((1, 1), (1, 1))
    assert [(row.label, row.rows, row.predicted) for row in report.classes] == [("ham", 2, 2), ("spam", 2, 2)]
    assert [(item.text, item.predicted, item.score) for item in report.mistakes] == [
        ("free entry", "ham", 0.9),
        ("call me later please", "spam", 0.7),
    ]
    assert [(item.by, item.name, item.accuracy.value) for item in report.slices if item.by == "from"] == [
        ("from", "A", 1.0),
        ("from", "B", 0.0),
    ]
    assert "4 rows are few" in report.notes[0]
    assert report.settings["resamples"] == 1000
    assert "numpy" in report.versions


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: rows,
        polars.DataFrame,
        pandas.DataFrame,
        lambda rows: polars.DataFrame(rows).to_arrow(),
        datasets.Dataset.from_list,
        lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
    ],
    ids=["rows", "polars", "pandas", "arrow", "datasets", "columns"],
)
def test_data_in_every_form_gives_the_same_report(form):
    assert evaluate(MODEL, form(ROWS)) == evaluate(MODEL, ROWS)


def test_a_path_is_read_and_named(tmp_path):
    path = tmp_path / "four.csv"
    polars.DataFrame(ROWS).rename({"text": "message", "label": "kind"}).write_csv(path)
    report = evaluate(MODEL, path, text="message", label="kind")
    assert report.data == str(path)
    assert report.confusion == ((1, 1), (1, 1))


def test_numbers_of_labels_are_read_by_name():
    numbered = [{"text": text, "label": LABELS.index(label)} for text, label in zip(TEXTS, RIGHT, strict=True)]
    assert evaluate(MODEL, numbered).confusion == ((1, 1), (1, 1))
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["spam", "ham"])}
    )
    turned = datasets.Dataset.from_list(
        [{"text": text, "label": label} for text, label in zip(TEXTS, RIGHT, strict=True)], features=features
    )
    assert evaluate(MODEL, turned).confusion == ((1, 1), (1, 1))


def test_anything_callable_that_predicts_is_evaluated():
    assert evaluate(MODEL.predict, ROWS).scores == evaluate(MODEL, ROWS).scores


def test_it_compares_with_other_models_on_the_same_rows():
    perfect = Known(LABELS, dict(zip(TEXTS, [(0.9, 0.1), (0.2, 0.8), (0.7, 0.3), (0.4, 0.6)], strict=True)), "perfect")
    report = evaluate(MODEL, ROWS, against={"previous model": perfect})
    (other,) = report.comparisons
    assert (other.name, other.model, other.lost, other.gained) == ("previous model", "perfect", 2, 0)
    assert other.difference.mean == -0.5


def test_a_model_of_other_labels_is_compared_by_name():
    swapped = Known(LabelSet(("spam", "ham")), {text: scores[::-1] for text, scores in MODEL.scores.items()}, "swapped")
    report = evaluate(MODEL, ROWS, against={"swapped": swapped})
    assert report.comparisons[0].difference.mean == 0
    # A third label that only the other model has: its answers there are wrong, and nothing else changes.
    wider = Known(LabelSet(("eggs", "ham", "spam")), dict.fromkeys(TEXTS, (0.8, 0.1, 0.1)), "wider")
    assert evaluate(MODEL, ROWS, against={"wider": wider}).comparisons[0].gained == 2


def test_notes_name_what_the_rows_cannot_tell():
    model = Known(LabelSet(("ham", "spam", "eggs")), dict.fromkeys(TEXTS[::2], (0.9, 0.05, 0.05)))
    notes = evaluate(model, ROWS[::2]).notes
    assert any("no row has the label 'spam', 'eggs'" in note for note in notes)
    assert any("every row is right" in note for note in notes)


def test_a_report_survives_json():
    right, scores = random_answers(60, 2, seed=0)
    texts = [" ".join(["w"] * (1 + row % 7)) + f" {row}" for row in range(60)]
    model = Known(LABELS, dict(zip(texts, scores, strict=True)))
    rows = [{"text": text, "label": LABELS.names[label]} for text, label in zip(texts, right, strict=True)]
    report = evaluate(model, rows, against={"itself": model}, resamples=100)
    written = json.dumps(report.to_json(), allow_nan=False)
    assert Report.from_json(json.loads(written)) == report


def test_length_slices_divide_the_rows_near_evenly():
    right, scores = random_answers(200, 2, seed=0)
    texts = [" ".join([str(row)] * (1 + row % 20)) for row in range(200)]
    model = Known(LABELS, dict(zip(texts, scores, strict=True)))
    rows = [{"text": text, "label": LABELS.names[label]} for text, label in zip(texts, right, strict=True)]
    slices = evaluate(model, rows, resamples=100).slices
    assert [(item.name, item.rows) for item in slices] == [
        ("up to 5 tokens", 50),
        ("6 to 10 tokens", 50),
        ("11 to 15 tokens", 50),
        ("more than 15 tokens", 50),
    ]


def test_texts_of_one_length_have_no_length_slices():
    rows = [{"text": text, "label": "ham"} for text in ("a", "b")]
    assert evaluate(Known(LABELS, {"a": (1, 0), "b": (1, 0)}), rows).slices == ()


TWO_UNKNOWN = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]


@pytest.mark.parametrize(
    ("rows", "settings", "error", "message"),
    [
        ([], {}, DataError, "the data has no rows to evaluate on"),
        (
            ROWS,
            {"text": "txt"},
            DataError,
            "column 'txt' not in the data; it has: text, label, from; did you mean 'text'?",
        ),
        (ROWS, {"slices": ["form"]}, InputError, "cannot slice by 'form'.*it has: from; did you mean 'from'?"),
        (
            [{"text": "a", "label": "sapm"}],
            {},
            LabelError,
            "'sapm' in the data is not a label of the model, which has: ham, spam; did you mean 'spam'?",
        ),
        (TWO_UNKNOWN, {}, LabelError, "'x', 'y' in the data are not labels of the model"),
        ([*ROWS, {"text": None, "label": "ham"}], {}, DataError, "row 5 of the data has no text: 'text' holds None"),
        ([*ROWS, {"text": "a", "label": None}], {}, DataError, "row 5 of the data has no label: 'label' is empty"),
        (ROWS, {"source": "four.csv", "label": "from"}, LabelError, "'A', 'B' in four.csv are not labels"),
    ],
)
def test_faults_of_the_data_are_named(rows, settings, error, message):
    with pytest.raises(error, match=message.replace("?", r"\?")):
        evaluate(MODEL, rows, **settings)


def test_what_cannot_predict_is_refused():
    with pytest.raises(InputError, match="list cannot be evaluated: give a model, a pipeline"):
        evaluate([1], ROWS)


def test_the_baseline_learns_english_and_chinese():
    english = [("win a free prize now", "spam"), ("claim your cash prize", "spam"), ("free tickets, call now", "spam"),
               ("see you at lunch", "ham"), ("are you home yet", "ham"), ("thanks for dinner", "ham")] * 3  # fmt: skip
    chinese = [("房间很干净，服务很好", "好"), ("位置方便，非常满意", "好"), ("早餐不错，服务热情", "好"),
               ("房间太小，又脏又旧", "差"), ("服务态度很差，失望", "差"), ("太吵了，睡不着", "差")] * 3  # fmt: skip
    for rows, tests in (
        (english, [("free cash prize", "spam"), ("see you at home", "ham")]),
        (chinese, [("服务很好，很满意", "好"), ("态度很差，又小又脏", "差")]),
    ):
        baseline = tfidf_baseline([text for text, _ in rows], [label for _, label in rows])
        predictions = baseline.predict([text for text, _ in tests])
        assert [prediction.label for prediction in predictions] == [label for _, label in tests]
        assert all(sum(prediction.scores.values()) == pytest.approx(1) for prediction in predictions)
        assert predictions[0].model.startswith("tfidf-")


def test_the_baseline_reads_texts_without_letters_and_fits_a_sample_of_many_rows():
    texts, labels = [":)", "!!", "?", ":("] * 10, ["good", "bad", "bad", "good"] * 10
    baseline = tfidf_baseline(texts, labels, max_rows=20)
    assert baseline(":)")[0].label == "good"
    assert baseline([]) == []


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a"], ["x", "y"], "1 texts and 2 labels"),
        (["a", "b"], ["x", "x"], "needs rows of at least two classes; it got 1"),
        (["", " "], ["x", "y"], "every training text is blank"),
    ],
)
def test_faults_of_the_training_rows_are_named(texts, labels, message):
    with pytest.raises(InputError, match=message):
        tfidf_baseline(texts, labels)


def test_the_surest_mistakes_come_first():
    right, scores = random_answers(50, 3, seed=2)
    names = LabelSet(("a", "b", "c"))
    texts = [f"text {row}" for row in range(50)]
    model = Known(names, dict(zip(texts, scores, strict=True)))
    rows = [{"text": text, "label": names.names[label]} for text, label in zip(texts, right, strict=True)]
    mistakes = evaluate(model, rows, mistakes=5, resamples=100).mistakes
    wrong = scores.max(axis=1)[scores.argmax(axis=1) != right]
    np.testing.assert_allclose([item.score for item in mistakes], sorted(wrong, reverse=True)[:5])
    assert all(item.score_of_label <= item.score for item in mistakes)
