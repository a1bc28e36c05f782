"""Entities as stretches of characters: every aggregation, any language, long texts, nothing forged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import transformers
from tiny_models import FORGED, SENTENCES, bytes_without_types, saved, tiny, wordpiece

from enfold import pipeline
from enfold.errors import InputError, LabelError
from enfold.pipelines import TokenClassificationPipeline
from enfold.pipelines.words import words_of_tokens
from enfold.values import LabelSet

NAMES = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
AGGREGATIONS = ["none", "simple", "first", "average", "max"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny("ForTokenClassification", wordpiece(128), length=128, std=0.15, seed=3, id2label=NAMES)
    return saved(model, tmp_path_factory.mktemp("ner") / "model")


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_the_same_entities_as_transformers(folder: Path, aggregation: str):
    theirs = transformers.pipeline("token-classification", model=str(folder), aggregation_strategy=aggregation)
    ours = pipeline("token-classification", folder, aggregation_strategy=aggregation)
    found = 0
    for text, prediction in zip(SENTENCES, ours(SENTENCES), strict=True):
        expected = theirs(text)
        key = "entity" if aggregation == "none" else "entity_group"
        assert [(e.label, e.start, e.end) for e in prediction.entities] == [
            (item[key], item["start"], item["end"]) for item in expected
        ]
        assert [e.score for e in prediction.entities] == pytest.approx([float(i["score"]) for i in expected], abs=1e-5)
        found += len(expected)
    assert found > 20


def test_an_entity_is_the_exact_slice_of_the_text(folder: Path):
    for prediction, text in zip(pipeline("ner", folder)(SENTENCES), SENTENCES, strict=True):
        for entity in prediction.entities:
            assert entity.text == text[entity.start : entity.end] == entity.text.strip()
        assert prediction["entities"] == prediction.entities


class Tagger:
    """A runtime that tags every token by a rule of its text, with full certainty."""

    revision = "rule"
    max_length = 16

    def __init__(self, labels: tuple[str, ...], tag):
        self.labels = LabelSet(labels)
        self.tag = tag
        self.longest = 0

    def token_logits(self, encodings):
        self.longest = max(self.longest, *map(len, encodings))
        rows = []
        for encoding in encodings:
            row = np.zeros((len(encoding), len(self.labels)), dtype=np.float32)
            for place, token in enumerate(encoding.tokens):
                row[place, self.labels.index(self.tag(token))] = 9.0
            rows.append(row)
        return rows


def test_an_entity_over_the_edge_of_a_window_is_one(folder: Path):
    """The same as read in one window: names of nine tokens, in windows of sixteen."""

    def inside(token: str) -> str:
        return "PER" if token in ("san", "jose") else "O"

    tokenizer = wordpiece()
    text = "call now " + "san jose " * 20 + "at six in london, " * 3 + "san jose"
    narrow = TokenClassificationPipeline(Tagger(("O", "PER"), inside), tokenizer, max_length=16, stride=4)
    (prediction,) = narrow(text)
    assert prediction.windows > 4
    assert [(e.start, e.end) for e in prediction.entities] == [(9, 9 + 9 * 20 - 1), (len(text) - 8, len(text))]


def test_a_long_text_is_judged_where_each_token_has_most_context(folder: Path):
    text = " ".join(SENTENCES[:5] * 2)
    ner = pipeline("ner", folder, max_length=40, stride=12, aggregation_strategy="none")
    (read,) = ner.encode([text])
    outputs = ner.run(read.windows)
    merged, owners = read.merged(outputs), read.owners()
    assert len(read.windows) > 3
    for token in (0, 17, 33, read.read - 1):
        window = int(owners[token])
        assert np.array_equal(merged[token], outputs[window][1 + token - read.starts[window]])
    (cut,) = ner(text, truncation=True)
    assert (cut.windows, cut.cut > 0) == (1, True)


@pytest.mark.parametrize("aggregation", ["first", "average", "max"])
def test_words_of_chinese_are_its_characters_where_the_tokenizer_knows_none(aggregation: str):
    """For a byte tokenizer a Chinese sentence is one word; it must not become one entity."""

    def tag(token: str) -> str:
        return "LOC" if token in beijing else "O"

    tokenizer = bytes_without_types(64)
    text = "我在北京见李华"
    (encoding,) = tokenizer.encode_batch([text])
    beijing = {
        t for t, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True) if start >= 2 and 0 < end <= 4
    }
    others = {t for t, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True) if end <= 2 or start >= 4}
    if beijing & others:
        pytest.skip("the bytes of the two characters are not theirs alone")
    runtime = Tagger(("O", "LOC"), tag)
    runtime.max_length = 64
    (prediction,) = TokenClassificationPipeline(runtime, tokenizer, aggregation_strategy=aggregation)(text)
    assert [(entity.start, entity.end) for entity in prediction.entities] == [(2, 4)]


def test_words_end_at_punctuation_and_at_characters_that_are_words():
    text = "Kraków, O'Neill 北京a ไทย"
    offsets = [(0, 3), (3, 6), (6, 7), (8, 9), (9, 10), (10, 12), (12, 15), (16, 17), (17, 18), (18, 19), (20, 23)]
    word_ids = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3]
    words = [text[offsets[first][0] : offsets[end - 1][1]] for first, end in words_of_tokens(text, offsets, word_ids)]
    assert words == ["Kraków", ",", "O", "'", "Neill", "北", "京", "a", "ไทย"]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_text_of_special_tokens_is_plain_text(folder: Path, aggregation: str):
    ner = pipeline("ner", folder, aggregation_strategy=aggregation)
    text = f"Ada {FORGED} [MASK] London"
    (read,) = ner.encode([text])
    special = {2, 3}
    assert [number for number in read.windows[0].ids if number in special] == [2, 3]
    for entity in ner(text)[0].entities:
        assert text[entity.start : entity.end] == entity.text


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_has_no_entities(folder: Path, text: str):
    for aggregation in AGGREGATIONS:
        (prediction,) = pipeline("ner", folder, aggregation_strategy=aggregation)(text)
        assert (prediction.entities, prediction.tokens) == ((), 2)


def test_an_answer_does_not_depend_on_its_neighbours(folder: Path):
    ner = pipeline("ner", folder)
    together = ner(SENTENCES * 3)
    for number, text in enumerate(SENTENCES * 3):
        (alone,) = ner(text)
        assert [(e.start, e.end, e.label) for e in alone.entities] == [
            (e.start, e.end, e.label) for e in together[number].entities
        ]


def test_a_model_without_token_types_is_given_none():
    """Its tokenizer names no token types, so the model must not get any, whatever the encodings hold."""
    tokenizer = bytes_without_types()
    model = tiny("ForTokenClassification", tokenizer, id2label=NAMES)
    seen = []
    model.register_forward_pre_hook(lambda _, __, given: seen.append("token_type_ids" in given), with_kwargs=True)
    pipeline("ner", model)("Ada in London")
    pipeline("ner", tiny("ForTokenClassification", wordpiece(), id2label=NAMES))("Ada in London")
    assert seen == [False]


def test_labels_that_are_no_tags_say_how_to_name_them():
    model = tiny("ForTokenClassification", wordpiece(), num_labels=3)
    with pytest.raises(LabelError, match="the labels have no names .* give the model id2label"):
        pipeline("ner", model)
    assert pipeline("ner", model, aggregation_strategy="none")("Ada")[0].entities


def test_an_unknown_aggregation_and_a_wrong_head_are_refused(folder: Path):
    with pytest.raises(InputError) as error:
        pipeline("ner", folder, aggregation_strategy="frist")
    assert str(error.value) == (
        "no aggregation strategy 'frist'; there are: none, simple, first, average, max; did you mean 'first'?"
    )
    with pytest.raises(InputError, match="token-classification needs a model with the head ForTokenClassification; "):
        pipeline("ner", tiny("ForMaskedLM", wordpiece()))
