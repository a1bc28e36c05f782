"""Greedy decoding against transformers, token for token; stopping, lengths, log-probabilities."""

import pytest
import torch
from generation_reference import (
    ALL,
    DECODERS,
    ENCODER_DECODERS,
    EOS,
    VOCABULARY,
    ReferenceModel,
    as_reference_takes,
    gpt2,
    llama,
    padded,
    random_prompts,
)

from enfold.generation import GenerationConfig, generate, generate_compatible
from enfold.generation.sequences import Sequences

MANY_STOPS = list(range(2, 25))
OPTIONS = [
    {},
    {"eos_token_id": MANY_STOPS},
    {"eos_token_id": MANY_STOPS, "min_new_tokens": 5},
    {"repetition_penalty": 1.4, "no_repeat_ngram_size": 3},
    {"no_repeat_ngram_size": 1},
    {"bad_words_ids": [[7], [30, 31], [12, 13, 14]], "suppress_tokens": [40, 41], "begin_suppress_tokens": [50]},
    {"forced_eos_token_id": EOS, "sequence_bias": [[[20], 3.0], [[5, 6], -2.0]]},
    {"exponential_decay_length_penalty": (2, 1.5), "eos_token_id": MANY_STOPS},
    {"encoder_repetition_penalty": 1.5},
    {"encoder_no_repeat_ngram_size": 2},
    {"renormalize_logits": True, "remove_invalid_values": True},
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equal_to_transformers(name, options):
    reference = ALL[name]()
    prompts = random_prompts(4, seed=1, longest=8)
    if any("encoder" in key or "ngram" in key or "forced" in key for key in options):
        prompts = [prompt[:3] for prompt in prompts]  # there padding takes part in transformers' rules
    batch = as_reference_takes(name, prompts)
    wanted = reference.generate(**batch, max_new_tokens=12, **options)
    assert generate_compatible(ReferenceModel(reference), **batch, max_new_tokens=12, **options).equal(wanted)


@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_equal_for_encoder_decoders_with_forced_and_given_first_tokens(name):
    reference, batch = ENCODER_DECODERS[name](), as_reference_takes(name, random_prompts(3, seed=2))
    model = ReferenceModel(reference)
    for options in (
        {"forced_bos_token_id": 17},
        {"forced_bos_token_id": 17, "begin_suppress_tokens": [9]},
        {"decoder_start_token_id": 33},
        {"decoder_input_ids": torch.tensor([[40, 41], [42, 43], [44, 45]])},
    ):
        wanted = reference.generate(**batch, max_new_tokens=7, **options)
        assert generate_compatible(model, **batch, max_new_tokens=7, **options).equal(wanted)


@pytest.mark.parametrize("name", ALL)
def test_batched_equals_single_whatever_side_the_padding_is_on(name):
    model = ReferenceModel(ALL[name]())
    prompts = random_prompts(5, seed=3)
    options = {"max_new_tokens": 10, "eos_token_id": MANY_STOPS, "repetition_penalty": 1.2, "no_repeat_ngram_size": 2}
    for side in ("left", "right"):
        batch = padded(prompts, side)
        rows = generate_compatible(model, **batch, **options)
        start = rows.shape[1] if model.is_encoder_decoder else batch["input_ids"].shape[1]
        for number, prompt in enumerate(prompts):
            alone = generate_compatible(model, torch.tensor([prompt]), **options)[0]
            if model.is_encoder_decoder:
                new, found = alone.tolist(), rows[number].tolist()
            else:
                new, found = alone[len(prompt) :].tolist(), rows[number, start:].tolist()
            assert found[: len(new)] == new
            assert set(found[len(new) :]) <= {1}


def test_ids_in_and_ids_out():
    model = ReferenceModel(gpt2())
    prompts = random_prompts(4, seed=4)
    results = generate(model, prompts, GenerationConfig(max_new_tokens=6))
    for prompt, (one,) in zip(prompts, results, strict=True):
        expected = gpt2().generate(torch.tensor([prompt]), max_new_tokens=6)[0, len(prompt) :]
        assert list(one.ids) == expected.tolist()
        assert one.prompt_tokens == len(prompt)


def test_every_stop_id_stops_and_says_so():
    model = ReferenceModel(llama())
    stops = set(range(2, 8))
    config = GenerationConfig(max_new_tokens=12, eos_token_id=sorted(stops))
    reasons = set()
    for (one,) in generate(model, random_prompts(20, seed=5), config):
        reasons.add(one.finish_reason)
        if one.finish_reason == "stop":
            assert one.stopped_by == one.ids[-1]
            assert one.stopped_by in stops
            assert not stops & set(one.ids[:-1])
        else:
            assert len(one.ids) == 12
    assert reasons == {"stop", "length"}


def test_finished_rows_leave_the_batch():
    model = ReferenceModel(gpt2())
    decodings = []
    begin = model.begin_decoding
    model.begin_decoding = lambda *a, **k: decodings.append(begin(*a, **k)) or decodings[-1]
    results = generate(model, random_prompts(10, seed=5), GenerationConfig(max_new_tokens=12, eos_token_id=MANY_STOPS))
    lengths = [len(row[0].ids) for row in results]
    steps = decodings[0].sizes
    assert steps == [sum(length > step for length in lengths) for step in range(len(steps))]


def test_the_context_ends_a_sequence():
    model = ReferenceModel(gpt2())
    (one,) = generate(model, [list(range(6, 66 - 6))], GenerationConfig(max_new_tokens=50, eos_token_id=[]))[0]
    assert (len(one.ids), one.finish_reason) == (64 - 54, "length")


def test_max_length_counts_the_prompt():
    model = ReferenceModel(gpt2())
    results = generate(model, [[7, 8, 9], [7] * 6], GenerationConfig(max_length=10, eos_token_id=[]))
    assert [len(row[0].ids) for row in results] == [7, 4]


def test_min_length_counts_the_prompt():
    model = ReferenceModel(gpt2())
    prompts = [[7, 8, 9], [7] * 6]
    options = {"max_new_tokens": 8, "min_length": 8, "eos_token_id": list(range(2, 83))}
    for prompt, (one,) in zip(prompts, generate(model, prompts, GenerationConfig(**options)), strict=True):
        assert list(one.ids) == gpt2().generate(torch.tensor([prompt]), **options)[0, len(prompt) :].tolist()
        assert not set(one.ids[: 7 - len(prompt)]) & set(options["eos_token_id"])


def test_time_ends_everything():
    (one,) = generate(ReferenceModel(gpt2()), [[7]], GenerationConfig(max_new_tokens=40, max_time=1e-9))[0]
    assert (one.finish_reason, len(one.ids)) == ("time", 1)


@pytest.mark.parametrize("name", DECODERS)
def test_logprobs_and_alternatives_are_the_models_own(name):
    reference = DECODERS[name]()
    prompt = random_prompts(1, seed=7)[0]
    config = GenerationConfig(max_new_tokens=5, repetition_penalty=1.5, eos_token_id=[])
    (one,) = generate(ReferenceModel(reference), [prompt], config, alternatives=3)[0]
    with torch.no_grad():
        logprobs = reference(torch.tensor([[*prompt, *one.ids]])).logits[0].log_softmax(-1)[len(prompt) - 1 : -1]
    torch.testing.assert_close(torch.tensor(one.logprobs), logprobs[range(5), list(one.ids)], rtol=1e-4, atol=1e-4)
    best = logprobs.topk(3)
    assert [[other.token for other in place] for place in one.alternatives] == best.indices.tolist()
    assert one.alternatives[0][0].logprob == pytest.approx(float(best.values[0, 0]), abs=1e-4)


def test_logprobs_are_not_computed_unless_asked_for():
    (one,) = generate(ReferenceModel(gpt2()), [[7]], GenerationConfig(max_new_tokens=2))[0]
    assert one.logprobs is None
    assert one.alternatives is None


def test_scores_of_each_step_are_those_of_transformers():
    reference, batch = gpt2(), padded(random_prompts(3, seed=9))
    options = {"max_new_tokens": 6, "return_dict_in_generate": True, "output_scores": True, "output_logits": True,
               "repetition_penalty": 1.3, "eos_token_id": MANY_STOPS}  # fmt: skip
    wanted = reference.generate(**batch, **options)
    found = generate_compatible(ReferenceModel(reference), **batch, **options)
    assert found.sequences.equal(wanted.sequences)
    assert len(found.scores) == len(wanted.scores)
    width = batch["input_ids"].shape[1]
    for step, (ours, theirs) in enumerate(zip(found.scores, wanted.scores, strict=True)):
        running = ~torch.isin(found.sequences[:, width : width + step], torch.tensor(MANY_STOPS)).any(1)
        torch.testing.assert_close(ours[running], theirs[running], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found.logits[step][running], wanted.logits[step][running], rtol=1e-4, atol=1e-4)
        assert not ours[~running].any()


def test_token_buffers_are_allocated_once_and_their_rows_moved_between_two():
    sequences = Sequences([[7, 8, 9], [7, 8]], limits=[50, 50], minimums=[0, 0], vocabulary=VOCABULARY)
    places = set()
    for step in range(40):
        sequences.append(torch.tensor([step, step + 1]))
        sequences.select(torch.tensor([1, 0]) if step % 2 else torch.tensor([0, 1]))
        places.add(sequences.buffer.data_ptr())
    assert len(places) == 2


def test_tokens_are_taken_back():
    sequences = Sequences([[7, 8, 9], [7, 8]], limits=[9, 9], minimums=[0, 0], vocabulary=VOCABULARY)
    before = sequences.buffer.clone()
    for token in (3, 4, 5):
        sequences.append(torch.tensor([token, token]))
    assert sequences.new_ids(1) == [3, 4, 5]
    sequences.forget(3)
    assert sequences.buffer.equal(before)
    assert sequences.lengths.tolist() == [3, 2]
