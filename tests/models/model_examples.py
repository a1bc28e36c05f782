"""Small models that several tests of this folder use."""

from __future__ import annotations

from typing import Any

import torch

import enfold

TINY = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
}
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def tiny(head: str = "ForSequenceClassification", **keys: Any) -> Any:
    """A model with random weights, in evaluation mode, the same each time."""
    torch.manual_seed(0)
    return getattr(enfold, f"Bert{head}")(enfold.BertConfig(**TINY | keys)).eval()


def padded(lengths: list[int], seed: int = 0) -> dict[str, torch.Tensor]:
    """Ids, segment types and a mask of rows of these lengths, padded on the right."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    ids = torch.randint(1, 50, shape, generator=generator)
    types = torch.randint(0, 2, shape, generator=generator)
    mask = (torch.arange(shape[1]) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids * mask, "token_type_ids": types * mask, "attention_mask": mask}
