"""The class names users know. There is one tokenizer; what its files hold decides what it does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from enfold.text import sources
from enfold.text.engine import Engine
from enfold.text.tokenizer import Tokenizer

__all__ = ["AutoTokenizer", "BertTokenizer", "tokenizer_class"]

AutoTokenizer = Tokenizer
"""`AutoTokenizer.from_pretrained` finds the kind from the files, as `Tokenizer.from_pretrained` does."""


class BertTokenizer(Tokenizer):
    """WordPiece with BERT's splitting.

    Args:
        vocab: a ``vocab.txt``, or tokens and their ids.
        do_lower_case: whether texts are lower-cased.
        strip_accents: whether accents go; unset, they go when texts are lower-cased.
        tokenize_chinese_chars: whether every Chinese character is a word of its own.
        vocab_file: the older name of ``vocab``.
        options: special tokens (``cls_token="[CLS]"``), ``model_max_length``, ``padding_side``, …

    Raises:
        CheckpointError: the file cannot be read, or lacks a token that every input needs.
        InputError: an option that is not known.
    """

    def __init__(
        self,
        vocab: str | Path | Mapping[str, int] | None = None,
        *,
        do_lower_case: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        vocab_file: str | Path | None = None,
        **options: Any,
    ) -> None:
        rules = {
            "do_lower_case": do_lower_case,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
        }
        source = vocab if vocab is not None else vocab_file
        if source is None:
            raise TypeError(
                "BertTokenizer needs a vocabulary: a vocab.txt or a dict; or use BertTokenizer.from_pretrained"
            )
        if not isinstance(source, Mapping):
            source = sources.read_vocabulary(Path(source))
        engine, settings = sources.from_vocabulary(source, rules, options)
        self._take(Engine(engine), settings)


_CLASSES: dict[str, type[Tokenizer]] = {"BertTokenizer": BertTokenizer, "BertTokenizerFast": BertTokenizer}


def tokenizer_class(name: str) -> type[Tokenizer] | None:
    """The class behind a name such as ``BertTokenizerFast``; ``None`` when there is none."""
    return _CLASSES.get(name)
