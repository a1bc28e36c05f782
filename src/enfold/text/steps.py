"""What a few kinds of tokenizer do beside the engine, before it and after it.

Some published tokenizers normalise a text, or name their tokens, as no part of the engine does: Marian maps pieces to
ids through a file of its own, Flaubert splits words as Moses does. Their engines see a prepared text; what comes out is
brought back to the original text, and to the ids of the vocabulary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any

import tokenizers

from enfold.text.alignment import Aligned

__all__ = ["Steps"]


@dataclass(frozen=True)
class Steps:
    """The steps of one tokenizer outside its engine. Immutable, and made of parts that can be pickled.

    Args:
        prepare: a text, without the added tokens in it, as the engine is to see it.
        join: text from tokens.
        names: id to token, all of them, as the vocabulary has them.
        ids: the ids of the vocabulary for those ids of the engine that differ: what the engine can make of a text but
            the vocabulary lacks is unknown.
        unknown: the id of the unknown token, where what the engine does not know is looked up in the vocabulary as it
            stands; ``None`` where it is not.
        written: id to token where texts are written with another vocabulary than they are read with.
        base: how many tokens the vocabulary had before any were added.
        spelled: the tokens of the vocabulary for those of the engine that are spelled otherwise.
        inner: added tokens of the engine that only a prepared text can hold.
        control: special tokens, which nothing that is unknown to the engine becomes.
        files: the files it was made from, by name; they are written when it is saved.
    """

    prepare: Callable[[str], Aligned]
    join: Callable[[Sequence[str]], str]
    names: Mapping[int, str] = field(repr=False)
    ids: Mapping[int, int] = field(default_factory=dict, repr=False)
    unknown: int | None = None
    written: Mapping[int, str] | None = field(default=None, repr=False)
    base: int = 0
    spelled: Mapping[str, str] = field(default_factory=dict, repr=False)
    inner: frozenset[str] = frozenset()
    control: frozenset[str] = frozenset()
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Token to id."""
        return {token: number for number, token in self.names.items()}

    @cached_property
    def _first_differing(self) -> float:
        return min(self.ids, default=inf)

    def prepared(self, text: str, added: re.Pattern[str] | None) -> Aligned:
        """A text as the engine is to see it: what lies between added tokens is prepared, they stay."""
        if added is None:
            return self.prepare(text)
        parts: list[Aligned] = []
        position = 0
        for match in added.finditer(text):
            start, end = match.span()
            if start > position:
                parts.append(self.prepare(text[position:start]).shifted(position))
            parts.append(Aligned.of(text[start:end], start))
            position = end
        if position < len(text) or not parts:
            parts.append(self.prepare(text[position:]).shifted(position))
        return Aligned.joined(parts)

    def added(self, engine: tokenizers.Tokenizer, *, special: bool) -> re.Pattern[str] | None:
        """A pattern of the added tokens that are found in texts, the longest first; ``None`` when there are none."""
        found = [
            token.content
            for token in engine.get_added_tokens_decoder().values()
            if (special or not token.special) and token.content not in self.inner
        ]
        return (
            re.compile("|".join(re.escape(token) for token in sorted(found, key=len, reverse=True))) if found else None
        )

    def extended(self, engine: tokenizers.Tokenizer, tokens: Iterable[str]) -> Steps:
        """The steps after tokens were added to the engine: new ones get the ids that follow the highest."""
        names, ids = dict(self.names), dict(self.ids)
        known = set(names.values())
        for token in tokens:
            if token in known:
                continue
            number = max(names, default=-1) + 1
            names[number] = token
            known.add(token)
            inside = engine.token_to_id(token)
            if inside is not None and inside != number:
                ids[inside] = number
        return replace(self, names=names, ids=ids)

    def to_public(self, encoding: tokenizers.Encoding) -> tokenizers.Encoding:
        """An encoding with the ids of the vocabulary."""
        if all(self._public(window.ids, window) is None for window in (encoding, *encoding.overflowing)):
            return encoding
        return _changed(encoding, self._with_ids)

    def _public(self, ids: list[int], tokens: Any) -> list[int] | None:
        """The ids of the vocabulary; ``None`` where they are those of the engine."""
        unknown = self.unknown is not None and self.unknown in ids
        if not unknown and max(ids, default=-1) < self._first_differing:
            return None
        names = tokens if isinstance(tokens, list) else tokens.tokens
        public = [
            self.ids.get(number, number) if number != self.unknown else self._looked_up(token, number)
            for number, token in zip(ids, names, strict=True)
        ]
        return None if public == ids else public

    def _with_ids(self, state: dict[str, Any]) -> None:
        state["ids"] = self._public(state["ids"], state["tokens"]) or state["ids"]
        for window in state["overflowing"]:
            self._with_ids(window)

    def _looked_up(self, token: str, unknown: int) -> int:
        return self.vocabulary.get(token, unknown) if token not in self.control else unknown

    def to_original(self, encoding: tokenizers.Encoding, origin: Aligned | Sequence[Aligned]) -> tokenizers.Encoding:
        """An encoding whose offsets index the text, or the words, that were prepared."""
        origins = (origin,) if isinstance(origin, Aligned) else origin
        if not self.spelled and all(one.is_original for one in origins):
            return encoding

        def change(state: dict[str, Any]) -> None:
            if self.spelled:
                state["tokens"] = [self.spelled.get(token, token) for token in state["tokens"]]
            if isinstance(origin, Aligned):
                state["offsets"] = [origin.span(*span) for span in state["offsets"]]
            else:
                state["offsets"] = [
                    span if word is None else origin[word].span(*span)
                    for span, word in zip(state["offsets"], encoding.word_ids, strict=True)
                ]

        return _changed(encoding, change)


def _changed(encoding: tokenizers.Encoding, change: Callable[[dict[str, Any]], None]) -> tokenizers.Encoding:
    """An encoding cannot be changed, but the bytes it is pickled as can."""
    state = json.loads(encoding.__getstate__())
    change(state)
    changed = tokenizers.Encoding()
    changed.__setstate__(json.dumps(state).encode())
    return changed
