"""Processors, criteria and streamers written for ``transformers``, as rules, criteria and pieces of this engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.generation.contracts import Criterion
from enfold.generation.results import Piece
from enfold.generation.rules import Rule
from enfold.generation.sequences import Sequences

__all__ = ["criterion_of", "only_allowed", "rule_of", "to_streamer"]


def _left_padded(sequences: Sequences, pad: int) -> Tensor:
    """(rows, longest) ids, shorter rows padded on the left."""
    lengths = sequences.lengths
    places = torch.arange(sequences.longest, device=lengths.device) - (sequences.longest - lengths)[:, None]
    return torch.where(places < 0, pad, sequences.buffer.gather(1, places.clamp(min=0)))


def rule_of(processor: Callable[[Tensor, Tensor], Tensor], pad: int) -> Rule:
    """A logits processor: called with ids (rows, length), padded on the left, and scores; finished rows have left."""
    return lambda scores, sequences: processor(_left_padded(sequences, pad), scores)


def criterion_of(criterion: Callable[..., Any], pad: int) -> Criterion:
    """A stopping criterion: called with ids as in `rule_of` and None for the scores."""

    def check(sequences: Sequences) -> list[bool]:
        met = criterion(_left_padded(sequences, pad), None)
        if isinstance(met, Tensor) and met.ndim:
            return [bool(flag) for flag in met.tolist()]
        return [bool(met)] * sequences.rows

    return check


def only_allowed(allowed: Callable[[int, Tensor], Sequence[int]]) -> Rule:
    """``prefix_allowed_tokens_fn``: of the number of a prompt and a row's ids; the tokens that may follow."""

    def rule(scores: Tensor, sequences: Sequences) -> Tensor:
        mask = torch.full_like(scores, -torch.inf)
        rows = zip(sequences.prompts.tolist(), sequences.lengths.tolist(), strict=True)
        for row, (prompt, length) in enumerate(rows):
            tokens = list(allowed(prompt, sequences.buffer[row, :length]))
            if not tokens:
                raise InputError(
                    f"prefix_allowed_tokens_fn allows no token after the {length} of prompt {prompt}: "
                    "return at least one"
                )
            mask[row, tokens] = 0.0
        return scores + mask

    return rule


def to_streamer(streamer: Any) -> Callable[[Piece], None]:
    """A streamer with ``put`` and ``end``, which takes one sequence."""

    def put(piece: Piece) -> None:
        for token in piece.ids:
            streamer.put(torch.tensor([token]))
        if piece.generated is not None:
            streamer.end()

    return put
