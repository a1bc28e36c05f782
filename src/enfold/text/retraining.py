"""A new vocabulary for a tokenizer that is there: everything but the vocabulary stays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import tokenizers
from tokenizers import AddedToken, pre_tokenizers

from enfold.errors import InputError
from enfold.text import sources
from enfold.text.engine import Engine
from enfold.text.vocabulary_training import train

if TYPE_CHECKING:
    from enfold.text.tokenizer import Tokenizer

__all__ = ["train_new_from_iterator"]


def train_new_from_iterator(
    tokenizer: Tokenizer,
    text_iterator: Iterable[Any],
    vocab_size: int,
    length: int | None = None,
    new_special_tokens: Sequence[str | AddedToken] | None = None,
    special_tokens_map: Mapping[str, str] | None = None,
    **trainer_options: Any,
) -> Tokenizer:
    """A tokenizer that splits, decodes and surrounds texts as this one does, with a vocabulary of other texts.

    Args:
        tokenizer: the one to take after.
        text_iterator: texts, or batches of texts; read once.
        vocab_size: tokens it may have, special ones included.
        length: how many texts there are, where that is known.
        new_special_tokens: further special tokens.
        special_tokens_map: special tokens that get another name: the old to the new.
        trainer_options: further options of the trainers of the `tokenizers` library, such as ``min_frequency``.

    Raises:
        InputError: an option that the trainer does not have, or a tokenizer whose vocabulary is no part of its engine.
    """
    if tokenizer._engine.steps is not None:
        raise InputError(
            f"a {tokenizer.options.tokenizer_class} has files of its own beside its vocabulary, which no "
            "trainer here makes; train_tokenizer makes a new tokenizer of another kind"
        )
    renamed = dict(special_tokens_map or {})
    state = json.loads(tokenizer._engine.to_json())
    model, added, around = state["model"], state.pop("added_tokens"), state.pop("post_processor")
    state["added_tokens"], state["post_processor"] = [], None
    kind = model["type"]
    special = [
        AddedToken(renamed.get(token["content"], token["content"]), **_flags(token))
        for token in added
        if token["special"] or kind == "Unigram"
    ]
    special += [_as_added(token) for token in new_special_tokens or ()]
    options = {**trainer_options, **_empty(model, renamed), "vocab_size": vocab_size}
    if "ByteLevel" in json.dumps(state["pre_tokenizer"]):
        options.setdefault("initial_alphabet", sorted(pre_tokenizers.ByteLevel.alphabet()))
    engine = train(tokenizers.Tokenizer.from_str(json.dumps(state)), _flat(text_iterator), special, **options)
    if around is not None:
        trained = json.loads(engine.to_str())
        trained["post_processor"] = _renumbered(around, renamed, engine)
        engine = tokenizers.Tokenizer.from_str(json.dumps(trained))
    old = tokenizer.options
    extra = [renamed.get(token, token) for token in old.extra_special_tokens]
    extra += [token.content for token in special[len(special) - len(new_special_tokens or ()) :]]
    roles = {role: renamed.get(token, token) for role, token in old.special.items()}
    changed = old.changed(extra_special_tokens=tuple(dict.fromkeys(extra)), **roles)
    return type(tokenizer)._of(Engine(sources.finished(engine, changed)), changed)


def _empty(model: dict[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Take the vocabulary out of a model, in place; what its trainer must be told of it."""
    told: dict[str, Any] = {}
    if model["type"] == "Unigram":
        unknown = None if model["unk_id"] is None else model["vocab"][model["unk_id"]][0]
        if unknown is not None:
            told["unk_token"] = renamed.get(unknown, unknown)
            model["vocab"], model["unk_id"] = [[told["unk_token"], 0.0]], 0
        return told
    model["vocab"] = {}
    if model["type"] == "BPE":
        model["merges"] = []
        for name in ("continuing_subword_prefix", "end_of_word_suffix"):
            if model.get(name) is not None:
                told[name] = model[name]
    if model.get("unk_token") is not None:
        model["unk_token"] = renamed.get(model["unk_token"], model["unk_token"])
    return told


def _renumbered(around: dict[str, Any], renamed: Mapping[str, str], engine: tokenizers.Tokenizer) -> dict[str, Any]:
    """A post-processor with the new names and ids of its special tokens."""

    def number(token: str) -> int:
        found = engine.token_to_id(token)
        if found is None:
            raise InputError(
                f"the new vocabulary lacks {token!r}, which stands around texts; name it in new_special_tokens"
            )
        return found

    for part in around.get("processors", ()):
        _renumbered(part, renamed, engine)
    for named in around.get("special_tokens", {}).values() if isinstance(around.get("special_tokens"), dict) else ():
        named["tokens"] = [renamed.get(token, token) for token in named["tokens"]]
        named["ids"] = [number(token) for token in named["tokens"]]
    for role in ("cls", "sep"):
        if role in around:
            token = renamed.get(around[role][0], around[role][0])
            around[role] = [token, number(token)]
    return around


def _flags(token: Mapping[str, Any]) -> dict[str, bool]:
    return {name: token[name] for name in ("single_word", "lstrip", "rstrip", "normalized")} | {"special": True}


def _as_added(token: str | AddedToken) -> AddedToken:
    return token if isinstance(token, AddedToken) else AddedToken(token, special=True, normalized=False)


def _flat(texts: Iterable[Any]) -> Iterator[str]:
    """Texts, from texts or from batches of texts."""
    return chain.from_iterable([one] if isinstance(one, str) else one for one in texts)
