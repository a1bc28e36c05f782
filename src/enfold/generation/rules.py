"""The rules that settings ask for, in the order in which ``transformers`` applies them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from enfold.generation import truncation
from enfold.generation.penalties import (
    SequenceBias,
    ban_followers,
    block,
    force,
    grow_stops,
    penalise_repetition,
    replace_invalid,
)
from enfold.generation.sequences import Sequences
from enfold.generation.settings import Settings

__all__ = ["Rule", "Rules"]

Rule: TypeAlias = Callable[[Tensor, Sequences], Tensor]


class Rules:
    """Turns a model's scores into those that a token is chosen by.

    Args:
        settings: what is asked for.
        vocabulary: the number of scores of a row.
        sources: for each prompt the ids that the ``encoder_…`` rules look at.
        own: rules of the caller, applied after all others but before those of sampling.
        device: where the scores are.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        vocabulary: int,
        sources: Sequence[Sequence[int]] = (),
        own: Sequence[Rule] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        self._vocabulary = vocabulary
        self._device = device
        self.steps: list[Rule] = [
            *self._by_history(settings, sources),
            *self._by_place(settings),
            *own,
            *(_of_sampling(settings) if settings.do_sample else ()),
        ]
        if settings.renormalize_logits:
            self.steps.append(lambda scores, sequences: scores.log_softmax(-1))

    def __call__(self, scores: Tensor, sequences: Sequences) -> Tensor:
        """Apply all of them to scores (rows, vocabulary)."""
        for step in self.steps:
            scores = step(scores, sequences)
        return scores

    def mask(self, ids: Sequence[int]) -> Tensor:
        """(vocabulary,) True at some tokens; ids that the vocabulary does not have are none."""
        mask = torch.zeros(self._vocabulary, dtype=torch.bool)
        mask[[number for number in ids if 0 <= number < self._vocabulary]] = True
        return mask.to(self._device)

    def _by_history(self, settings: Settings, sources: Sequence[Sequence[int]]) -> list[Rule]:
        steps: list[Rule] = []
        looked_at = settings.encoder_repetition_penalty != 1 or settings.encoder_no_repeat_ngram_size
        source = self._padded(sources) if looked_at else torch.empty(0)
        if settings.sequence_bias:
            steps.append(self._bias(settings.sequence_bias))
        if settings.encoder_repetition_penalty != 1:
            inverse = 1 / settings.encoder_repetition_penalty
            steps.append(lambda scores, now: penalise_repetition(scores, source[now.prompts], inverse))
        if settings.repetition_penalty != 1:
            steps.append(lambda scores, now: penalise_repetition(scores, now.tokens, settings.repetition_penalty))
        if settings.no_repeat_ngram_size:
            before = settings.no_repeat_ngram_size - 1
            steps.append(lambda scores, now: ban_followers(scores, now.tokens, *now.suffixes(before)))
        if settings.encoder_no_repeat_ngram_size:
            known = settings.encoder_no_repeat_ngram_size - 1
            steps.append(lambda scores, now: ban_followers(scores, source[now.prompts], *now.suffixes(known)))
        stops = {(number,) for number in settings.eos_token_id}
        bad = [(word, -torch.inf) for word in settings.bad_words_ids if word not in stops]
        if bad:
            steps.append(self._bias(bad))
        return steps

    def _bias(self, biases: Sequence[tuple[tuple[int, ...], float]]) -> Rule:
        bias = SequenceBias(biases, self._vocabulary, self._device)
        counts = bias.prefix_lengths
        return lambda scores, now: bias(scores, [now.suffixes(count) for count in counts])

    def _padded(self, sources: Sequence[Sequence[int]]) -> Tensor:
        padded = torch.full((len(sources), max(map(len, sources))), self._vocabulary, dtype=torch.long)
        for row, source in enumerate(sources):
            padded[row, : len(source)] = torch.tensor(source, dtype=torch.long).clamp(max=self._vocabulary)
        return padded.to(self._device)

    def _by_place(self, settings: Settings) -> list[Rule]:
        steps: list[Rule] = []
        stops = self.mask(settings.eos_token_id)
        if settings.eos_token_id and (settings.min_length or settings.min_new_tokens):

            def not_yet(scores: Tensor, now: Sequences) -> Tensor:
                return block(scores, stops, now.lengths < now.minimums) if now.may_be_too_short else scores

            steps.append(not_yet)
        if settings.forced_bos_token_id is not None:
            first = self.mask([settings.forced_bos_token_id])

            def forced_first(scores: Tensor, now: Sequences) -> Tensor:
                return force(scores, first, now.lengths == 1) if now.may_be_single else scores

            steps.append(forced_first)
        if settings.forced_eos_token_id:
            last = self.mask(settings.forced_eos_token_id)

            def forced_last(scores: Tensor, now: Sequences) -> Tensor:
                return force(scores, last, now.lengths == now.limits - 1) if now.may_be_at_last else scores

            steps.append(forced_last)
        if settings.remove_invalid_values:
            steps.append(lambda scores, now: replace_invalid(scores))
        if settings.exponential_decay_length_penalty is not None and settings.eos_token_id:
            start, factor = settings.exponential_decay_length_penalty
            steps.append(lambda scores, now: grow_stops(scores, stops, factor, now.written - start))
        if settings.suppress_tokens:
            suppressed = self.mask(settings.suppress_tokens)
            steps.append(lambda scores, now: block(scores, suppressed))
        if settings.begin_suppress_tokens:
            at_first = self.mask(settings.begin_suppress_tokens)
            forced = settings.forced_bos_token_id is not None

            def not_first(scores: Tensor, now: Sequences) -> Tensor:
                if now.written > 1:
                    return scores
                place = 1 if forced else 0  # after a forced first token comes the first free one
                begins = torch.where(now.prompt_lengths > 1, 0, place)
                return block(scores, at_first, begins == now.written)

            steps.append(not_first)
        return steps


def _of_sampling(settings: Settings) -> list[Rule]:
    keep = len(settings.eos_token_id) + 1 if settings.num_beams > 1 else 1
    if settings.num_beams > 1 and not settings.eos_token_id:
        keep = 2
    cuts: list[Callable[[Tensor], Tensor]] = []
    if settings.temperature != 1:
        cuts.append(lambda scores: scores / settings.temperature)
    if settings.top_h is not None:
        cuts.append(partial(truncation.cut_top_h, share=settings.top_h))
    if settings.top_k:
        cuts.append(partial(truncation.cut_top_k, count=settings.top_k, keep=keep))
    if settings.top_p < 1:
        cuts.append(partial(truncation.cut_top_p, mass=settings.top_p, keep=keep))
    if settings.min_p is not None:
        cuts.append(partial(truncation.cut_min_p, share=settings.min_p, keep=keep))
    if settings.typical_p < 1:
        cuts.append(partial(truncation.cut_typical, mass=settings.typical_p, keep=keep))
    if settings.epsilon_cutoff > 0:
        cuts.append(partial(truncation.cut_epsilon, least=settings.epsilon_cutoff, keep=keep))
    if settings.eta_cutoff > 0:
        cuts.append(partial(truncation.cut_eta, least=settings.eta_cutoff, keep=keep))
    return [_ignoring_history(cut) for cut in cuts]


def _ignoring_history(cut: Callable[[Tensor], Tensor]) -> Rule:
    return lambda scores, sequences: cut(scores)
