"""From words with tags to a trained model that finds them in plain text: one aligner all the way."""

from __future__ import annotations

import pytest
import torch
from tiny_models import tiny, wordpiece

from enfold import DataCollatorForTokenClassification, pipeline
from enfold.evaluation import entity_scores
from enfold.values import LabelSet, TagScheme, join_words, label_tokens, spans_of

TAGGED = [
    ("Ada/B-PER Lovelace/I-PER met/O Charles/B-PER Babbage/I-PER in/O London/B-LOC ./O", " "),
    ("In/O Berlin/B-LOC ,/O Grace/B-PER Hopper/I-PER was/O interrupted/O ./O", " "),
    ("Restaurants/O near/O San/B-LOC Jose/I-LOC serve/O lunch/O ./O", " "),
    ("王/B-PER 小/I-PER 明/I-PER 昨/O 天/O 在/O 北/B-LOC 京/I-LOC 见/O 李/B-PER 华/I-PER", ""),
]
LABELS = LabelSet(("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))


@pytest.mark.parametrize("continuing", ["label", "ignore"])
def test_a_model_finds_what_it_was_trained_on(continuing: str):
    texts, spans = [], []
    for line, separator in TAGGED:
        words, tags = zip(*(item.rsplit("/", 1) for item in line.split()), strict=True)
        joined = join_words(words, separator)
        texts.append(joined.text)
        spans.append(spans_of(tags, joined.offsets, joined.text, TagScheme.of(LABELS)))
    assert [len(found) for found in spans] == [3, 2, 1, 3]

    tokenizer = wordpiece(64)
    encodings = tokenizer.encode_batch(texts)
    rows = [
        {"input_ids": list(one.ids), "labels": label_tokens(one, found, LABELS, continuing=continuing)}
        for one, found in zip(encodings, spans, strict=True)
    ]
    batch = DataCollatorForTokenClassification(tokenizer)(rows)
    model = tiny("ForTokenClassification", tokenizer, length=64, std=0.1, id2label=LABELS.id2label)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(60):
        optimiser.zero_grad()
        model(**batch).loss.backward()
        optimiser.step()

    find = pipeline("token-classification", model, aggregation_strategy="first")
    scores = entity_scores(spans, [prediction.entities for prediction in find(texts)])
    assert scores.metrics == dict.fromkeys(scores.metrics, 1.0)
