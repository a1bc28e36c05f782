"""Text classification: every token read, results in order, nothing cut in silence."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from enfold import AutoModelForSequenceClassification, AutoTokenizer, TextClassificationPipeline, pipeline
from enfold.errors import InputError

WORDS = ["free", "prize", "call", "now", "see", "you", "at", "six", "lunch", "win", "a", "the"]


def words(count: int, seed: int = 0) -> str:
    choose = random.Random(seed)
    return " ".join(choose.choice(WORDS) for _ in range(count))


@pytest.fixture(scope="module")
def classify(folder: Path) -> TextClassificationPipeline:
    return pipeline("text-classification", model=folder)


def reference_logits(folder: Path, text: str) -> np.ndarray:
    """Padded, unpacked, one text at a time: the other way through the model."""
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        return model(**AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")).logits[0].double().numpy()


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def test_a_prediction_carries_label_scores_revision_and_tokens(folder: Path, classify: TextClassificationPipeline):
    (prediction,) = classify("free prize call now")
    expected = softmax(reference_logits(folder, "free prize call now"))

    assert list(prediction.scores) == ["ham", "spam"]
    assert list(prediction.scores.values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert prediction.label == ["ham", "spam"][int(expected.argmax())]
    assert prediction.score == max(prediction.scores.values())
    assert sum(prediction.scores.values()) == pytest.approx(1.0)
    assert (prediction.tokens, prediction.windows, prediction.cut) == (6, 1, 0)
    assert prediction.model == AutoModelForSequenceClassification.from_pretrained(folder).revision != ""
    assert prediction["label"] == prediction.label


def test_the_result_is_always_a_list_in_the_order_of_the_texts(classify: TextClassificationPipeline):
    texts = [words(1 + (7 * number) % 40, seed=number) for number in range(50)]
    together = classify(texts)
    alone = [classify(text)[0] for text in texts]
    assert isinstance(classify(texts[0]), list)
    assert [p.tokens for p in together] == [p.tokens for p in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.label == other.label
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_a_prediction_does_not_depend_on_its_neighbours(classify: TextClassificationPipeline):
    texts = [words(1 + number % 45, seed=number) for number in range(100)]
    alone = [classify(text)[0] for text in texts]
    for seed in range(10):
        order = random.Random(seed).sample(range(100), 100)
        for number, prediction in zip(order, classify([texts[number] for number in order]), strict=True):
            assert prediction.label == alone[number].label
            assert prediction.scores == pytest.approx(alone[number].scores, abs=1e-5)


def test_every_prediction_has_an_id_of_its_own(classify: TextClassificationPipeline):
    assert len({prediction.id for prediction in classify(["see you"] * 20)}) == 20


# Long texts


def test_a_long_text_is_read_whole_through_windows_whose_logits_are_merged_by_what_each_read_first(folder: Path):
    """30 tokens of text fit a window; with a stride of 10 windows begin 20 tokens apart."""
    classify = pipeline("text-classification", model=folder, stride=10)
    every = words(75).split()
    parts = [every[start : start + 30] for start in (0, 20, 40)] + [every[60:]]
    (prediction,) = classify(" ".join(every))

    logits = np.stack([reference_logits(folder, " ".join(part)) for part in parts])
    weights = np.array([30, 20, 20, 5])
    expected = softmax((weights[:, None] * logits).sum(0) / 75)
    assert (prediction.windows, prediction.tokens, prediction.cut) == (4, 77, 0)
    assert list(prediction.scores.values()) == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("count", [1, 29, 30, 31, 45, 50, 51, 100, 333])
@pytest.mark.parametrize("stride", [0, 1, 15, 29])
def test_the_tokens_of_a_windowed_text_are_counted_once(folder: Path, count: int, stride: int):
    classify = pipeline("text-classification", model=folder, stride=stride)
    text = words(count)
    (encoded,) = classify.encode([text])
    assert encoded.tokens == classify.tokenizer.count_tokens([text])[0] == count + 2
    assert sum(encoded.first_read) == count
    assert all(0 < read <= 30 for read in encoded.first_read)
    assert all(len(window) <= 32 for window in encoded.windows)


def test_a_text_that_just_fits_is_one_window(classify: TextClassificationPipeline):
    assert [p.windows for p in classify([words(30), words(31)])] == [1, 2]


def test_the_end_of_a_long_text_has_a_say(classify: TextClassificationPipeline):
    start = words(60)
    one, other = classify([f"{start} {words(30, seed=1)}", f"{start} {words(30, seed=2)}"])
    assert one.scores != pytest.approx(other.scores, abs=1e-6)


def test_truncation_cuts_only_when_asked_and_says_so(folder: Path, classify: TextClassificationPipeline):
    text = words(100)
    (cut,) = classify(text, truncation=True)
    assert (cut.windows, cut.cut, cut.tokens) == (1, 70, 102)
    expected = softmax(reference_logits(folder, " ".join(text.split()[:30])))
    assert list(cut.scores.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    assert classify(words(10), truncation=True)[0].cut == 0
    assert classify(text)[0].cut == 0


def test_a_text_of_100_000_tokens_needs_bounded_memory(folder: Path):
    """The model sees 4,096 tokens at a time however long the text is."""

    class Watched(TextClassificationPipeline):
        largest = 0

        def logits(self, windows):
            Watched.largest = max(Watched.largest, sum(map(len, windows)))
            return super().logits(windows)

    classify = Watched(
        AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    )
    (prediction,) = classify("free prize " * 50_000)
    assert prediction.tokens == 100_002
    assert prediction.windows > 3000
    assert Watched.largest <= 4096


# Odd texts


@pytest.mark.parametrize("text", ["", " ", "\n\t  "])
def test_an_empty_text_is_answered_from_its_special_tokens_alone(
    folder: Path, classify: TextClassificationPipeline, text: str
):
    (prediction,) = classify(text)
    assert (prediction.tokens, prediction.windows) == (2, 1)
    assert list(prediction.scores.values()) == pytest.approx(softmax(reference_logits(folder, "")).tolist(), abs=1e-6)


def test_no_texts_give_no_predictions(classify: TextClassificationPipeline):
    assert classify([]) == []


def test_a_text_cannot_forge_a_special_token(classify: TextClassificationPipeline):
    (encoded,) = classify.encode(["see [SEP] you"])
    assert list(encoded.windows[0].ids).count(3) == 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["see", None], "text 1 is a NoneType, not a str: None"),
        ([["see", "you"]], "text 0 is a list, not a str: ['see', 'you']"),
        (["a\ud800b"], "text 0 holds half of a surrogate pair, which is no character"),
    ],
)
def test_what_is_no_text_is_named(classify: TextClassificationPipeline, texts: list, message: str):
    with pytest.raises(InputError) as error:
        classify(texts)
    assert message in str(error.value)


# Streams and threads


def test_a_stream_is_answered_in_order_before_it_has_ended(classify: TextClassificationPipeline):
    taken = 0

    def texts():
        nonlocal taken
        for number in range(3000):
            taken += 1
            yield words(1 + number % 5, seed=number)

    stream = classify.stream(texts())
    first = next(stream)
    assert taken <= 1025
    expected = classify([words(1 + number % 5, seed=number) for number in range(3000)])
    answered = [first, *stream]
    assert [p.tokens for p in answered] == [p.tokens for p in expected]
    assert [p.label for p in answered] == [p.label for p in expected]


def test_threads_may_share_a_pipeline(classify: TextClassificationPipeline):
    texts = [words(1 + number % 40, seed=number) for number in range(40)]
    expected = [prediction.scores for prediction in classify(texts)]
    seen: dict[int, list] = {}
    threads = [
        threading.Thread(target=lambda number=number: seen.update({number: classify(texts)})) for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        assert [p.scores for p in seen[number]] == [pytest.approx(scores, abs=1e-5) for scores in expected]


def test_predicting_with_a_model_in_training_is_without_dropout_and_leaves_its_mode(folder: Path):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    expected = model.predict(["see you at six"])
    model.train()
    model.base_model.embeddings.eval()  # a part the user froze stays as it is
    assert model.predict(["see you at six"])[0].scores == pytest.approx(expected[0].scores, abs=1e-6)
    assert model.training
    assert not model.base_model.embeddings.training


def test_predicting_keeps_no_gradients(folder: Path):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.predict("see you")
    assert all(parameter.grad is None for parameter in model.parameters())


# Sizes


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"max_length": 33}, "max_length=33 must lie between 1 and the 32 positions of the model"),
        ({"max_length": 0}, "max_length=0 must lie between 1 and the 32 positions of the model"),
        ({"max_length": 2}, "max_length=2 leaves no room for text beside 2 special tokens"),
        ({"stride": 30}, "stride=30 must be at least 0 and less than the 30 tokens of text in a window"),
        ({"stride": -1}, "stride=-1 must be at least 0"),
        ({"max_tokens": 0}, "max_tokens=0 must be at least 1"),
    ],
)
def test_sizes_that_cannot_be_are_refused(folder: Path, sizes: dict, message: str):
    with pytest.raises(InputError) as error:
        pipeline("text-classification", model=folder, **sizes)
    assert message in str(error.value)


def test_the_default_sizes_come_from_the_model(classify: TextClassificationPipeline):
    assert (classify.max_length, classify.stride) == (32, 15)


def test_the_tokenizers_own_limit_counts_where_it_is_smaller(folder: Path):
    tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=16)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert TextClassificationPipeline(model, tokenizer).max_length == 16


def test_texts_can_be_mended_as_the_training_texts_were(folder: Path) -> None:
    from enfold.data import repair_text

    raw = pipeline("text-classification", folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    mended = TextClassificationPipeline(model, model.tokenizer, mend=repair_text)
    plain, marked = "free prize call now", "free  prize<br />call&nbsp;now"
    assert mended([marked])[0].scores == pytest.approx(raw([plain])[0].scores)
    assert mended([marked])[0].tokens == raw([plain])[0].tokens < raw([marked])[0].tokens


def test_ten_thousand_texts_of_one_token_and_none_at_all(classify: TextClassificationPipeline):
    tokenizer = classify.tokenizer
    texts = [WORDS[number % len(WORDS)] for number in range(10_000)]
    assert {len(ids) - 2 for ids in (tokenizer(word)["input_ids"] for word in WORDS)} == {1}
    found = classify(texts)
    alone = [classify(word)[0].scores["spam"] for word in WORDS]
    assert [p.scores["spam"] for p in found] == pytest.approx((alone * 834)[:10_000], abs=1e-5)
    assert classify([]) == []
