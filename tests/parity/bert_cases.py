"""BERT's heads and configurations, and the inputs each is compared on."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from checkers import SEQ, Pair, make_pair, real_places, sample_inputs
from torch import Tensor

import enfold

CAPACITY = 16  # positions; more than a row has

CONFIGS: dict[str, dict[str, Any]] = {
    # What published files look like: exact gelu, two token types, a tied decoder.
    "gelu": {
        "vocab_size": 61,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": CAPACITY,
    },
    # Everything a file may say otherwise; positions are given, and differ from row to row.
    "relu": {
        "vocab_size": 47,
        "hidden_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "intermediate_size": 36,
        "max_position_embeddings": CAPACITY,
        "hidden_act": "relu",
        "layer_norm_eps": 1e-3,
        "type_vocab_size": 3,
        "pad_token_id": 5,
        "tie_word_embeddings": False,
        "classifier_dropout": 0.3,
    },
    # Vectors in place of ids, and no token types given.
    "gelu_new": {
        "vocab_size": 53,
        "hidden_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 5,
        "intermediate_size": 64,
        "max_position_embeddings": CAPACITY,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-5,
        "type_vocab_size": 1,
        "pad_token_id": None,
    },
}
HEADS = (
    "Model",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForMultipleChoice",
    "ForQuestionAnswering",
    "ForMaskedLM",
    "ForPreTraining",
    "ForNextSentencePrediction",
)
POOLED = ("ForSequenceClassification", "ForMultipleChoice", "ForNextSentencePrediction")


def classes(head: str) -> tuple[Any, Any]:
    """Our class and theirs."""
    return getattr(enfold, f"Bert{head}"), getattr(transformers, f"Bert{head}")


def settings_of(head: str, config: str, **more: Any) -> dict[str, Any]:
    """The keys of ``config.json``; question answering has two outputs, token and sequence classification five."""
    return CONFIGS[config] | {"num_labels": 5 if "Classification" in head else 2} | more


def bert_pair(head: str, config: str, *, seed: int = 0, **more: Any) -> Pair:
    """Both models with the same random weights."""
    return make_pair(*classes(head), settings_of(head, config, **more), seed=seed)


def bert_inputs(head: str, config: str, mask: str) -> dict[str, Tensor]:
    """What a head is compared on: ids or vectors, types and positions as the config has them, and labels."""
    settings = settings_of(head, config)
    inputs = sample_inputs(settings, mask)
    if head == "ForMultipleChoice":
        other = sample_inputs(settings, mask, seed=1)
        inputs = {name: torch.stack([inputs[name], other[name].flip(0)], 1) for name in inputs}
    shape, generator = inputs["input_ids"].shape, torch.Generator().manual_seed(2)
    if config == "gelu_new":
        del inputs["input_ids"]
        inputs["inputs_embeds"] = torch.randn(*shape, settings["hidden_size"], generator=generator)
    else:
        inputs["token_type_ids"] = torch.randint(0, settings.get("type_vocab_size", 2), shape, generator=generator)
    if config == "relu":
        inputs["position_ids"] = torch.rand(*shape[:-1], CAPACITY, generator=generator).argsort(-1)[..., :SEQ]
    return inputs | _labels(head, settings, inputs, shape)


def _labels(head: str, settings: dict[str, Any], inputs: dict[str, Tensor], shape: torch.Size) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)

    def numbers(high: int, *size: int) -> Tensor:
        return torch.randint(0, high, size, generator=generator)

    rows, real = shape[0], real_places(inputs)
    words = numbers(settings["vocab_size"] if head in ("ForMaskedLM", "ForPreTraining") else 5, *shape)
    unlabelled = torch.rand(shape, generator=generator) < 0.3
    if head not in ("ForMultipleChoice",) and real is not None:
        unlabelled |= ~real
    places = words.masked_fill(unlabelled, -100)
    return {
        "Model": {},
        "ForSequenceClassification": {"labels": numbers(5, rows)},
        "ForTokenClassification": {"labels": places},
        "ForMultipleChoice": {"labels": numbers(2, rows)},
        # Places beyond the row do not count, and those in its padding do.
        "ForQuestionAnswering": {
            "start_positions": torch.tensor([0, 3, 8, 5]),
            "end_positions": torch.tensor([SEQ, 5, -1, 2]),
        },
        "ForMaskedLM": {"labels": places},
        "ForPreTraining": {"labels": places, "next_sentence_label": numbers(2, rows)},
        "ForNextSentencePrediction": {"labels": numbers(2, rows)},
    }[head]
