"""A tiny classifier that has learnt a rule, with its tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

WORDS = ["free", "prize", "call", "now", "see", "you", "at", "six", "lunch", "win", "soon", "a", "the"]


class Trained(NamedTuple):
    """A model, its tokenizer, and rows that it has not seen."""

    model: Any
    tokenizer: Any
    texts: list[str]
    labels: list[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A BERT of width 64 that learnt in a second: a text with ``prize`` or ``win`` is spam."""
    import torch

    from enfold import BertConfig, BertForSequenceClassification, Tokenizer

    folder: Path = tmp_path_factory.mktemp("tokenizer")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    tokenizer = Tokenizer.from_pretrained(folder / "vocab.txt", model_max_length=32)
    torch.manual_seed(3)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=5 + len(WORDS),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=128,
            max_position_embeddings=32,
            id2label={0: "ham", 1: "spam"},
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
    generator = torch.Generator().manual_seed(0)
    texts = []
    for _ in range(300):
        chosen = torch.randint(
            0, len(WORDS), (int(torch.randint(3, 12, (1,), generator=generator)),), generator=generator
        )
        texts.append(" ".join(WORDS[number] for number in chosen))
    labels = ["spam" if {"prize", "win"} & set(text.split()) else "ham" for text in texts]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(12):
        for start in range(0, 200, 40):
            batch = tokenizer(texts[start : start + 40], padding=True, return_tensors="pt")
            right = torch.tensor([int(label == "spam") for label in labels[start : start + 40]])
            optimizer.zero_grad()
            model(**batch, labels=right).loss.backward()
            optimizer.step()
    return Trained(model.eval(), tokenizer, texts[200:], labels[200:])
