"""Find names in text: fine-tune a small BERT on a CoNLL file, and measure it by whole entities.

    python examples/ner.py FOLDER/ner-wnut17
    python examples/ner.py FOLDER/ner-weibo-zh --characters

FOLDER holds the data sets WNUT-17 (English) and Weibo NER (Chinese) as they are published: a token and its tag a line.
For Chinese the small English BERT gets a new vocabulary of characters; only what is above the word vectors is kept.
Three minutes for WNUT-17 on two cores.
"""

import argparse
import json
from pathlib import Path

import torch

from enfold import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    LabelSet,
    Trainer,
    TrainingArguments,
    pipeline,
    set_seed,
)
from enfold.evaluation import entity_scores
from enfold.text import train_tokenizer
from enfold.values import TagScheme, join_words, label_tokens, spans_of

SETTINGS = {
    "num_train_epochs": 5,
    "per_device_train_batch_size": 16,
    "learning_rate": 2e-4,
    "warmup_steps": 0.1,
    "weight_decay": 0.01,
}


def read_conll(path, characters=False, limit=None):
    """Sentences as (words, tags). A character of Weibo NER has a digit behind it that says where words are."""
    sentences, words = [], []
    for line in [*Path(path).read_text(encoding="utf-8").splitlines(), ""]:
        if line.strip():
            word, tag = line.rstrip().split("\t")
            words.append((word[0] if characters else word, tag))
        elif words:
            sentences.append(tuple(zip(*words, strict=True)))
            words = []
    return sentences[:limit]


def read_folder(folder, characters, limit=None):
    """The training and the test part: texts and the entities in them, as stretches of characters; and all tags."""
    files = sorted(Path(folder).iterdir())
    parts = [next(file for file in files if part in file.name) for part in ("train", "test")]
    sentences = [read_conll(file, characters, limit) for file in parts]
    tags = sorted({tag for part in sentences for _, row in part for tag in row} - {"O"})
    types = dict.fromkeys(tag[2:] for tag in tags)
    labels = LabelSet(("O", *(f"{mark}-{kind}" for kind in types for mark in "BI")))
    scheme = TagScheme.of(labels)
    made = []
    for part in sentences:
        joined = [join_words(words, "" if characters else " ") for words, _ in part]
        spans = [spans_of(row, one.offsets, one.text, scheme) for one, (_, row) in zip(joined, part, strict=True)]
        made.append(([one.text for one in joined], spans))
    return *made, labels


def starting_point(base, labels, texts=None):
    """A model and its tokenizer; with ``texts`` the vocabulary is made of them, and its vectors are new."""
    model = AutoModelForTokenClassification.from_pretrained(base, labels=labels)
    if texts is None:
        return model, AutoTokenizer.from_pretrained(base)
    tokenizer = train_tokenizer(texts, "wordpiece", 8000, min_frequency=1, model_max_length=512)
    model.resize_token_embeddings(len(tokenizer))
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=0.02)
    return model, tokenizer


def rows_of(tokenizer, texts, spans, labels):
    encodings = tokenizer.encode_batch(texts, max_length=256)
    return [
        {"input_ids": list(one.ids), "labels": label_tokens(one, found, labels, continuing="ignore")}
        for one, found in zip(encodings, spans, strict=True)
    ]


def main(folder, base="minilm", characters=False, limit=None, out="ner-model", seed=42, **changes):
    set_seed(seed)
    (texts, spans), (test_texts, test_spans), labels = read_folder(folder, characters, limit)
    model, tokenizer = starting_point(base, labels, texts if characters else None)
    arguments = TrainingArguments(out, seed=seed, save_strategy="no", logging_steps=50, **{**SETTINGS, **changes})
    rows = rows_of(tokenizer, texts, spans, labels)
    trainer = Trainer(model, arguments, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    trainer.save_model(out)

    find = pipeline("token-classification", out, aggregation_strategy="first")
    scores = entity_scores(test_spans, [prediction.entities for prediction in find(test_texts)])
    print(json.dumps({name: round(value, 4) for name, value in scores.metrics.items()}, indent=2))
    return scores


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="holds one file with 'train' in its name and one with 'test'")
    parser.add_argument("--base", default="minilm", help="the model to start from (%(default)s)")
    parser.add_argument("--characters", action="store_true", help="tokens are characters, each with a digit behind it")
    parser.add_argument("--limit", type=int, help="so many sentences only")
    parser.add_argument("--out", default="ner-model")
    parser.add_argument("--seed", type=int, default=42)
    main(**vars(parser.parse_args()))
