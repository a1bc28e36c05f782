"""`generate` and `stream`: prompts as token ids to sequences of token ids. The one engine behind every way in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from enfold.errors import InputError
from enfold.generation.arguments import check_together, constraints_of, seeds_of
from enfold.generation.beam import beam_search
from enfold.generation.config import GenerationConfig
from enfold.generation.contracts import Criterion, Decoding, GenerativeModel, Recorder
from enfold.generation.detokenise import Decode, StopStrings
from enfold.generation.drawing import Chance, seed_of
from enfold.generation.loop import write
from enfold.generation.prompts import lengths_allowed, prompts_of, sources_of
from enfold.generation.results import Generated, Piece
from enfold.generation.rows import Ending, Row
from enfold.generation.rules import Rule, Rules
from enfold.generation.sequences import Sequences
from enfold.generation.settings import Settings, own_config, resolve
from enfold.generation.speculative import AssistantProposals, LookupProposals, Proposals, write_speculatively
from enfold.generation.structured import Constraint, Grammars

__all__ = ["generate", "stream"]

_CONTEXT = 8  # ids of a prompt that its text's continuation is decoded with


def generate(
    model: GenerativeModel,
    prompts: Sequence[Sequence[int]] | None,
    config: GenerationConfig | None = None,
    *,
    encoder_ids: Sequence[Sequence[int]] | None = None,
    seeds: int | Sequence[int] | None = None,
    decode: Decode | None = None,
    on_piece: Callable[[Piece], None] | None = None,
    **more: Any,
) -> list[list[Generated]]:
    """Write after prompts; see `stream` for all arguments.

    Args:
        model: the model.
        prompts: token ids, of any lengths, never padded.
        config: how to decode.
        encoder_ids: for an encoder-decoder what it reads.
        seeds: one for each prompt, or one for all.
        decode: ids to text.
        on_piece: called with each piece as it comes.
        more: the other arguments of `stream`.

    Returns:
        for each prompt its ``num_return_sequences`` sequences.
    """
    results: dict[int, dict[int, Generated]] = {}
    pieces = stream(model, prompts, config, encoder_ids=encoder_ids, seeds=seeds, decode=decode, **more)
    for piece in pieces:
        if on_piece is not None:
            on_piece(piece)
        if piece.generated is not None:
            results.setdefault(piece.prompt, {})[piece.sequence] = piece.generated
    return [[results[prompt][number] for number in sorted(results[prompt])] for prompt in sorted(results)]


def stream(
    model: GenerativeModel,
    prompts: Sequence[Sequence[int]] | None,
    config: GenerationConfig | None = None,
    *,
    encoder_ids: Sequence[Sequence[int]] | None = None,
    seeds: int | Sequence[int] | None = None,
    decode: Decode | None = None,
    constraint: Constraint | Sequence[Constraint | None] | None = None,
    assistant: GenerativeModel | None = None,
    logprobs: bool = False,
    alternatives: int = 0,
    rules: Sequence[Rule] = (),
    criteria: Sequence[Criterion] = (),
    record: Recorder | None = None,
    own: GenerationConfig | None = None,
) -> Iterator[Piece]:
    """Write after prompts, piece by piece as tokens come.

    Answers do not depend on neighbours: each row has its own random numbers, and rows are never padded. Everything is
    checked before this returns. With beam search, all sequences of a prompt come when it is done; with an assistant
    or prompt lookup, prompts are written one after another, several tokens a piece.

    Args:
        model: the model.
        prompts: token ids of each prompt, of any lengths, never padded. For an encoder-decoder these are the first
            ids of the decoder; None starts with ``decoder_start_token_id``.
        config: how to decode; what it does not set is as ``own`` says.
        encoder_ids: for an encoder-decoder what it reads, one for each prompt.
        seeds: of ``do_sample``, one for each prompt or one for all; drawn from torch's own generator where None. The
            same seed, prompt and options give the same sequence, whatever else is in the call.
        decode: ids to text; stop strings need it, and pieces have text with it.
        constraint: what the output must match, for all prompts or one for each.
        assistant: a smaller model with the same vocabulary that proposes tokens; the output stays as without it.
        logprobs: whether log-probabilities are returned.
        alternatives: how many of the likeliest tokens are returned at each place, with log-probabilities.
        rules: further rules on scores, after those of the config and before those of sampling.
        criteria: further endings.
        record: gets the scores of each step; not with beams, an assistant or prompt lookup.
        own: what the model's folder says; its ``generation_config`` where None.

    Raises:
        InputError: a prompt is empty, too long, or has an id outside the vocabulary; options contradict each other.
        MissingExtra: a constraint needs a library that is not installed.
    """
    settings = resolve(config, own_config(model) if own is None else own, vocabulary=model.vocabulary)
    sources = sources_of(model, encoder_ids)
    begun = prompts_of(model, prompts, settings, sources)
    limits, minimums = lengths_allowed(begun, settings, model.context_length)
    if sources is not None and len(sources) != len(begun):
        raise InputError(f"{len(begun)} prompts but {len(sources)} encoder_ids: there must be one for each")
    if settings.stop_strings and decode is None:
        raise InputError("stop_strings are looked for in text: give decode=, such as a tokenizer's decode")
    check_together(settings, model, constraint, assistant, alternatives, record)
    job = _Job(
        model=model,
        prompts=begun,
        sources=sources,
        limits=limits,
        minimums=minimums,
        settings=settings,
        ending=Ending(frozenset(settings.eos_token_id), StopStrings(settings.stop_strings), decode),
        seeds=seeds_of(seeds, len(begun)) if settings.do_sample else None,
        constraints=constraints_of(constraint, len(begun)),
        assistant=assistant,
        logprobs=logprobs or alternatives > 0,
        alternatives=alternatives,
        rules=rules,
        criteria=criteria,
        record=record,
    )
    return job.run()


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A checked call of `stream`."""

    model: GenerativeModel
    prompts: list[list[int]]
    sources: list[list[int]] | None
    limits: list[int]
    minimums: list[int]
    settings: Settings
    ending: Ending
    seeds: list[int] | None
    constraints: list[Constraint | None] | None
    assistant: GenerativeModel | None
    logprobs: bool
    alternatives: int
    rules: Sequence[Rule]
    criteria: Sequence[Criterion]
    record: Recorder | None

    def run(self) -> Iterator[Piece]:
        settings = self.settings
        ending = self.ending
        if settings.max_time is not None:
            ending = Ending(ending.stops, ending.texts, ending.decode, time.monotonic() + settings.max_time)
        if self.assistant is not None or settings.prompt_lookup_num_tokens is not None:
            yield from self._speculative(ending)
            return
        everything = list(range(len(self.prompts)))
        decoding, sequences, rules = self._begin(everything)
        if settings.num_beams > 1:
            yield from beam_search(
                decoding,
                sequences,
                rules(()),
                settings,
                ending,
                prompt_tokens=[self._prompt_tokens(number) for number in everything],
                contexts=[self._context(number) for number in everything],
                chance=None if self.seeds is None else Chance(self.seeds),
                keep_logprobs=self.logprobs,
            )
            return
        copies = settings.num_return_sequences
        if copies > 1:
            spread = torch.arange(len(everything), device=sequences.buffer.device).repeat_interleave(copies)
            decoding.select(spread)
            sequences.select(spread)
        places = [(number, copy) for number in everything for copy in range(copies)]
        grammars = None
        if self.constraints is not None:
            chosen = [self.constraints[number] for number, _ in places]
            grammars = Grammars(chosen, vocabulary=sequences.vocabulary, stops=settings.eos_token_id)
        yield from write(
            decoding,
            sequences,
            [self._row(number, copy, ending) for number, copy in places],
            rules((grammars.allow,) if grammars is not None else ()),
            chance=self._chance(places),
            following=grammars,
            criteria=self.criteria,
            alternatives=self.alternatives,
            record=self.record,
        )

    def _speculative(self, ending: Ending) -> Iterator[Piece]:
        settings = self.settings
        for number in range(len(self.prompts)):
            for copy in range(settings.num_return_sequences):
                decoding, sequences, made = self._begin([number])
                rules = made(())
                chance = self._chance([(number, copy)])
                proposals: Proposals
                if self.assistant is not None:
                    helper = self.assistant.begin_decoding(
                        [self.prompts[number]],
                        encoder_ids=None if self.sources is None else [self.sources[number]],
                        room=self.limits[number] - len(self.prompts[number]),
                    )
                    proposals = AssistantProposals(helper, rules, chance, settings.assistant_confidence_threshold)
                    count = settings.num_assistant_tokens
                else:
                    proposals = LookupProposals(settings.max_matching_ngram_size)
                    count = settings.prompt_lookup_num_tokens or 1
                yield from write_speculatively(
                    decoding,
                    sequences,
                    self._row(number, copy, ending),
                    rules,
                    proposals,
                    count=count,
                    chance=chance,
                    criteria=self.criteria,
                    alternatives=self.alternatives,
                )

    def _begin(self, numbers: list[int]) -> tuple[Decoding, Sequences, Callable[[Sequence[Rule]], Rules]]:
        prompts = [self.prompts[number] for number in numbers]
        limits = [self.limits[number] for number in numbers]
        sources = None if self.sources is None else [self.sources[number] for number in numbers]
        room = max(limit - len(prompt) for limit, prompt in zip(limits, prompts, strict=True))
        decoding: Decoding = self.model.begin_decoding(prompts, encoder_ids=sources, room=room)
        vocabulary, device = decoding.logits.shape[1], decoding.logits.device
        sequences = Sequences(
            prompts,
            limits=limits,
            minimums=[self.minimums[number] for number in numbers],
            vocabulary=vocabulary,
            device=device,
        )

        def rules(more: Sequence[Rule]) -> Rules:
            return Rules(
                self.settings,
                vocabulary=vocabulary,
                sources=sources if sources is not None else prompts,
                own=[*self.rules, *more],
                device=device,
            )

        return decoding, sequences, rules

    def _row(self, number: int, copy: int, ending: Ending) -> Row:
        return Row(
            prompt=number,
            sequence=copy,
            room=self.limits[number] - len(self.prompts[number]),
            ending=ending,
            prompt_tokens=self._prompt_tokens(number),
            context=self._context(number),
            keep_logprobs=self.logprobs,
            keep_alternatives=self.alternatives > 0,
        )

    def _context(self, number: int) -> list[int]:
        return [] if self.model.is_encoder_decoder else self.prompts[number][-_CONTEXT:]

    def _prompt_tokens(self, number: int) -> int:
        return len(self.prompts[number] if self.sources is None else self.sources[number])

    def _chance(self, places: Sequence[tuple[int, int]]) -> Chance | None:
        if self.seeds is None:
            return None
        return Chance([seed_of(self.seeds[number], copy) for number, copy in places])
