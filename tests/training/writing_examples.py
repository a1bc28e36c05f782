"""Tiny models that write, and rows for them, that the training tests share."""

from __future__ import annotations

import random
from typing import Any

import torch

from enfold import BartConfig, BartForConditionalGeneration, GPT2Config, GPT2LMHeadModel

VOCABULARY = 40
PAD, START, END = 1, 2, 2


def tiny_gpt2_config(**changes: Any) -> GPT2Config:
    rates = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    sizes = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 40}
    return GPT2Config(**{**sizes, **rates, "bos_token_id": 2, "eos_token_id": 2, **changes})


def tiny_bart_config(**changes: Any) -> BartConfig:
    rates = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), 0.0)
    sides = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in {"layers": 2, "attention_heads": 2, "ffn_dim": 48}.items()
    }
    tokens = {"pad_token_id": PAD, "bos_token_id": 0, "eos_token_id": END, "decoder_start_token_id": START}
    sizes = {"vocab_size": VOCABULARY, "d_model": 32, "max_position_embeddings": 40}
    return BartConfig(**{**sizes, **sides, **rates, **tokens, "forced_eos_token_id": None, **changes})


def tiny_gpt2(seed: int = 0, **changes: Any) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    return GPT2LMHeadModel(tiny_gpt2_config(**changes))


def tiny_bart(seed: int = 0, **changes: Any) -> BartForConditionalGeneration:
    torch.manual_seed(seed)
    return BartForConditionalGeneration(tiny_bart_config(**changes))


def some_texts(count: int, seed: int = 0) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {"input_ids": [draw.randrange(4, VOCABULARY) for _ in range(draw.choice([2, 3, 9, 17]))]} for _ in range(count)
    ]


def some_pairs(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """The target is the source in reverse, of very unlike lengths."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        words = [draw.randrange(4, VOCABULARY) for _ in range(draw.choice([1, 2, 6, 12]))]
        rows.append({"input_ids": [*words, END], "labels": [*words[::-1][: 1 + len(words) // 2], END]})
    return rows


class Padding:
    """The smallest tokenizer that collators need; its padding token is an id of its own choice."""

    mask_token_id: int | None = 3

    def __init__(self, pad: int = PAD, side: str = "right") -> None:
        self.pad_token_id = pad
        self.padding_side = side

    def __len__(self) -> int:
        return VOCABULARY

    def get_special_tokens_mask(self, ids: list[int], already_has_special_tokens: bool = False) -> list[int]:
        return [int(one in (0, 2, self.pad_token_id)) for one in ids]

    def pad(self, rows, padding=True, max_length=None, pad_to_multiple_of=None, return_tensors=None):
        longest = max(len(row["input_ids"]) for row in rows)
        if pad_to_multiple_of:
            longest = -(-longest // pad_to_multiple_of) * pad_to_multiple_of
        filled = {"input_ids": [], "attention_mask": []}
        for row in rows:
            ids = list(row["input_ids"])
            mask, missing = list(row.get("attention_mask", [1] * len(ids))), longest - len(ids)
            for name, values, fill in (("input_ids", ids, self.pad_token_id), ("attention_mask", mask, 0)):
                extra = [fill] * missing
                filled[name].append(extra + values if self.padding_side == "left" else values + extra)
        return {name: torch.tensor(values) for name, values in filled.items()}
