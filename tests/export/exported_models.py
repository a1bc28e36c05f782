"""Tiny random models with tokenizers, for exporting."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer as Engine
from tokenizers import models, pre_tokenizers, processors

import enfold
from enfold import Tokenizer
from enfold.text import BertTokenizer, TokenizerOptions

WORDS = (
    "the a cat dog sat ran on mat in london paris ada bob likes soup rain where who is red blue not very good bad"
).split()
TEXTS = [
    "the cat sat on the mat",
    "ada likes london",
    "",
    "not very good , very bad",
    "bob ran in paris in the rain where ada sat on a red mat and the blue dog likes soup " * 4,
    "dog",
]
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 24,
}


def wordpiece() -> Tokenizer:
    """BERT's kind, with whole words."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    return BertTokenizer({token: number for number, token in enumerate(tokens)}, model_max_length=24)


def without_types() -> Tokenizer:
    """RoBERTa's kind: the padding id is 1, and there are no token types."""
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *WORDS]
    engine = Engine(models.WordLevel({token: number for number, token in enumerate(tokens)}, unk_token="<unk>"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    engine.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 0))
    roles = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    names = ("input_ids", "attention_mask")
    return Tokenizer(engine, TokenizerOptions(special=roles, model_max_length=22, model_input_names=names))


def made(kind: str, tokenizer: Tokenizer, *, std: float = 0.2, **settings: Any) -> Any:
    """A model of that class, with weights large enough to have opinions."""
    head = next(name for name in ("Model", "For") if name in kind)
    family = kind[: kind.index(head)]
    config = getattr(enfold, f"{family}Config")(**{"vocab_size": len(tokenizer), **SIZES, **settings})
    torch.manual_seed(5)
    model = getattr(enfold, kind)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:  # norms and biases stay, so that tokens keep apart
                parameter.normal_(std=std)
    model.tokenizer = tokenizer
    model.revision = "tiny"
    return model
