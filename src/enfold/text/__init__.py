"""Texts to token ids and back."""

from enfold.text.batch import BatchEncoding, CharSpan, TokenSpan
from enfold.text.families import AutoTokenizer, BertTokenizer, tokenizer_class
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
]
