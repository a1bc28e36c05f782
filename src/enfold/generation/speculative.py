"""Speculative decoding: something cheap proposes tokens, the model checks several at once; the output stays the same.

Leviathan et al., Fast Inference from Transformers via Speculative Decoding (2023), algorithm 1. A proposed token ``x``
is kept with probability ``min(1, p(x) / q(x))``, where ``p`` is the model's distribution and ``q`` what it was drawn
from; else the token is drawn from what ``p`` has more than ``q``. So tokens are distributed by ``p``, whatever proposed
them. Taking the best token, a proposal is kept when it is the best. Each sequence is written on its own, because
sequences keep different numbers of proposals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from enfold.generation.contracts import Criterion, Decoding
from enfold.generation.drawing import Chance, best, draw
from enfold.generation.loop import note_logprobs
from enfold.generation.results import Piece
from enfold.generation.rows import Row
from enfold.generation.rules import Rules
from enfold.generation.sequences import Sequences

__all__ = ["AssistantProposals", "LookupProposals", "Proposals", "write_speculatively"]


class Proposals(Protocol):
    """What proposes tokens for one sequence."""

    def propose(self, sequences: Sequences, count: int) -> tuple[list[int], list[Tensor | None]]:
        """At most ``count`` tokens that may follow, and the distribution (1, vocabulary) each was drawn from.

        None stands for a token that was proposed for certain. ``sequences`` is left as it was.
        """

    def settle(self, refused: int) -> None:
        """Be told how many of the last tokens proposed were refused."""


class AssistantProposals:
    """A smaller model with the same vocabulary proposes.

    Args:
        decoding: the assistant after the prompt.
        rules: those of the model.
        chance: draws tokens; None takes the best.
        confidence: it stops proposing after a token it gave less probability.
    """

    def __init__(self, decoding: Decoding, rules: Rules, chance: Chance | None, confidence: float) -> None:
        self._decoding = decoding
        self._rules = rules
        self._chance = chance
        self._confidence = confidence

    def propose(self, sequences: Sequences, count: int) -> tuple[list[int], list[Tensor | None]]:
        """See `Proposals`; the assistant reads the last token of the sequence and those it proposes."""
        tokens, _ = sequences.suffixes(1)
        self._decoding.feed(tokens[:, 0])
        proposed: list[int] = []
        distributions: list[Tensor | None] = []
        while len(proposed) < count:
            scores = self._rules(self._decoding.logits, sequences)
            probabilities = scores.softmax(-1)
            token = best(scores) if self._chance is None else draw(probabilities, self._chance.next())
            proposed.append(int(token))
            distributions.append(probabilities)
            sequences.append(token)
            self._decoding.feed(token)
            if float(probabilities[0, proposed[-1]]) < self._confidence:
                break
        sequences.forget(len(proposed))
        return proposed, distributions

    def settle(self, refused: int) -> None:
        """See `Proposals`."""
        if refused:
            self._decoding.forget([refused])


class LookupProposals:
    """What followed the sequence's last tokens the last time they stood in it (prompt lookup decoding, Saxena 2023).

    Args:
        size: how many of the last tokens are looked for; fewer where they are not found.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def propose(self, sequences: Sequences, count: int) -> tuple[list[int], list[Tensor | None]]:
        """See `Proposals`."""
        tokens = sequences.tokens[0, : int(sequences.lengths[0])]
        for size in range(min(self._size, len(tokens) - 1), 0, -1):
            windows = tokens[:-1].unfold(0, size, 1)
            places = (windows == tokens[-size:]).all(-1).nonzero()[:, 0]
            if len(places):
                start = int(places[-1]) + size
                found = tokens[start : start + count].tolist()
                return found, [None] * len(found)
        return [], []

    def settle(self, refused: int) -> None:
        """See `Proposals`; the sequence itself is the memory."""


def write_speculatively(
    decoding: Decoding,
    sequences: Sequences,
    row: Row,
    rules: Rules,
    proposals: Proposals,
    *,
    count: int,
    chance: Chance | None,
    criteria: Sequence[Criterion] = (),
    alternatives: int = 0,
) -> Iterator[Piece]:
    """Write one sequence, several tokens at a step.

    Args:
        decoding: the model after the prompt, one row.
        sequences: the same prompt.
        row: what is written.
        rules: what is done to scores.
        proposals: what proposes.
        count: how many tokens are proposed at a step, at most.
        chance: draws tokens; None takes the best.
        criteria: the caller's own endings.
        alternatives: how many of the likeliest tokens are noted.
    """

    def take(logits: Tensor, token: Tensor) -> None:
        note_logprobs([row], logits, token, alternatives)
        sequences.append(token)
        met = any(check(sequences)[0] for check in criteria)
        row.take(int(token), late=row.ending.is_late, criterion=met)

    first = rules(decoding.logits, sequences)
    take(decoding.logits, best(first) if chance is None else draw(first.softmax(-1), chance.next()))
    yield row.piece()
    while row.finished is None:
        spare = row.room - len(row.ids) - 1
        proposed, distributions = proposals.propose(sequences, min(count, spare)) if spare > 0 else ([], [])
        fed = torch.tensor([[row.ids[-1], *proposed]], device=sequences.buffer.device)
        logits = decoding.feed_several(fed)[0]  # (proposed + 1, vocabulary)
        kept = 0
        for place in range(len(proposed) + 1):
            here = logits[place : place + 1]
            scores = rules(here, sequences)
            wanted = proposed[place] if place < len(proposed) else None
            if chance is None:
                token = best(scores)
            else:
                token = _checked(
                    scores.softmax(-1), wanted, distributions[place] if wanted is not None else None, chance
                )
            take(here, token)
            if row.finished is not None or int(token) != wanted:
                break
            kept += 1
        yield row.piece()
        if row.finished is None:
            refused = len(proposed) - kept
            if refused:
                decoding.forget([refused])
            proposals.settle(refused)


def _checked(target: Tensor, proposed: int | None, proposal: Tensor | None, chance: Chance) -> Tensor:
    """The proposed token, or another; distributed as ``target`` (1, vocabulary) either way."""
    if proposed is None:
        return draw(target, chance.next())
    proposed_with = 1.0 if proposal is None else float(proposal[0, proposed])
    if float(chance.next()) * proposed_with < float(target[0, proposed]):
        return torch.tensor([proposed], device=target.device)
    if proposal is None:
        rest = target.clone()
        rest[0, proposed] = 0.0
    else:
        rest = (target - proposal).clamp(min=0.0)
        if not bool((rest > 0).any()):  # equal but for rounding
            rest = target
    return draw(rest, chance.next())
