"""Engines whose model cannot spell a special token.

A tokenizer that does not look for special tokens in a text still has them in the vocabulary of its model, and a Unigram
model, or a byte-pair model with the right merges, may put one together from the letters of a text. SentencePiece itself
never does: there, control pieces are not part of the lattice. So here.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import tokenizers
from tokenizers import models, pre_tokenizers

__all__ = ["unforgeable"]


def unforgeable(engine: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """A copy that reads special tokens in a text as plain text, and whose model cannot make one of it.

    In the copy those tokens have names that nobody can write; their ids, and the template that puts them around texts,
    stay. A special token of one character is an ordinary one as well and keeps its name, as does the unknown token
    where the model refers to it by name.
    """
    if _cannot_spell(engine):
        copied = tokenizers.Tokenizer.from_str(engine.to_str())
    else:
        copied = _renamed(engine)
    copied.encode_special_tokens = True
    return copied


def _cannot_spell(engine: tokenizers.Tokenizer) -> bool:
    """BERT's splitting takes words apart at punctuation, and its special tokens have some."""
    return (
        isinstance(engine.model, models.WordPiece)
        and isinstance(engine.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and all(
            len(token.content) > 1 and any(letter in "[]<>|" for letter in token.content)
            for token in engine.get_added_tokens_decoder().values()
            if token.special
        )
    )


def _renamed(engine: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    unknown = getattr(engine.model, "unk_token", None)
    vocabulary = engine.get_vocab(with_added_tokens=False)
    # Blanks never reach a model, and nobody can guess the rest.
    secret = f" \U0010ffff{secrets.token_hex(12)} "
    names = {
        token.content: secret + token.content
        for token in engine.get_added_tokens_decoder().values()
        if token.special and len(token.content) > 1 and token.content in vocabulary and token.content != unknown
    }
    text = engine.to_str()
    renamed = _renamed_in(text, names) if isinstance(engine.model, models.Unigram) else None
    if renamed is None:
        state = json.loads(text)
        _rename(state, names, unknown)
        renamed = json.dumps(state)
    return tokenizers.Tokenizer.from_str(renamed)


def _renamed_in(text: str, names: dict[str, str]) -> str | None:
    """A Unigram ``tokenizer.json`` with some tokens renamed, without taking a large vocabulary apart for a few names.

    Each stands at two places, which nothing else can look like, because quotes within tokens are escaped. ``None``
    where that is not so.
    """
    before, mark, model = text.partition('"model":{"type":"Unigram",')
    for token, name in names.items():
        old, new = (json.dumps(spelled, ensure_ascii=False) for spelled in (token, name))
        added, piece = f'"content":{old},', f"[{old},"
        if before.count(added) != 1 or model.count(piece) != 1:
            return None
        before = before.replace(added, f'"content":{new},')
        model = model.replace(piece, f"[{new},")
    return before + mark + model


def _rename(state: dict[str, Any], names: dict[str, str], unknown: str | None) -> None:
    """Rename tokens in what a ``tokenizer.json`` holds, and leave out the merges that make or take them."""
    model = state["model"]
    for token in state["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    if isinstance(model["vocab"], list):
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in model["vocab"]]
    else:
        model["vocab"] = {names.get(piece, piece): number for piece, number in model["vocab"].items()}
    if "merges" in model:
        merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        model["merges"] = [
            [left, right]
            for left, right in merges
            if left + right not in (*names, unknown) and left not in names and right not in names
        ]
