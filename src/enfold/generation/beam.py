"""Beam search as ``transformers`` 5 does it, hypothesis by hypothesis; a prompt that is done leaves the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.generation.contracts import Decoding
from enfold.generation.detokenise import Decode, StopStrings
from enfold.generation.drawing import Chance
from enfold.generation.largest import largest
from enfold.generation.results import FinishReason, Generated, Piece
from enfold.generation.rows import Ending
from enfold.generation.rules import Rules
from enfold.generation.sequences import Sequences
from enfold.generation.settings import Settings

__all__ = ["Hypothesis", "beam_search"]

_DEAD = -1.0e9
"""The score of a place that holds no hypothesis: the value ``transformers`` uses, since it takes part in sums there."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished sequence of one prompt."""

    score: float
    ids: tuple[int, ...]
    logprobs: tuple[float, ...] | None
    reason: FinishReason
    stopped_by: int | str | None


@dataclass(slots=True)
class _Search:
    """What is known of one prompt: its best finished sequences, best first."""

    prompt: int
    room: int
    prompt_tokens: int
    finished: list[Hypothesis] = field(default_factory=list)

    def add(self, found: list[Hypothesis], beams: int) -> None:
        self.finished = sorted([*self.finished, *found], key=lambda one: -one.score)[:beams]

    def is_done(self, best: float, beams: int, early_stopping: bool | str) -> bool:
        """Whether no running hypothesis, the best of which may reach ``best``, can change the result."""
        full = len(self.finished) == beams
        if full and early_stopping is True:
            return True
        return not best > (self.finished[-1].score if full else _DEAD)


class _Beams:
    """The running beams of all prompts: rows of the decoding, ``num_beams`` for each prompt in order."""

    def __init__(self, decoding: Decoding, sequences: Sequences, beams: int, keep_logprobs: bool) -> None:
        device = decoding.logits.device
        prompts = sequences.rows
        spread = torch.arange(prompts, device=device).repeat_interleave(beams)
        decoding.select(spread)
        sequences.select(spread)
        self.decoding = decoding
        self.sequences = sequences
        self.scores = torch.full((prompts, beams), _DEAD, device=device)
        self.scores[:, 0] = 0.0  # so that the first tokens come from one beam and differ
        self.logprobs = torch.zeros(len(spread), sequences.buffer.shape[1] if keep_logprobs else 0, device=device)

    def select(self, rows: Tensor) -> None:
        if not torch.equal(rows, torch.arange(self.sequences.rows, device=rows.device)):
            self.decoding.select(rows)
            self.sequences.select(rows)
            self.logprobs = self.logprobs[rows]


def beam_search(
    decoding: Decoding,
    sequences: Sequences,
    rules: Rules,
    settings: Settings,
    ending: Ending,
    *,
    prompt_tokens: Sequence[int],
    contexts: Sequence[Sequence[int]],
    chance: Chance | None = None,
    keep_logprobs: bool = False,
) -> Iterator[Piece]:
    """Keep the ``num_beams`` best beginnings of each prompt and return its best finished sequences.

    Scores are sums of log-probabilities after the rules; a finished one is divided by its number of new tokens to the
    power ``length_penalty``. Each step keeps so many candidates that enough go on where some end.

    Args:
        decoding: the model after the prompts, one row each.
        sequences: the same prompts.
        rules: what is done to log-probabilities.
        settings: beams, lengths, penalties.
        ending: what ends a sequence.
        prompt_tokens: of each prompt.
        contexts: the ids that each prompt's text continues.
        chance: draws candidates, one row of it for each prompt; None takes the best.
        keep_logprobs: whether log-probabilities are returned.

    Yields:
        all sequences of a prompt when it is done.
    """
    beams = settings.num_beams
    rooms = (sequences.limits - sequences.prompt_lengths).tolist()
    searches = [_Search(number, rooms[number], count) for number, count in enumerate(prompt_tokens)]
    running = _Beams(decoding, sequences, beams, keep_logprobs)
    stops = rules.mask(sorted(ending.stops))
    device = running.scores.device
    while True:
        candidates = _candidates(running, rules, settings, chance)
        written = sequences.written + 1
        rooms_now = torch.tensor([search.room for search in searches], device=device)
        ends = stops[candidates.tokens] | (written >= rooms_now)[:, None]
        texts = _texts_that_end(running, candidates, ending) if ending.texts.texts else {}
        for found_at in texts:
            ends[found_at] = True
        if ending.is_late:
            ends[:] = True

        going = torch.where(ends, candidates.scores + _DEAD, candidates.scores)
        kept = going.topk(beams).indices
        running.scores = going.gather(1, kept)
        penalty = settings.length_penalty
        finals = (candidates.scores / written**penalty).tolist()
        ended = ends.tolist()
        for number, search in enumerate(searches):
            found = []
            for place in range(beams):
                if ended[number][place] and finals[number][place] > _DEAD:
                    found.append(
                        _hypothesis(running, candidates, (number, place), finals[number][place], ending, texts, search)
                    )
            search.add(found, beams)

        reached = [search.room if _hopes_to_the_end(settings) else written for search in searches]
        reach = torch.tensor([float(length) ** penalty for length in reached], device=device)
        hopes = (running.scores[:, 0] / reach).tolist()
        going_on = []
        for number, search in enumerate(searches):
            if all(ended[number]) or search.is_done(hopes[number], beams, settings.early_stopping):
                yield from _pieces(search, settings, ending, contexts[search.prompt])
            else:
                going_on.append(number)
        if not going_on:
            return

        offsets = torch.arange(len(searches), device=device)[:, None] * beams
        parents = candidates.parents.gather(1, kept) + offsets
        tokens = candidates.tokens.gather(1, kept)
        logprobs = candidates.logprobs.gather(1, kept) if keep_logprobs else None
        if len(going_on) < len(searches):
            index = torch.tensor(going_on, device=device)
            parents, tokens, running.scores = parents[index], tokens[index], running.scores[index]
            logprobs = logprobs[index] if logprobs is not None else None
            searches = [searches[number] for number in going_on]
            if chance is not None:
                chance.select(going_on)
        running.select(parents.flatten())
        if logprobs is not None:
            running.logprobs[:, sequences.written] = logprobs.flatten()
        sequences.append(tokens.flatten())
        decoding.feed(tokens.flatten())


@dataclass(slots=True)
class _Candidates:
    """Ways to go on, (prompts, candidates) each, best first."""

    scores: Tensor
    parents: Tensor
    tokens: Tensor
    logprobs: Tensor


def _candidates(running: _Beams, rules: Rules, settings: Settings, chance: Chance | None) -> _Candidates:
    beams = settings.num_beams
    prompts = len(running.scores)
    raw = running.decoding.logits.log_softmax(-1)
    processed = rules(raw, running.sequences)
    vocabulary = processed.shape[1]
    count = min(max(2, 1 + len(settings.eos_token_id)) * beams, beams * vocabulary)
    if chance is None:  # the best of all are among the best of each beam
        values, tokens = largest(processed, min(count, vocabulary))
        kept = values.shape[1]
        totals = (values.view(prompts, beams, kept) + running.scores[:, :, None]).view(prompts, -1)
        scores, order = totals.topk(count)
        places = order // kept * vocabulary + tokens.view(prompts, -1).gather(1, order)
    else:
        totals = (processed.view(prompts, beams, vocabulary) + running.scores[:, :, None]).view(prompts, -1)
        places = _drawn(totals.softmax(-1), count, chance)
        scores, order = totals.gather(1, places).sort(-1, descending=True)
        places = places.gather(1, order)
    if bool(scores[:, 0].isnan().any()):
        raise InputError("beam search found scores that are no numbers: look at the model's weights and the options")
    parents, tokens = places // vocabulary, places % vocabulary
    logprobs = raw.view(prompts, -1).gather(1, places) if running.logprobs.shape[1] else raw
    return _Candidates(scores, parents, tokens, logprobs)


def _drawn(probabilities: Tensor, count: int, chance: Chance) -> Tensor:
    possible = int((probabilities > 0).sum(-1).min())
    if possible < count:
        raise InputError(
            f"beam search draws {count} candidates, but the options leave {possible} possible: "
            "a larger top_k or top_p, fewer beams, or do_sample=False"
        )
    rows = [
        torch.multinomial(row, count, generator=source)
        for row, source in zip(probabilities.cpu(), chance.generators, strict=True)
    ]
    return torch.stack(rows).to(probabilities.device)


def _hopes_to_the_end(settings: Settings) -> bool:
    return settings.early_stopping == "never" and settings.length_penalty > 0


def _written(running: _Beams, candidates: _Candidates, place: tuple[int, int]) -> tuple[int, list[int]]:
    """The row that a candidate continues, and its new ids with the candidate's."""
    number, column = place
    row = number * running.scores.shape[1] + int(candidates.parents[number, column])
    return row, [*running.sequences.new_ids(row), int(candidates.tokens[number, column])]


def _texts_that_end(running: _Beams, candidates: _Candidates, ending: Ending) -> dict[tuple[int, int], str]:
    decode: Decode | None = ending.decode
    assert decode is not None, "stop strings come with a way to decode"
    found = {}
    for number in range(len(candidates.tokens)):
        for column in range(candidates.tokens.shape[1]):
            _, ids = _written(running, candidates, (number, column))
            stop = ending.texts.completed_by_last(ids, decode)
            if stop is not None:
                found[number, column] = stop
    return found


def _hypothesis(
    running: _Beams,
    candidates: _Candidates,
    place: tuple[int, int],
    score: float,
    ending: Ending,
    texts: dict[tuple[int, int], str],
    search: _Search,
) -> Hypothesis:
    row, ids = _written(running, candidates, place)
    logprobs = None
    if running.logprobs.shape[1]:
        before = running.logprobs[row, : running.sequences.written].tolist()
        logprobs = (*before, float(candidates.logprobs[place]))
    if ids[-1] in ending.stops:
        return Hypothesis(score, tuple(ids), logprobs, "stop", ids[-1])
    if place in texts:
        return Hypothesis(score, tuple(ids), logprobs, "stop_string", texts[place])
    reason: FinishReason = "length" if len(ids) >= search.room else "time"
    return Hypothesis(score, tuple(ids), logprobs, reason, None)


def _pieces(search: _Search, settings: Settings, ending: Ending, context: Sequence[int]) -> Iterator[Piece]:
    if len(search.finished) < settings.num_return_sequences:
        raise InputError(
            f"beam search found {len(search.finished)} sequences for prompt {search.prompt}, not "
            f"num_return_sequences={settings.num_return_sequences}: the options forbid nearly every token"
        )
    for number, one in enumerate(search.finished[: settings.num_return_sequences]):
        text = None if ending.decode is None else _text(one, ending.decode, ending.texts, context)
        generated = Generated(
            ids=one.ids,
            finish_reason=one.reason,
            stopped_by=one.stopped_by,
            text=text,
            logprobs=one.logprobs,
            score=one.score,
            prompt_tokens=search.prompt_tokens,
        )
        yield Piece(prompt=search.prompt, sequence=number, ids=one.ids, text=text or "", generated=generated)


def _text(one: Hypothesis, decode: Callable[[Sequence[int]], str], stops: StopStrings, context: Sequence[int]) -> str:
    ids = one.ids[:-1] if one.reason == "stop" else one.ids
    before = decode(list(context)) if context else ""
    text = decode([*context, *ids])[len(before) :]
    found = stops.first_in(text) if one.reason == "stop_string" else None
    return text[: found[0]] if found is not None else text
