"""Every rule against the processor of transformers that it stands for, to 1e-4; and rows of different lengths."""

import pytest
import torch
from transformers.generation import logits_process as theirs

from enfold.generation import GenerationConfig, truncation
from enfold.generation.largest import largest
from enfold.generation.penalties import grow_stops, replace_invalid
from enfold.generation.rules import Rules
from enfold.generation.sequences import Sequences
from enfold.generation.settings import resolve

ROWS, VOCABULARY, LENGTH, PROMPT = 5, 60, 14, 6


def scores_of(seed: int = 0) -> torch.Tensor:
    return torch.randn(ROWS, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 3


def history(seed: int = 1, length: int = LENGTH) -> torch.Tensor:
    return torch.randint(0, 12, (ROWS, length), generator=torch.Generator().manual_seed(seed))


def sequences_of(ids: torch.Tensor, prompt: int = PROMPT, limit: int = 40, least: int = 0) -> Sequences:
    rows = len(ids)
    made = Sequences(ids[:, :prompt].tolist(), limits=[limit] * rows, minimums=[least] * rows, vocabulary=VOCABULARY)
    for column in range(prompt, ids.shape[1]):
        made.append(ids[:, column])
    return made


def ours(ids: torch.Tensor, prompt: int = PROMPT, sources=(), seed: int = 0, **options) -> torch.Tensor:
    config = GenerationConfig(eos_token_id=[2, 7], max_new_tokens=40 - prompt, **options)
    settings = resolve(config, vocabulary=VOCABULARY)
    least = settings.least(prompt)
    rules = Rules(settings, vocabulary=VOCABULARY, sources=sources)
    return rules(scores_of(seed), sequences_of(ids, prompt, least=least))


EOS = torch.tensor([2, 7])
SAMPLING = {
    "temperature": ({"temperature": 0.7}, [theirs.TemperatureLogitsWarper(0.7)]),
    "top_k": ({"top_k": 7}, [theirs.TopKLogitsWarper(7)]),
    "top_p": ({"top_p": 0.8}, [theirs.TopPLogitsWarper(0.8)]),
    "top_p of nothing": ({"top_p": 0.0}, [theirs.TopPLogitsWarper(0.0)]),
    "min_p": ({"min_p": 0.1}, [theirs.MinPLogitsWarper(0.1)]),
    "typical_p": ({"typical_p": 0.6}, [theirs.TypicalLogitsWarper(0.6)]),
    "top_h": ({"top_h": 0.5}, [theirs.TopHLogitsWarper(0.5)]),
    "epsilon": ({"epsilon_cutoff": 0.02}, [theirs.EpsilonLogitsWarper(0.02)]),
    "eta": ({"eta_cutoff": 0.05}, [theirs.EtaLogitsWarper(0.05)]),
    "renormalised": ({"renormalize_logits": True}, [theirs.LogitNormalization()]),
    "all": (
        {"temperature": 1.4, "top_k": 20, "top_p": 0.95, "min_p": 0.01, "typical_p": 0.9, "renormalize_logits": True},
        [theirs.TemperatureLogitsWarper(1.4), theirs.TopKLogitsWarper(20), theirs.TopPLogitsWarper(0.95),
         theirs.MinPLogitsWarper(0.01), theirs.TypicalLogitsWarper(0.9), theirs.LogitNormalization()],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLING)
@pytest.mark.parametrize("seed", range(3))
def test_sampling_rules(name, seed):
    options, processors = SAMPLING[name]
    ids = history()
    expected = scores_of(seed)
    for processor in processors:
        expected = processor(ids, expected)
    torch.testing.assert_close(
        ours(ids, seed=seed, do_sample=True, **{"top_k": 0, **options}), expected, rtol=1e-4, atol=1e-4
    )


def test_sampling_rules_keep_more_than_one_token_for_beams():
    scores = scores_of()
    torch.testing.assert_close(
        truncation.cut_top_p(scores, 0.01, keep=3), theirs.TopPLogitsWarper(0.01, min_tokens_to_keep=3)(None, scores)
    )
    torch.testing.assert_close(
        truncation.cut_min_p(scores, 0.99, keep=3), theirs.MinPLogitsWarper(0.99, min_tokens_to_keep=3)(None, scores)
    )
    torch.testing.assert_close(
        truncation.cut_typical(scores, 0.01, keep=3),
        theirs.TypicalLogitsWarper(0.01, min_tokens_to_keep=3)(None, scores),
    )
    torch.testing.assert_close(
        truncation.cut_epsilon(scores, 0.9, keep=3), theirs.EpsilonLogitsWarper(0.9, min_tokens_to_keep=3)(None, scores)
    )
    torch.testing.assert_close(
        truncation.cut_eta(scores, 0.9, keep=3), theirs.EtaLogitsWarper(0.9, min_tokens_to_keep=3)(None, scores)
    )


HISTORY = {
    "repetition penalty": ({"repetition_penalty": 1.3}, theirs.RepetitionPenaltyLogitsProcessor(1.3)),
    "repetition reward": ({"repetition_penalty": 0.6}, theirs.RepetitionPenaltyLogitsProcessor(0.6)),
    "no repeated token": ({"no_repeat_ngram_size": 1}, theirs.NoRepeatNGramLogitsProcessor(1)),
    "no repeated pair": ({"no_repeat_ngram_size": 2}, theirs.NoRepeatNGramLogitsProcessor(2)),
    "no repeated triple": ({"no_repeat_ngram_size": 3}, theirs.NoRepeatNGramLogitsProcessor(3)),
    "longer than the text": ({"no_repeat_ngram_size": 20}, theirs.NoRepeatNGramLogitsProcessor(20)),
    "bad words": (
        {"bad_words_ids": [[5], [2], *([a, b] for a in range(12) for b in (3, 9)), [4, 4, 6]]},
        theirs.NoBadWordsLogitsProcessor(
            [[5], [2], *([a, b] for a in range(12) for b in (3, 9)), [4, 4, 6]], eos_token_id=EOS
        ),
    ),
    "sequence bias": (
        {"sequence_bias": {(5,): 1.5, (3, 9): -2.0, **{(a, 8): 0.5 for a in range(12)}}},
        theirs.SequenceBiasLogitsProcessor({(5,): 1.5, (3, 9): -2.0, **{(a, 8): 0.5 for a in range(12)}}),
    ),
    "suppressed": ({"suppress_tokens": [3, 50]}, theirs.SuppressTokensLogitsProcessor([3, 50])),
    "growing stops": (
        {"exponential_decay_length_penalty": (3, 1.2)}, theirs.ExponentialDecayLengthPenalty((3, 1.2), EOS, PROMPT)
    ),
    "growing stops, not yet": (
        {"exponential_decay_length_penalty": (9, 1.2)}, theirs.ExponentialDecayLengthPenalty((9, 1.2), EOS, PROMPT)
    ),
    "shorter than min_length": ({"min_length": 15}, theirs.MinLengthLogitsProcessor(15, EOS)),
    "as long as min_length": ({"min_length": 14}, theirs.MinLengthLogitsProcessor(14, EOS)),
    "fewer than min_new_tokens": ({"min_new_tokens": 9}, theirs.MinNewTokensLengthLogitsProcessor(PROMPT, 9, EOS)),
    "as many as min_new_tokens": ({"min_new_tokens": 8}, theirs.MinNewTokensLengthLogitsProcessor(PROMPT, 8, EOS)),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORY)
@pytest.mark.parametrize("seed", range(3))
def test_rules_on_what_stands_in_the_sequence(name, seed):
    options, processor = HISTORY[name]
    ids = history(seed + 1)
    torch.testing.assert_close(ours(ids, **options), processor(ids, scores_of()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in HISTORY if "stops" not in name and "min_" not in name])
def test_a_row_gets_beside_longer_ones_what_it_gets_alone(name):
    options, _ = HISTORY[name]
    settings = resolve(GenerationConfig(eos_token_id=[2, 7], max_new_tokens=9, **options))
    prompts = [row[:length] for row, length in zip(history(4).tolist(), (1, 2, 5, 14, 8), strict=True)]
    rules = Rules(settings, vocabulary=VOCABULARY)

    def apply(rows):
        made = Sequences(
            [prompts[row] for row in rows], limits=[30] * len(rows), minimums=[0] * len(rows), vocabulary=60
        )
        return rules(scores_of()[rows], made)

    together = apply(list(range(ROWS)))
    for row in range(ROWS):
        torch.testing.assert_close(together[row : row + 1], apply([row]))


def test_rules_on_the_source():
    ids, source = history(), history(7, 10)
    source_rows = source.tolist()
    torch.testing.assert_close(
        ours(ids, sources=source_rows, encoder_repetition_penalty=1.4),
        theirs.EncoderRepetitionPenaltyLogitsProcessor(1.4, source)(ids, scores_of()),
    )
    for size in (1, 2, 3):
        torch.testing.assert_close(
            ours(ids, sources=source_rows, encoder_no_repeat_ngram_size=size),
            theirs.EncoderNoRepeatNGramLogitsProcessor(size, source)(ids, scores_of()),
        )


def test_forced_first_and_last_tokens():
    first = history(length=1)
    torch.testing.assert_close(
        ours(first, prompt=1, forced_bos_token_id=9), theirs.ForcedBOSTokenLogitsProcessor(9)(first, scores_of())
    )
    torch.testing.assert_close(ours(history(), forced_bos_token_id=9), scores_of())
    for length in (38, 39):
        ids = history(length=length)
        torch.testing.assert_close(
            ours(ids, forced_eos_token_id=[2, 3]), theirs.ForcedEOSTokenLogitsProcessor(40, [2, 3])(ids, scores_of())
        )


@pytest.mark.parametrize(("prompt", "forced", "begin"), [(1, None, 1), (1, 9, 2), (4, None, 4), (4, 9, 4)])
def test_tokens_suppressed_at_the_beginning(prompt, forced, begin):
    options = {} if forced is None else {"forced_bos_token_id": forced}
    processor = theirs.SuppressTokensAtBeginLogitsProcessor([3, 4], begin)
    for written in range(4):
        ids = history(length=prompt + written)
        if forced is not None and len(ids[0]) == 1:
            continue  # the forced token itself
        torch.testing.assert_close(
            ours(ids, prompt=prompt, begin_suppress_tokens=[3, 4], **options), processor(ids, scores_of())
        )


def test_invalid_scores_are_replaced():
    scores = scores_of()
    scores[0, :3] = torch.tensor([float("nan"), float("inf"), -float("inf")])
    torch.testing.assert_close(replace_invalid(scores), theirs.InfNanRemoveLogitsProcessor()(None, scores))


def test_a_forbidden_stop_does_not_grow():
    scores = torch.full((1, 4), -torch.inf)
    assert grow_stops(scores, torch.tensor([True, False, False, False]), 2.0, 3).equal(scores)


def test_a_stop_id_outside_the_vocabulary_is_none():
    settings = resolve(GenerationConfig(eos_token_id=50256, min_new_tokens=3, max_new_tokens=5), vocabulary=VOCABULARY)
    rules = Rules(settings, vocabulary=VOCABULARY)
    torch.testing.assert_close(rules(scores_of(), sequences_of(history())), scores_of())


@pytest.mark.parametrize("numbers", [1024, 5000, 50257])
@pytest.mark.parametrize("count", [1, 4, 50])
def test_the_largest_of_a_vocabulary_are_found_by_chunks(numbers, count):
    scores = torch.randn(6, numbers, generator=torch.Generator().manual_seed(count))
    scores[1, -3:] = 9.0 + torch.arange(3)  # in the last, shorter chunk
    scores[2, :] = -torch.inf
    scores[2, 70:130] = torch.arange(60.0)
    values, places = largest(scores, count)
    assert values.equal(scores.topk(count).values)
    assert scores.gather(1, places).equal(values)
