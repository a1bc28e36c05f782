"""The engine that splits texts into tokens, used so that no call ever changes it.

An engine of the `tokenizers` library carries its padding, its truncation and whether it parses special tokens as state.
Here that state is set once, when the engine is taken over: no padding, no truncation. What a call asks for is done to
the encodings it gets, so any number of threads may share one.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, TypeAlias

import tokenizers

from enfold.errors import InputError
from enfold.text.truncation import Truncation
from enfold.values import Cut

__all__ = ["Engine", "RawEncoding"]

RawEncoding: TypeAlias = tokenizers.Encoding


class Engine:
    """A `tokenizers.Tokenizer` that is never mutated again.

    Args:
        engine: taken over; whoever made it keeps no reference to it.
    """

    def __init__(self, engine: tokenizers.Tokenizer) -> None:
        engine.no_padding()
        engine.no_truncation()
        engine.encode_special_tokens = False
        self._parsing = engine
        self._splitting: tokenizers.Tokenizer | None = None
        self._lock = threading.Lock()

    @classmethod
    def copied(cls, engine: tokenizers.Tokenizer) -> Engine:
        """From an engine that somebody else keeps."""
        return cls(tokenizers.Tokenizer.from_str(engine.to_str()))

    def copy(self) -> tokenizers.Tokenizer:
        """A separate engine that may be changed."""
        return tokenizers.Tokenizer.from_str(self._parsing.to_str())

    def to_json(self, *, pretty: bool = False) -> str:
        """As ``tokenizer.json`` holds it."""
        return self._parsing.to_str(pretty=pretty)

    @property
    def raw(self) -> tokenizers.Tokenizer:
        """The engine itself, for reading only."""
        return self._parsing

    def _for(self, *, split_special_tokens: bool) -> tokenizers.Tokenizer:
        if not split_special_tokens:
            return self._parsing
        if self._splitting is None:
            with self._lock:
                if self._splitting is None:
                    splitting = self.copy()
                    splitting.encode_special_tokens = True
                    self._splitting = splitting
        return self._splitting

    def lengths(self, texts: Sequence[str], *, split_special_tokens: bool) -> list[int]:
        """Tokens of each text, special tokens included."""
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
        if truncation is None:
            inputs = texts if pairs is None else list(zip(texts, pairs, strict=True))
            return _encode(engine, inputs, is_pretokenized, add_special_tokens), [()] * len(texts)
        room = truncation.room(engine.num_special_tokens_to_add(pairs is not None) if add_special_tokens else 0)
        first = _encode(engine, texts, is_pretokenized, add_special_tokens=False)
        second: Sequence[RawEncoding | None] = [None] * len(texts)
        if pairs is not None:
            second = [_as_second(one) for one in _encode(engine, pairs, is_pretokenized, add_special_tokens=False)]
        encodings, cuts = [], []
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            cut: tuple[Cut, ...] = ()
            if len(one) + (0 if other is None else len(other)) > room:
                words = (texts[index], None if pairs is None else pairs[index]) if is_pretokenized else (None, None)
                cut = truncation.apply(one, other, room, words)
                if not truncation.keep_overflow:
                    one, other = _without_overflow(one), None if other is None else _without_overflow(other)
            encodings.append(engine.post_process(one, other, add_special_tokens))
            cuts.append(cut)
        return encodings, cuts


def _encode(
    engine: tokenizers.Tokenizer, inputs: Sequence[Any], is_pretokenized: bool, add_special_tokens: bool
) -> list[RawEncoding]:
    inputs = inputs if isinstance(inputs, list) else list(inputs)
    try:
        return engine.encode_batch(inputs, is_pretokenized=is_pretokenized, add_special_tokens=add_special_tokens)
    except (TypeError, UnicodeEncodeError):
        for index, item in enumerate(inputs):
            for text in _strings(item):
                position = next((place for place, letter in enumerate(text) if "\ud800" <= letter <= "\udfff"), None)
                if position is not None:
                    raise InputError(
                        f"text {index} is not valid text: half of a surrogate pair ({text[position]!a}) at character "
                        f"{position}"
                    ) from None
        raise


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


def _strings(item: Any) -> list[str]:
    return [item] if isinstance(item, str) else [text for part in item for text in _strings(part)]
