"""A tiny random classifier with its tokenizer, as a model folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

WORDS = ["free", "prize", "call", "now", "see", "you", "at", "six", "lunch", "win", "##ner", "a", "the", "."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of width 32 that reads 32 tokens and knows two labels, with weights large enough to have opinions."""
    from enfold import BertConfig, BertForSequenceClassification, Tokenizer

    made = tmp_path_factory.mktemp("model")
    vocabulary = made / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    Tokenizer.from_pretrained(vocabulary, model_max_length=32).save_pretrained(made)
    torch.manual_seed(7)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=5 + len(WORDS),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=32,
            id2label={0: "ham", 1: "spam"},
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    model.save_pretrained(made)
    return made
