"""An assistant model and prompt lookup change how fast tokens come, never which."""

import pytest
import torch
from generation_reference import ALL, ReferenceModel, bart, gpt2, llama, padded, random_prompts
from test_generation_sampling import is_plausible

from enfold.errors import InputError
from enfold.generation import GenerationConfig, generate, generate_compatible, stream

ASSISTANTS = {"gpt2": lambda: gpt2(9, 1), "llama": lambda: llama(9), "bart": lambda: bart(9), "t5": None}
OPTIONS = [
    {},
    {"eos_token_id": list(range(2, 25))},
    {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    {"min_new_tokens": 6, "eos_token_id": list(range(2, 25)), "forced_eos_token_id": 2},
]


@pytest.mark.parametrize("name", ["gpt2", "llama", "bart"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("which", ["another", "itself"])
def test_greedy_output_is_the_same(name, options, which):
    model = ReferenceModel(ALL[name]())
    assistant = model if which == "itself" else ReferenceModel(ASSISTANTS[name]())
    batch = padded(random_prompts(3, seed=1))
    options = {"max_new_tokens": 11, **options}
    plain = generate_compatible(model, **batch, **options)
    assert generate_compatible(model, **batch, assistant_model=assistant, num_assistant_tokens=4, **options).equal(
        plain
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_greedy_output_with_prompt_lookup_is_the_same(options):
    model = ReferenceModel(gpt2())
    batch = padded([[7, 8, 9, 10, 7, 8], [20, 21, 20, 21, 20]])
    plain = generate_compatible(model, **batch, max_new_tokens=11, **options)
    assert generate_compatible(model, **batch, max_new_tokens=11, prompt_lookup_num_tokens=3, **options).equal(plain)


def test_a_good_assistant_saves_steps_of_the_model():
    model = ReferenceModel(gpt2())
    begun = []
    begin = model.begin_decoding
    model.begin_decoding = lambda *a, **k: begun.append(begin(*a, **k)) or begun[-1]
    config = GenerationConfig(
        max_new_tokens=13, eos_token_id=[], num_assistant_tokens=5, assistant_confidence_threshold=0.0
    )
    pieces = list(stream(model, [[7, 8, 9]], config, assistant=ReferenceModel(gpt2())))
    assert [len(piece.ids) for piece in pieces] == [1, 6, 6]
    assert len(begun[0].sizes) == 3


def test_an_assistant_that_is_not_sure_stops_early():
    config = GenerationConfig(
        max_new_tokens=9, eos_token_id=[], num_assistant_tokens=5, assistant_confidence_threshold=1.0
    )
    model = ReferenceModel(gpt2())
    pieces = list(stream(model, [[7, 8, 9]], config, assistant=ReferenceModel(gpt2())))
    assert max(len(piece.ids) for piece in pieces) == 2


SECOND = {"do_sample": True, "temperature": 3.0, "top_k": 12, "eos_token_id": [], "max_new_tokens": 3,
          "num_assistant_tokens": 2, "assistant_confidence_threshold": 0.0,
          "sequence_bias": [[[10, 11, 12], 1e4]]}  # the first new token is 12; the second is looked at  # fmt: skip


def second_distribution(prompt: list[int]) -> torch.Tensor:
    with torch.no_grad():
        scores = gpt2()(torch.tensor([[*prompt, 12]])).logits[0, -1] / 3.0
    return scores.masked_fill(scores < scores.topk(12).values[-1], -torch.inf).softmax(-1)


def counts_of_second(prompt: list[int], config: GenerationConfig, **arguments) -> torch.Tensor:
    (results,) = generate(ReferenceModel(gpt2()), [prompt], config, seeds=5, **arguments)
    assert {one.ids[0] for one in results} == {12}
    return torch.bincount(torch.tensor([one.ids[1] for one in results]), minlength=83)


@pytest.mark.slow
def test_an_assistant_leaves_the_distribution_as_it_is():
    prompt = [9, 10, 11]
    config = GenerationConfig(num_return_sequences=500, **SECOND)
    counts = counts_of_second(prompt, config, assistant=ReferenceModel(gpt2(9, 1)))
    assert is_plausible(counts, second_distribution(prompt))


@pytest.mark.slow
def test_prompt_lookup_leaves_the_distribution_as_it_is():
    prompts = ([12, proposed, 10, 11] for proposed in range(13, 83))
    prompt = next(p for p in prompts if 0.1 < second_distribution(p)[p[1]] < 0.6)  # kept at times, refused at times
    config = GenerationConfig(num_return_sequences=500, prompt_lookup_num_tokens=2, **SECOND)
    assert is_plausible(counts_of_second(prompt, config), second_distribution(prompt))


def test_sampling_repeats_with_its_seed_beside_others():
    model, assistant = ReferenceModel(gpt2()), ReferenceModel(gpt2(9, 1))
    config = GenerationConfig(do_sample=True, temperature=2.0, max_new_tokens=8, num_assistant_tokens=3)
    prompts = random_prompts(3)
    together = generate(model, prompts, config, seeds=[1, 2, 3], assistant=assistant)
    assert together[1] == generate(model, [prompts[1]], config, seeds=2, assistant=assistant)[0]


def test_logprobs_come_with_every_token():
    model = ReferenceModel(gpt2())
    config = GenerationConfig(max_new_tokens=9, eos_token_id=[])
    (plain,) = generate(model, [[7, 8]], config, alternatives=2)[0]
    (fast,) = generate(model, [[7, 8]], config, alternatives=2, assistant=ReferenceModel(gpt2(9, 1)))[0]
    assert fast.ids == plain.ids
    assert fast.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
    assert [[o.token for o in place] for place in fast.alternatives] == [
        [o.token for o in p] for p in plain.alternatives
    ]


def test_what_excludes_an_assistant_is_named():
    model = ReferenceModel(gpt2())
    with pytest.raises(InputError, match="assistant and num_beams=2"):
        generate(model, [[7]], GenerationConfig(num_beams=2), assistant=model)
    with pytest.raises(InputError, match="assistant and prompt_lookup_num_tokens"):
        generate(model, [[7]], GenerationConfig(prompt_lookup_num_tokens=2), assistant=model)
    other = ReferenceModel(gpt2())
    other.vocabulary = 90
    with pytest.raises(InputError, match="the assistant has a vocabulary of 90 and the model one of 83"):
        generate(model, [[7]], assistant=other)
    with pytest.raises(InputError, match="must both be decoders, or both encoder-decoders"):
        generate(model, [[7]], assistant=ReferenceModel(bart()))
