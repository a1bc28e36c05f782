"""Greedy decoding and sampling: one token for every row a step; rows that are finished leave the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from enfold.generation.drawing import Chance, best, draw
from enfold.generation.results import Piece
from enfold.generation.rows import Row, alternatives_of
from enfold.generation.rules import Rules
from enfold.generation.sequences import Sequences

__all__ = ["Criterion", "Decoding", "Following", "Recorder", "note_logprobs", "write"]

Criterion = Callable[[Sequences], Sequence[bool]]
"""A caller's own criterion: for each row whether it ends, asked after each token."""

Recorder = Callable[[Sequence[Row], Tensor, Tensor], None]
"""Gets at each step the rows, the model's scores and the processed ones (rows, vocabulary)."""


class Decoding(Protocol):
    """What generation needs of a running model; see `enfold.models.decoding`."""

    @property
    def logits(self) -> Tensor:
        """(rows, vocabulary) after the last token of each row."""

    def feed(self, tokens: Tensor) -> Tensor:
        """One more token (rows,) for each row; the logits after it."""

    def feed_several(self, tokens: Tensor) -> Tensor:
        """Several tokens (rows, n) for each row; the logits (rows, n, vocabulary) after each."""

    def select(self, rows: Tensor) -> None:
        """Keep, reorder and repeat rows."""

    def forget(self, counts: Sequence[int]) -> None:
        """Take back the last tokens of each row."""


class Following(Protocol):
    """What follows each row beside the model, such as a grammar."""

    def advance(self, tokens: Sequence[int]) -> Sequence[bool]:
        """Take the chosen token of each row; whether nothing can come after it."""

    def select(self, rows: Sequence[int]) -> None:
        """Keep some rows."""


def note_logprobs(rows: Sequence[Row], logits: Tensor, tokens: Tensor, alternatives: int) -> None:
    """Give each row the log-probability of its token, and of the likeliest ones."""
    if not rows[0].keep_logprobs:
        return
    logprobs = logits.log_softmax(-1)
    for row, value in zip(rows, logprobs.gather(1, tokens[:, None])[:, 0].tolist(), strict=True):
        row.logprobs.append(value)
    if alternatives:
        for row, found in zip(rows, alternatives_of(logprobs, alternatives), strict=True):
            row.alternatives.append(found)


def write(
    decoding: Decoding,
    sequences: Sequences,
    rows: list[Row],
    rules: Rules,
    *,
    chance: Chance | None,
    following: Following | None = None,
    criteria: Sequence[Criterion] = (),
    alternatives: int = 0,
    record: Recorder | None = None,
) -> Iterator[Piece]:
    """Write until every row is finished; a piece for each row at each step.

    Args:
        decoding: the model, after the prompts.
        sequences: the same prompts.
        rows: what is written.
        rules: what is done to scores.
        chance: draws tokens; None takes the best.
        following: a grammar.
        criteria: the caller's own endings.
        alternatives: how many of the likeliest tokens are noted.
        record: gets the scores of each step.
    """
    while True:
        logits = decoding.logits
        scores = rules(logits, sequences)
        tokens = best(scores) if chance is None else draw(scores.softmax(-1), chance.next())
        if record is not None:
            record(rows, logits, scores)
        note_logprobs(rows, logits, tokens, alternatives)
        sequences.append(tokens)
        chosen = tokens.tolist()
        ended = following.advance(chosen) if following is not None else [False] * len(rows)
        met = [any(flags) for flags in zip(*(check(sequences) for check in criteria), strict=True)]
        late = rows[0].ending.is_late
        for number, (row, token) in enumerate(zip(rows, chosen, strict=True)):
            row.take(token, ended=ended[number], late=late, criterion=bool(met) and met[number])
        yield from [row.piece() for row in rows]
        kept = [number for number, row in enumerate(rows) if row.finished is None]
        if not kept:
            return
        if len(kept) < len(rows):
            index = torch.tensor(kept, device=tokens.device)
            rows = [rows[number] for number in kept]
            tokens = tokens[index]
            decoding.select(index)
            sequences.select(index)
            if chance is not None:
                chance.select(kept)
            if following is not None:
                following.select(kept)
        decoding.feed(tokens)
