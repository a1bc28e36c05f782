"""The engine that splits texts into tokens, used so that no call ever changes it.

An engine of the `tokenizers` library carries its padding, its truncation and whether it parses special tokens as state.
Here that state is set once, when the engine is taken over: no padding, no truncation. What a call asks for is done to
the encodings it gets, so any number of threads may share one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import tokenizers
from tokenizers import AddedToken, models

from enfold.errors import InputError
from enfold.text.steps import Steps
from enfold.text.truncation import Truncation
from enfold.text.unforgeable import unforgeable
from enfold.values import Cut

__all__ = ["Engine", "RawEncoding"]

RawEncoding: TypeAlias = tokenizers.Encoding


class Engine:
    """A `tokenizers.Tokenizer` that is never mutated again.

    Args:
        engine: taken over; whoever made it keeps no reference to it.
        steps: what is done beside it, for the kinds that need it.
        target: the engine of the other language, for translation models that have two.
    """

    def __init__(self, engine: tokenizers.Tokenizer, steps: Steps | None = None, target: Engine | None = None) -> None:
        engine.no_padding()
        engine.no_truncation()
        engine.encode_special_tokens = False
        self._parsing = engine
        self._splitting: tokenizers.Tokenizer | None = None
        self._lock = threading.Lock()
        self.steps = steps
        self.target = target

    @classmethod
    def copied(cls, engine: tokenizers.Tokenizer) -> Engine:
        """From an engine that somebody else keeps."""
        return cls(tokenizers.Tokenizer.from_str(engine.to_str()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.to_json(), self.steps, self.target)

    def copy(self) -> tokenizers.Tokenizer:
        """A separate engine that may be changed."""
        return tokenizers.Tokenizer.from_str(self._parsing.to_str())

    def to_json(self, *, pretty: bool = False) -> str:
        """As ``tokenizer.json`` holds it."""
        return self._parsing.to_str(pretty=pretty)

    @property
    def identity(self) -> Any:
        """What makes the ids: equal for engines that split texts alike."""
        if self.steps is not None:
            return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.steps.files.items())}
        if not isinstance(self._parsing.model, models.Unigram):
            return self.to_json()
        state = json.loads(self.to_json())
        # Written and read again, a score may differ in its last digit.
        state["model"]["vocab"] = [[piece, f"{score:.6g}"] for piece, score in state["model"]["vocab"]]
        return state

    @property
    def raw(self) -> tokenizers.Tokenizer:
        """The engine itself, for reading only."""
        return self._parsing

    def extended(self, tokens: Sequence[str | AddedToken]) -> Engine:
        """An engine that knows further added tokens; those of the vocabulary keep their ids."""
        engine = self.copy()
        engine.add_tokens(list(tokens))
        steps = self.steps
        if steps is not None:
            steps = steps.extended(engine, [token if isinstance(token, str) else token.content for token in tokens])
        return Engine(engine, steps, self.target.extended(tokens) if self.target else None)

    def _for(self, *, split_special_tokens: bool) -> tokenizers.Tokenizer:
        if not split_special_tokens:
            return self._parsing
        if self._splitting is None:
            with self._lock:
                if self._splitting is None:
                    self._splitting = unforgeable(self._parsing)
        return self._splitting

    # --- the vocabulary -----------------------------------------------------------------------------------------------

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Token to id, added tokens included; not to be changed."""
        if self.steps is not None:
            return self.steps.vocabulary
        return self._parsing.get_vocab(with_added_tokens=True)

    def size(self, *, added: bool) -> int:
        """How many tokens there are, with or without those that were added to the vocabulary."""
        if self.steps is None:
            return self._parsing.get_vocab_size(with_added_tokens=added)
        return len(self.steps.names) if added else self.steps.base

    @property
    def _written(self) -> Mapping[int, str]:
        assert self.steps is not None
        return self.steps.written or self.steps.names

    @property
    def readable(self) -> Collection[int]:
        """The ids that a text can be written from."""
        return self.vocabulary.values() if self.steps is None else self._written.keys()

    def id_of(self, token: str) -> int | None:
        """The id of a token."""
        return self._parsing.token_to_id(token) if self.steps is None else self.steps.vocabulary.get(token)

    def token_of(self, number: int) -> str | None:
        """The token of an id."""
        return self._parsing.id_to_token(number) if self.steps is None else self._written.get(number)

    @property
    def added(self) -> dict[int, AddedToken]:
        """The tokens that are found before a text is split, by id."""
        found = self._parsing.get_added_tokens_decoder()
        if self.steps is None:
            return dict(sorted(found.items()))
        steps = self.steps
        outer = {number: token for number, token in found.items() if token.content not in steps.inner}
        return dict(sorted((steps.ids.get(number, number), token) for number, token in outer.items()))

    @property
    def holds_blanks(self) -> bool:
        """Whether tokens hold the blanks between words, so that removing some from a text would change it."""
        return self.steps is None and isinstance(self._parsing.model, models.BPE)

    # --- ids to text --------------------------------------------------------------------------------------------------

    def join(self, tokens: Sequence[str]) -> str:
        """Text from tokens."""
        if self.steps is not None:
            return self.steps.join(tokens)
        decoder = self._parsing.decoder
        return " ".join(tokens) if decoder is None else decoder.decode(list(tokens))

    def decode(self, rows: Sequence[list[int]], *, skip_special_tokens: bool) -> list[str]:
        """Text from rows of ids, all of which are in the vocabulary."""
        if self.steps is None:
            return self._parsing.decode_batch(list(rows), skip_special_tokens=skip_special_tokens)
        names = self._written
        skipped = {number for number, token in self.added.items() if token.special} if skip_special_tokens else set()
        return [self.steps.join([names[number] for number in row if number not in skipped]) for row in rows]

    # --- text to ids --------------------------------------------------------------------------------------------------

    def lengths(self, texts: Sequence[str], *, split_special_tokens: bool) -> list[int]:
        """Tokens of each text, special tokens included."""
        if self.steps is not None:
            return [len(one) for one in self.encode(texts, split_special_tokens=split_special_tokens)[0]]
        engine = self._for(split_special_tokens=split_special_tokens)
        return [len(encoding) for encoding in _encode(engine, texts, is_pretokenized=False, add_special_tokens=True)]

    def encode(
        self,
        texts: Sequence[Any],
        pairs: Sequence[Any] | None = None,
        *,
        split_special_tokens: bool,
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
        truncation: Truncation | None = None,
    ) -> tuple[list[RawEncoding], list[tuple[Cut, ...]]]:
        """Encode texts, or texts and their pairs, and cut them where asked.

        Args:
            texts: strings, or with ``is_pretokenized`` lists of words.
            pairs: the second sequences, as many.
            split_special_tokens: whether a special token written in a text is read as plain text.
            is_pretokenized: whether the inputs are words already.
            add_special_tokens: whether the special tokens around texts are put there.
            truncation: how long an encoding may become, and which side of which sequence goes.

        Returns:
            an encoding for each text, whose ``overflowing`` holds the further windows, and what each lost beside them.

        Raises:
            InputError: an input is not text, or the truncation cannot be carried out.
        """
        engine = self._for(split_special_tokens=split_special_tokens)
        if truncation is None and self.steps is None:
            inputs = texts if pairs is None else list(zip(texts, pairs, strict=True))
            return _encode(engine, inputs, is_pretokenized, add_special_tokens), [()] * len(texts)
        first = self._alone(engine, texts, split_special_tokens, is_pretokenized)
        second: Sequence[RawEncoding | None] = [None] * len(texts)
        if pairs is not None:
            second = [_as_second(one) for one in self._alone(engine, pairs, split_special_tokens, is_pretokenized)]
        special = engine.num_special_tokens_to_add(pairs is not None) if add_special_tokens else 0
        room = None if truncation is None else truncation.room(special)
        encodings, cuts = [], []
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            cut: tuple[Cut, ...] = ()
            if truncation is not None and room is not None and len(one) + (0 if other is None else len(other)) > room:
                words = (texts[index], None if pairs is None else pairs[index]) if is_pretokenized else (None, None)
                cut = truncation.apply(one, other, room, words)
                if not truncation.keep_overflow:
                    one, other = _without_overflow(one), None if other is None else _without_overflow(other)
            whole = engine.post_process(one, other, add_special_tokens)
            encodings.append(whole if self.steps is None else self.steps.to_public(whole))
            cuts.append(cut)
        return encodings, cuts

    @cached_property
    def _found_whole(self) -> tuple[Any, Any]:
        """What is found before texts are prepared: without special tokens, and with them."""
        assert self.steps is not None
        return self.steps.added(self._parsing, special=False), self.steps.added(self._parsing, special=True)

    def _alone(
        self, engine: tokenizers.Tokenizer, texts: Sequence[Any], split_special_tokens: bool, is_pretokenized: bool
    ) -> list[RawEncoding]:
        """Each text without its pair and without the special tokens around it."""
        if self.steps is None:
            return _encode(engine, texts, is_pretokenized, add_special_tokens=False)
        steps = self.steps
        _check_surrogates(texts)
        added = self._found_whole[not split_special_tokens]
        origins: list[Any]
        if is_pretokenized:
            origins = [[steps.prepared(word, added) for word in words] for words in texts]
            inputs: list[Any] = [[word.text for word in words] for words in origins]
        else:
            origins = [steps.prepared(text, added) for text in texts]
            inputs = [origin.text for origin in origins]
        encodings = _encode(engine, inputs, is_pretokenized, add_special_tokens=False)
        return [steps.to_original(one, origin) for one, origin in zip(encodings, origins, strict=True)]


def _encode(
    engine: tokenizers.Tokenizer, inputs: Sequence[Any], is_pretokenized: bool, add_special_tokens: bool
) -> list[RawEncoding]:
    inputs = inputs if isinstance(inputs, list) else list(inputs)
    try:
        return engine.encode_batch(inputs, is_pretokenized=is_pretokenized, add_special_tokens=add_special_tokens)
    except (TypeError, UnicodeEncodeError):
        _check_surrogates(inputs)
        raise


def _check_surrogates(inputs: Sequence[Any]) -> None:
    for index, item in enumerate(inputs):
        for text in _strings(item):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"text {index} is not valid text: half of a surrogate pair ({text[error.start]!a}) at character "
                    f"{error.start}"
                ) from None


def _as_second(encoding: RawEncoding) -> RawEncoding:
    """The encoding of a text alone as that of the second of a pair: its tokens are of type 1.

    The engine's own pair encodings are so before they are cut, and windows keep it. Its interface has no way to set the
    type, so it goes through the bytes an encoding is pickled as; this costs a tenth of the encoding itself.
    """
    before, _, rest = encoding.__getstate__().partition(b'"type_ids":[')
    types, _, rest = rest.partition(b"]")
    between, _, _ = rest.rpartition(b'"sequence_ranges":')
    return _from_state(before + b'"type_ids":[' + types.replace(b"0", b"1") + b"]" + between + b'"sequence_ranges":{}}')


def _without_overflow(encoding: RawEncoding) -> RawEncoding:
    """The encoding without what was cut from it: of a long pair that would be every window of the one with every window
    of the other, made only to be thrown away.
    """
    kept, _, overflow = encoding.__getstate__().partition(b'"overflowing":[')
    if overflow.startswith(b"]"):
        return encoding
    return _from_state(kept + b'"overflowing":[],"sequence_ranges":{}}')


def _from_state(state: bytes) -> RawEncoding:
    encoding = tokenizers.Encoding()
    encoding.__setstate__(state)
    return encoding


def _restored(engine: str, steps: Steps | None, target: Engine | None) -> Engine:
    return Engine(tokenizers.Tokenizer.from_str(engine), steps, target)


def _strings(item: Any) -> list[str]:
    return [item] if isinstance(item, str) else [text for part in item for text in _strings(part)]
