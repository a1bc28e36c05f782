"""Beam search against transformers, token for token, on weights that make the best token clear."""

import itertools

import pytest
import torch
from generation_reference import (
    ALL,
    DECODERS,
    EOS,
    ReferenceModel,
    as_reference_takes,
    bart,
    gpt2,
    random_prompts,
)

from enfold.errors import InputError
from enfold.generation import GenerationConfig, generate, generate_compatible

GRID = list(itertools.product([2, 4], [False, True, "never"], [0.0, 1.0, 2.0, -1.0]))


def compare(name: str, seed: int = 0, **options) -> None:
    reference = ALL[name]()
    batch = as_reference_takes(name, random_prompts(4, seed=seed))
    wanted = reference.generate(**batch, return_dict_in_generate=True, output_scores=True, **options)
    found = generate_compatible(
        ReferenceModel(reference), **batch, return_dict_in_generate=True, output_scores=True, **options
    )
    assert found.sequences.tolist() == wanted.sequences.tolist()
    torch.testing.assert_close(found.sequences_scores, wanted.sequences_scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("beams", "early", "penalty"), GRID)
def test_equal_for_every_way_to_stop(name, beams, early, penalty):
    compare(name, num_beams=beams, early_stopping=early, length_penalty=penalty, max_new_tokens=10)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "options",
    [
        {"num_return_sequences": 3},
        {"no_repeat_ngram_size": 2, "repetition_penalty": 1.2},
        {"bad_words_ids": [[7], [8, 9], [2]], "min_new_tokens": 4},
        {"forced_eos_token_id": EOS, "suppress_tokens": [10, 11]},
        {"eos_token_id": list(range(2, 30)), "num_return_sequences": 2},
        {"eos_token_id": list(range(2, 30)), "early_stopping": True, "num_return_sequences": 4},
        {"eos_token_id": None, "early_stopping": True},
        {"renormalize_logits": True, "exponential_decay_length_penalty": (2, 1.3)},
        {"max_length": 14},
    ],
    ids=str,
)
def test_equal_with_rules(name, options):
    options = {"max_new_tokens": 9, **options}
    if "max_length" in options:
        del options["max_new_tokens"]
    compare(name, seed=5, num_beams=4, **options)


def test_equal_with_a_forced_first_token():
    compare("bart", num_beams=3, forced_bos_token_id=17, max_new_tokens=8)


def test_batched_equals_single():
    model = ReferenceModel(gpt2())
    prompts = random_prompts(5, seed=3)
    config = GenerationConfig(num_beams=3, num_return_sequences=2, max_new_tokens=8, eos_token_id=list(range(2, 20)))
    together = generate(model, prompts, config)
    for prompt, row in zip(prompts, together, strict=True):
        alone = generate(model, [prompt], config)[0]
        assert [one.ids for one in alone] == [one.ids for one in row]


def test_the_finish_reason_and_what_stopped_it_are_returned():
    model = ReferenceModel(gpt2())
    config = GenerationConfig(num_beams=3, num_return_sequences=3, max_new_tokens=8, eos_token_id=list(range(2, 20)))
    seen = set()
    for row in generate(model, random_prompts(6, seed=4), config):
        for one in row:
            seen.add(one.finish_reason)
            if one.finish_reason == "stop":
                assert one.ids[-1] == one.stopped_by < 20
            else:
                assert (one.finish_reason, len(one.ids)) == ("length", 8)
    assert "stop" in seen


def test_logprobs_are_the_models_own():
    model = ReferenceModel(bart())
    sources = random_prompts(2, seed=6)
    config = GenerationConfig(num_beams=3, max_new_tokens=6)
    for source, row in zip(sources, generate(model, None, config, encoder_ids=sources, logprobs=True), strict=True):
        ids = [EOS, *row[0].ids]
        with torch.no_grad():
            logits = bart()(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([ids])).logits[0]
        expected = logits.log_softmax(-1)[range(len(ids) - 1), ids[1:]]
        torch.testing.assert_close(torch.tensor(row[0].logprobs), expected, rtol=1e-4, atol=1e-4)


def test_prompts_that_are_done_leave_the_batch():
    model = ReferenceModel(gpt2())
    sizes = []
    begin = model.begin_decoding

    def watched(*arguments, **options):
        decoding = begin(*arguments, **options)
        decoding.sizes = sizes
        return decoding

    model.begin_decoding = watched
    config = GenerationConfig(num_beams=2, max_new_tokens=12, eos_token_id=list(range(2, 40)), early_stopping=True)
    generate(model, random_prompts(8, seed=8), config)
    assert sizes[-1] < max(sizes)


@pytest.mark.parametrize("name", DECODERS)
def test_a_stop_string_ends_a_beam(name):
    model = ReferenceModel(DECODERS[name]())
    decode = lambda ids: "".join(chr(ord("0") + number) for number in ids)  # noqa: E731
    config = GenerationConfig(num_beams=2, max_new_tokens=8, eos_token_id=[])
    first = generate(model, [[9, 10, 11]], config, decode=decode)[0][0]
    stop = first.text[2:4]
    one = generate(model, [[9, 10, 11]], config.updated(stop_strings=[stop], early_stopping=True), decode=decode)[0][0]
    assert one.finish_reason in ("stop_string", "length")
    if one.finish_reason == "stop_string":
        assert stop not in one.text
        assert decode(one.ids).endswith(stop)


def test_drawn_beams_repeat_with_their_seed_and_do_not_depend_on_neighbours():
    model = ReferenceModel(gpt2())
    prompts = random_prompts(3, seed=9)
    config = GenerationConfig(num_beams=3, do_sample=True, top_k=20, max_new_tokens=6)
    together = generate(model, prompts, config, seeds=[4, 5, 6])
    assert together == generate(model, prompts, config, seeds=[4, 5, 6])
    assert together[1][0].ids == generate(model, [prompts[1]], config, seeds=[5])[0][0].ids
    assert together != generate(model, prompts, config, seeds=[7, 8, 9])


def test_too_few_tokens_to_draw_from_are_an_error():
    config = GenerationConfig(num_beams=8, do_sample=True, max_new_tokens=2, suppress_tokens=list(range(8, 83)))
    with pytest.raises(InputError, match="beam search draws 16 candidates, but the options leave 8 possible"):
        generate(ReferenceModel(gpt2()), [[7, 8]], config)


def test_beams_exclude_what_they_cannot_do():
    with pytest.raises(InputError, match="alternatives and num_beams=2"):
        generate(ReferenceModel(gpt2()), [[7]], GenerationConfig(num_beams=2), alternatives=3)
