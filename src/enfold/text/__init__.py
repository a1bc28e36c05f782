"""Texts to token ids and back.

Names such as ``T5Tokenizer`` or ``NllbTokenizerFast`` are made when they are first asked for, from the table of kinds.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from enfold.text.batch import BatchEncoding, CharSpan, TokenSpan
from enfold.text.families import TOKENIZER_NAMES, AutoTokenizer, BertTokenizer, tokenizer_class
from enfold.text.options import TokenizerOptions
from enfold.text.tokenizer import Tokenizer

BertTokenizerFast = BertTokenizer

_HOMES = {
    "enfold.text.chat": ["ChatLimits", "encode_chat", "render_chat"],
    "enfold.text.gguf": ["tokenizer_from_gguf"],
    "enfold.text.languages": ["code_for", "identify_language", "identify_languages", "language"],
    "enfold.text.normalisation": ["Normaliser", "normalise"],
    "enfold.text.scripts": ["main_script", "script_of", "script_runs", "script_shares"],
    "enfold.text.sentences": ["split_sentences"],
    "enfold.text.training": ["train_tokenizer"],
}
"""Where the names live that are found when they are first asked for."""
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

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
    *_HOME_OF,
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    made = tokenizer_class(name) if name in TOKENIZER_NAMES else None
    if made is None:
        raise AttributeError(f"module 'enfold.text' has no attribute {name!r}")
    return made
