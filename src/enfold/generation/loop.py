"""Greedy decoding and sampling: one token for every row a step; rows that are finished leave the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from enfold.generation.contracts import Criterion, Decoding, Following, Recorder
from enfold.generation.drawing import Chance, best, draw
from enfold.generation.results import Piece
from enfold.generation.rows import Row, alternatives_of
from enfold.generation.rules import Rules
from enfold.generation.sequences import Sequences

__all__ = ["note_logprobs", "write"]


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
