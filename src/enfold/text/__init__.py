"""Texts to token ids and back.

Names such as ``T5Tokenizer`` or ``NllbTokenizerFast`` are made when they are first asked for, from the table of kinds.
"""

from __future__ import annotations

from typing import Any

from enfold.text.batch import BatchEncoding, CharSpan, TokenSpan
from enfold.text.families import TOKENIZER_NAMES, AutoTokenizer, BertTokenizer, tokenizer_class
from enfold.text.options import TokenizerOptions
from enfold.text.tokenizer import Tokenizer

BertTokenizerFast = BertTokenizer

__all__ = [
    "AutoTokenizer",
    "BatchEncoding",
    "BertTokenizer",
    "BertTokenizerFast",
    "CharSpan",
    "TokenSpan",
    "Tokenizer",
    "TokenizerOptions",
    "tokenizer_class",
    "tokenizer_from_gguf",
]


def __getattr__(name: str) -> Any:
    if name == "tokenizer_from_gguf":
        from enfold.text.gguf import tokenizer_from_gguf

        return tokenizer_from_gguf
    made = tokenizer_class(name) if name in TOKENIZER_NAMES else None
    if made is None:
        raise AttributeError(f"module 'enfold.text' has no attribute {name!r}")
    return made
