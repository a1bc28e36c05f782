"""The kinds of tokenizers that are read from files of their own, where there is no ``tokenizer.json``."""

from __future__ import annotations

from pathlib import Path

from enfold.text.kinds import byte_pairs, mapped_pieces, merged_pieces, unigram, word_pairs, wordpiece
from enfold.text.kinds.kind import Kind

__all__ = ["KINDS", "LOOKED_FOR", "Kind", "kind_of_class", "kind_of_files", "kind_of_model"]

KINDS: dict[str, Kind] = {
    kind.name: kind
    for module in (wordpiece, byte_pairs, unigram, merged_pieces, mapped_pieces, word_pairs)
    for kind in module.KINDS
}
"""Every kind, by the class that opens it."""

_BY_CLASS = {name: kind for kind in KINDS.values() for name in kind.class_names}
_BY_MODEL = {model_type: kind for kind in KINDS.values() for model_type in kind.model_types}

# Where nothing but the files says what a tokenizer is: the most telling first.
_BY_FILES = tuple(
    KINDS[name]
    for name in (
        "MarianTokenizer",
        "M2M100Tokenizer",
        "BertTokenizer",
        "GPT2Tokenizer",
        "LlamaTokenizer",
        "T5Tokenizer",
        "XLMRobertaTokenizer",
        "DebertaV2Tokenizer",
    )
)

LOOKED_FOR = ", ".join(["tokenizer.json", *dict.fromkeys(kind.looked_for for kind in _BY_FILES)])
"""The files of a tokenizer, for a message."""


def kind_of_class(name: str | None) -> Kind | None:
    """The kind that a class opens; ``None`` for a class that is of no kind of its own."""
    return _BY_CLASS.get(name) if name else None


def kind_of_model(model_type: str | None) -> Kind | None:
    """The kind that checkpoints of a model type have unless they say otherwise."""
    return _BY_MODEL.get(model_type) if model_type else None


def kind_of_files(folder: Path) -> Kind | None:
    """The kind whose files are in a folder."""
    return next((kind for kind in _BY_FILES if kind.files_in(folder) is not None), None)
