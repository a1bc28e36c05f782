"""Output that matches a JSON schema or a regular expression, through the ``llguidance`` library (an extra).

At each step the library says which tokens can still lead to a match; all others are forbidden.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import tokenizers
import torch
from torch import Tensor

from enfold.errors import InputError, require
from enfold.generation.sequences import Sequences
from enfold.text import Tokenizer

__all__ = ["Constraint", "Grammars"]


def _library() -> Any:
    return require("llguidance", extra="structured", purpose="output that matches a schema or an expression")


@lru_cache(maxsize=8)
def _vocabulary(tokenizer: str, size: int, stop: int | None) -> Any:
    try:
        return _library().LLTokenizer(tokenizer, n_vocab=size, eos_token=stop)
    except ValueError as error:
        raise InputError(
            f"the constraint's tokenizer does not fit a model of {size} tokens ({error}): give the model's own"
        ) from error


@dataclass(frozen=True, slots=True)
class Constraint:
    """What output must match, for the vocabulary of one tokenizer.

    Attributes:
        grammar: in the library's own form.
        tokenizer: ``tokenizer.json`` as text.
        what: names it in messages.
    """

    grammar: str
    tokenizer: str
    what: str

    @classmethod
    def json_schema(cls, schema: Mapping[str, Any] | str, tokenizer: Any, *, compact: bool = False) -> Constraint:
        """JSON that is valid under a schema.

        Args:
            schema: as a mapping or as text; ``{"type": "object"}`` allows every object.
            tokenizer: the model's, ours or one of the ``tokenizers`` library.
            compact: no white space between the parts.

        Raises:
            InputError: the schema is not JSON, or holds what the library cannot enforce; the message says what.
            MissingExtra: ``llguidance`` is not installed.
        """
        library = _library()
        text = schema if isinstance(schema, str) else json.dumps(schema)
        try:
            json.loads(text)
            grammar = library.LLMatcher.grammar_from_json_schema(text, overrides={"whitespace_flexible": not compact})
        except ValueError as error:
            raise InputError(f"the JSON schema cannot be used: {error}") from error
        return cls._checked(grammar, tokenizer, "JSON schema")

    @classmethod
    def regular_expression(cls, pattern: str, tokenizer: Any) -> Constraint:
        """Text that a regular expression matches from beginning to end.

        Args:
            pattern: in Rust's syntax, which has neither look-around nor back-references.
            tokenizer: the model's, ours or one of the ``tokenizers`` library.


        Raises:
            InputError: the expression cannot be used; the message says why.
            MissingExtra: ``llguidance`` is not installed.
        """
        return cls._checked(_library().LLMatcher.grammar_from_regex(pattern), tokenizer, f"expression {pattern!r}")

    @classmethod
    def _checked(cls, grammar: str, tokenizer: Any, what: str) -> Constraint:
        fault = _library().LLMatcher.validate_grammar(grammar)
        if fault and not fault.startswith("WARNING"):
            raise InputError(f"the {what} cannot be used: {fault.strip().splitlines()[0]}")
        return cls(grammar, _as_json(tokenizer), what)


def _as_json(tokenizer: Any) -> str:
    if isinstance(tokenizer, Tokenizer):
        if tokenizer._engine.steps is not None:
            raise InputError(
                f"a constraint cannot be held for {tokenizer!r}: part of its work is not in a tokenizer.json"
            )
        return tokenizer._engine.to_json()
    if isinstance(tokenizer, tokenizers.Tokenizer):
        return str(tokenizer.to_str())
    raise InputError(f"a constraint needs the model's tokenizer; this is of type {type(tokenizer).__name__}")


class Grammars:
    """How far each row is in its constraint.

    Args:
        constraints: of each row; None for a row that is free.
        vocabulary: the number of scores of a row.
        stops: the stop ids, the first of which ends a match.
    """

    def __init__(self, constraints: Sequence[Constraint | None], *, vocabulary: int, stops: Sequence[int]) -> None:
        library = _library()
        stop = next((number for number in stops if 0 <= number < vocabulary), None)
        made: dict[Constraint, Any] = {}
        self._matchers: list[Any] = []
        for constraint in constraints:
            if constraint is None:
                self._matchers.append(None)
                continue
            if constraint not in made:
                known = _vocabulary(constraint.tokenizer, vocabulary, stop)
                made[constraint] = library.LLMatcher(known, constraint.grammar, log_level=0)
                _check(made[constraint])
            self._matchers.append(made[constraint].deep_copy())
        self._vocabulary = vocabulary
        self._bits = np.full((len(constraints), (vocabulary + 31) // 32), -1, dtype=np.int32)

    def allow(self, scores: Tensor, sequences: Sequences) -> Tensor:
        """Forbid what cannot lead to a match, in scores (rows, vocabulary)."""
        bits = self._bits[: len(self._matchers)]
        for row, matcher in enumerate(self._matchers):
            if matcher is None:
                bits[row] = -1
            else:
                matcher.unsafe_compute_mask_ptr(bits[row].ctypes.data, bits[row].nbytes)
                _check(matcher)
        allowed = np.unpackbits(bits.view(np.uint8), axis=1, count=self._vocabulary, bitorder="little")
        return scores.masked_fill(torch.from_numpy(allowed == 0).to(scores.device), -torch.inf)

    def advance(self, tokens: Sequence[int]) -> list[bool]:
        """Take the chosen token of each row; whether nothing can come after it."""
        ended = []
        for matcher, token in zip(self._matchers, tokens, strict=True):
            if matcher is None:
                ended.append(False)
                continue
            matcher.consume_token(token)
            _check(matcher)
            ended.append(matcher.is_stopped())
        return ended

    def select(self, rows: Sequence[int]) -> None:
        """Keep some rows."""
        self._matchers = [self._matchers[row] for row in rows]


def _check(matcher: Any) -> None:
    if matcher.is_error():
        raise InputError(f"the constraint cannot be followed: {matcher.get_error().strip().splitlines()[0]}")
