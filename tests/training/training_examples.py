"""Tiny models and data that the training tests share."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from enfold import BertConfig, BertForSequenceClassification, BertForTokenClassification

VOCABULARY = 60


def tiny_config(**changes: Any) -> BertConfig:
    return BertConfig(
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 48,
            "max_position_embeddings": 40,
            "num_labels": 2,
            **changes,
        }
    )


def tiny_classifier(seed: int = 0, **changes: Any) -> BertForSequenceClassification:
    torch.manual_seed(seed)
    return BertForSequenceClassification(tiny_config(**changes))


def tiny_tagger(seed: int = 0, **changes: Any) -> BertForTokenClassification:
    torch.manual_seed(seed)
    return BertForTokenClassification(tiny_config(**changes))


def without_dropout() -> dict[str, float]:
    return {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def some_rows(count: int, seed: int = 0, longest: int = 20) -> list[dict[str, Any]]:
    """Texts whose label can be learned: whether token 7 or token 8 stands in them."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        label = draw.randrange(2)
        words = [draw.randrange(10, VOCABULARY) for _ in range(draw.randrange(2, longest - 2))]
        words.insert(draw.randrange(len(words)), 7 + label)
        rows.append({"input_ids": [2, *words, 3], "labels": label})
    return rows


def some_tagged_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """One label a token, none for the first and last, of very unlike lengths."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        words = [draw.randrange(10, VOCABULARY) for _ in range(draw.choice([1, 2, 12, 20]))]
        rows.append({"input_ids": [2, *words, 3], "labels": [-100, *(word % 2 for word in words), -100]})
    return rows


def padded(rows: list[dict[str, Any]], length: int) -> list[dict[str, Any]]:
    """The same rows as tokenizers give them with padding to a fixed length."""
    result = []
    for row in rows:
        ids = row["input_ids"]
        missing = length - len(ids)
        result.append(
            {
                "input_ids": ids + [0] * missing,
                "attention_mask": [1] * len(ids) + [0] * missing,
                "token_type_ids": [0] * length,
                "labels": row["labels"],
            }
        )
    return result


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def accuracy(prediction: Any) -> dict[str, float]:
    logits, labels = prediction
    return {"accuracy": float((np.argmax(logits, axis=-1) == labels).mean())}
